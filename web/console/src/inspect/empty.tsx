import type { ReactNode } from 'react';

/** What will be here, while nothing is. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}
