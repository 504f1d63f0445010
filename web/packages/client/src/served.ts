/** What really answers: an extension of the session that other servers leave out. */

import type { WireSession } from './protocol';

export interface Served {
  engine: string | null;
  voice: string | null;
}

/** The session's `model` and `voice` are echoes of what was asked for; this is what there is. */
export function servedBy(session: WireSession | null): Served {
  const told = session?.antiphon as Partial<Record<keyof Served, unknown>> | null | undefined;
  const text = (value: unknown) => (typeof value === 'string' && value ? value : null);
  return { engine: text(told?.engine), voice: text(told?.voice) };
}
