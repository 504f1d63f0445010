import { X } from 'lucide-react';
import { type ReactNode, useLayoutEffect, useRef } from 'react';
import { useIsWide } from './use-is-wide';

interface DrawerProps {
  title: string;
  isOpen: boolean;
  isBroad?: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** Comes over the right side and leaves the conversation usable; on a small screen it covers all. */
export function Drawer({ title, isOpen, isBroad = false, onClose, children }: DrawerProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isWide = useIsWide();

  // Before the effects of what is inside: a field can take the focus only once it is shown.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element || element.open === isOpen) return;
    if (!isOpen) element.close();
    else if (isWide) element.show();
    else element.showModal();
  }, [isOpen, isWide]);

  return (
    <dialog
      ref={dialog}
      className="drawer"
      data-broad={isBroad || undefined}
      aria-label={title}
      // Not where another one has taken its place.
      onClose={() => isOpen && onClose()}
      onKeyDown={(event) => {
        if (event.key === 'Escape') dialog.current?.close();
      }}
    >
      <header className="panel-head">
        <h2>{title}</h2>
        <button type="button" className="icon" aria-label={`Close ${title}`} onClick={onClose}>
          <X aria-hidden="true" />
        </button>
      </header>
      {isOpen && <div className="panel-body">{children}</div>}
    </dialog>
  );
}
