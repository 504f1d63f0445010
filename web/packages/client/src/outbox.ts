/** The way of all events to the server: into the log, and onto the connection. */

import type { Emitter } from './events';
import { newId } from './ids';
import type { Line } from './line';
import type { EventLog } from './log';
import type { WireError, WireEvent } from './protocol';
import type { SessionEvents } from './session-events';

/** The events that we send on our own account; their refusal is nobody's concern. */
const OWN = 'own_';

export class Outbox {
  readonly #line: Line;
  readonly #log: EventLog;
  readonly #emitter: Emitter<SessionEvents>;

  constructor(line: Line, log: EventLog, emitter: Emitter<SessionEvents>) {
    this.#line = line;
    this.#log = log;
    this.#emitter = emitter;
  }

  /** Without a connection nothing is sent. */
  send(event: WireEvent): void {
    const { connection } = this.#line;
    if (!connection) return;
    this.#emitter.emit('event', this.#log.add('sent', event, Date.now()));
    connection.send(event);
  }

  /** Sends what may be refused without a word to anybody. */
  sendOwn(event: WireEvent): void {
    this.send({ event_id: newId(`${OWN}event`), ...event });
  }
}

/** Whether it refuses what `sendOwn` has sent. */
export function isOfOwn(error: WireError): boolean {
  return error.event_id?.startsWith(OWN) ?? false;
}
