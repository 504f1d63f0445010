import { useState } from 'react';

/** Type at any time. */
export function Composer({ onSend }: { onSend: (text: string) => void }) {
  const [text, setText] = useState('');
  return (
    <form
      className="antiphon-composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) onSend(text);
        setText('');
      }}
    >
      <input
        aria-label="Message"
        placeholder="Or type…"
        autoComplete="off"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" disabled={!text.trim()}>
        Send
      </button>
    </form>
  );
}
