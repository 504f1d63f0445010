/** `atS`: seconds since 1970. */
export function dateOf(atS: number): string {
  return new Date(atS * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}
