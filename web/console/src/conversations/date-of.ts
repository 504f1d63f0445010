const DATE = new Intl.DateTimeFormat([], { dateStyle: 'medium', timeStyle: 'short' });

/** `atS`: seconds since 1970. */
export function dateOf(atS: number): string {
  return DATE.format(atS * 1000);
}

/** What is the same of both is said once. */
export function spanOf(fromS: number, toS: number): string {
  return DATE.formatRange(fromS * 1000, Math.max(fromS, toS) * 1000);
}
