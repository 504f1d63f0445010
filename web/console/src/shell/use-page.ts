import { useSyncExternalStore } from 'react';

const PAGES = ['talk', 'conversations', 'operate'] as const;
export type PageName = (typeof PAGES)[number];

/** The page that the address names after `#`, so that the browser's own back button works. */
export function usePage(): PageName {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener('hashchange', changed);
      return () => window.removeEventListener('hashchange', changed);
    },
    () => PAGES.find((page) => location.hash === `#${page}`) ?? 'talk',
  );
}

export function goTo(page: PageName): void {
  location.hash = page;
}
