import type { Quality } from '@antiphon/react';
import { useEffect, useState } from 'react';

/** Two minutes of them. */
export const QUALITIES_KEPT = 60;

export function useQualityHistory(quality: Quality | null): readonly Quality[] {
  const [history, setHistory] = useState<readonly Quality[]>([]);
  useEffect(() => {
    if (quality) setHistory((all) => [...all.slice(1 - QUALITIES_KEPT), quality]);
  }, [quality]);
  return history;
}
