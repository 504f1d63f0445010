import { type ReactNode, useEffect, useId, useRef, useState } from 'react';

export interface Choice {
  name: string;
  icon: ReactNode;
  act: () => void;
}

interface MenuProps {
  label: string;
  icon: ReactNode;
  choices: readonly Choice[];
  isDisabled?: boolean;
  /** Where it opens. */
  side?: 'above' | 'below';
}

/** A button that shows a few more. */
export function Menu({ label, icon, choices, isDisabled = false, side = 'below' }: MenuProps) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLFieldSetElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!isOpen) return;
    root.current?.querySelector<HTMLElement>('.menu button')?.focus();
    const close = ({ target }: Event) => {
      if (!root.current?.contains(target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', close);
    return () => document.removeEventListener('pointerdown', close);
  }, [isOpen]);

  const close = () => {
    setOpen(false);
    button.current?.focus();
  };

  return (
    <fieldset
      ref={root}
      className="menu-root"
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !isOpen) return;
        // It closes the menu, and interrupts nobody.
        event.stopPropagation();
        close();
      }}
    >
      <button
        ref={button}
        type="button"
        className="icon"
        title={label}
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls={id}
        disabled={isDisabled}
        onClick={() => setOpen(!isOpen)}
      >
        {icon}
      </button>
      {isOpen && (
        <ul id={id} className="menu" data-side={side}>
          {choices.map(({ name, icon: picture, act }) => (
            <li key={name}>
              <button
                type="button"
                onClick={() => {
                  close();
                  act();
                }}
              >
                {picture}
                {name}
              </button>
            </li>
          ))}
        </ul>
      )}
    </fieldset>
  );
}
