import { Send } from 'lucide-react';
import { useState } from 'react';

interface InstructProps {
  isDisabled: boolean;
  send: (text: string, answer: boolean) => Promise<void>;
}

/** A message of the system, which the agent follows. */
export function Instruct({ isDisabled, send }: InstructProps) {
  const [text, setText] = useState('');
  const [answer, setAnswer] = useState(true);
  const isBlank = !text.trim();
  return (
    <form
      className="instruct"
      onSubmit={(event) => {
        event.preventDefault();
        if (isBlank) return;
        void send(text.trim(), answer);
        setText('');
      }}
    >
      <input
        aria-label="Instruction to the agent"
        placeholder="Instruct the agent…"
        maxLength={8000}
        disabled={isDisabled}
        value={text}
        onChange={({ currentTarget }) => setText(currentTarget.value)}
      />
      <label className="row">
        <input
          type="checkbox"
          checked={answer}
          onChange={({ currentTarget }) => setAnswer(currentTarget.checked)}
        />
        answer now
      </label>
      <button type="submit" className="primary" disabled={isDisabled || isBlank}>
        <Send aria-hidden="true" />
        Instruct
      </button>
    </form>
  );
}
