import type { Usage } from '@antiphon/react';

/** What it came to, as far as there are prices; null: nobody counts, or it cost nothing. */
export function costOf({ costNanoUsd, unpriced }: Usage): string | null {
  if (!costNanoUsd) return unpriced ? 'no price known' : null;
  const dollars = costNanoUsd / 1e9;
  const digits = Math.abs(dollars) < 0.01 ? 5 : 3;
  return `$${dollars.toFixed(digits)}${unpriced ? ' and more' : ''}`;
}
