import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { FieldHead } from './fields';

/** A text that counts once it is left: a half-typed one would go to the server. */
export function Draft({
  label,
  api,
  value,
  onDone,
  lines = 1,
  type = 'text',
  placeholder,
  isWanted = false,
  children,
}: {
  label: string;
  api?: string;
  value: string;
  onDone: (value: string) => void;
  lines?: number;
  type?: 'text' | 'password' | 'url';
  placeholder?: string;
  /** What was tried needs it: the cursor goes there. */
  isWanted?: boolean;
  /** Below: what is wrong with it, and the like. */
  children?: (draft: string) => ReactNode;
}) {
  const id = useId();
  const [draft, setDraft] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => setDraft(value), [value]);
  useEffect(() => {
    if (isWanted) field.current?.focus();
  }, [isWanted]);
  const shared = {
    id,
    value: draft,
    placeholder,
    spellCheck: false,
    onBlur: () => draft !== value && onDone(draft),
  };
  return (
    <div className="field">
      <FieldHead htmlFor={id} label={label} api={api} />
      {lines > 1 ? (
        <textarea
          {...shared}
          rows={lines}
          onChange={({ currentTarget }) => setDraft(currentTarget.value)}
        />
      ) : (
        <input
          {...shared}
          ref={field}
          type={type}
          autoComplete="off"
          onChange={({ currentTarget }) => setDraft(currentTarget.value)}
          onKeyDown={({ key }) => key === 'Enter' && draft !== value && onDone(draft)}
        />
      )}
      {children?.(draft)}
    </div>
  );
}
