import { useEffect, useState } from 'react';
import { load, type Preferences, save } from './preferences';

export type Change = (part: Partial<Preferences>) => void;

/** Kept in this browser. */
export function usePreferences(): [Preferences, Change] {
  const [preferences, setPreferences] = useState(() => load(localStorage));
  useEffect(() => save(localStorage, preferences), [preferences]);
  useEffect(() => {
    const { theme } = preferences;
    document.documentElement.style.colorScheme = theme === 'system' ? 'light dark' : theme;
  }, [preferences]);
  return [preferences, (part) => setPreferences((all) => ({ ...all, ...part }))];
}

/** A server's key is kept for as long as this tab is open, and no longer. */
export function useKey(): [string, (key: string) => void] {
  const [key, setKey] = useState(() => sessionStorage.getItem('antiphon-key') ?? '');
  return [
    key,
    (fresh) => {
      sessionStorage.setItem('antiphon-key', fresh);
      setKey(fresh);
    },
  ];
}
