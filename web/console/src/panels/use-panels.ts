import { useCallback, useEffect, useState } from 'react';

export type Panel = 'settings' | 'details' | 'code';

export interface Panels {
  /** The drawer that is open. */
  open: Panel | null;
  /** It is open because of the server's key, whose field is to be typed in. */
  wantsKey: boolean;
  toggle: (panel: Panel) => void;
  close: () => void;
  enterKey: () => void;
}

/** `isRefused`: the server wants a key; its field is shown. */
export function usePanels(isRefused: boolean): Panels {
  const [open, setOpen] = useState<Panel | null>(null);
  const [wantsKey, setWantsKey] = useState(false);
  const enterKey = useCallback(() => {
    setWantsKey(true);
    setOpen('settings');
  }, []);
  useEffect(() => {
    if (isRefused) enterKey();
  }, [isRefused, enterKey]);
  const show = (panel: Panel | null) => {
    setWantsKey(false);
    setOpen(panel);
  };
  return {
    open,
    wantsKey,
    enterKey,
    toggle: (panel) => show(open === panel ? null : panel),
    close: () => show(null),
  };
}
