/** The Realtime API's events, as a client sees them. */

import { SERVER_EVENT_TYPES, type ServerEvents } from './protocol.generated';

export type * from './protocol.generated';

/** A server event of a type that is known here. */
export type ServerEvent = {
  [Type in keyof ServerEvents]: { type: Type; event_id?: string } & ServerEvents[Type];
}[keyof ServerEvents];

/** Any event, either way: what the log holds and `send` takes. */
export interface WireEvent {
  type: string;
  event_id?: string;
  [field: string]: unknown;
}

/**
 * The event, if its type is one that is known here; null for what a newer server may send. That its
 * fields are those of its type is the server's word.
 */
export function known(event: WireEvent): ServerEvent | null {
  return SERVER_EVENT_TYPES.has(event.type) ? (event as unknown as ServerEvent) : null;
}
