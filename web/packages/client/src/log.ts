/** The events that went over the wire, the newest of them. */

import type { WireEvent } from './protocol';

export interface LogEntry {
  /** Counts all events of the session, also those that the log has let go. */
  index: number;
  direction: 'sent' | 'received';
  /** Milliseconds since 1970. */
  atMs: number;
  /** Audio is replaced by its length: `"<12800 characters>"`. */
  event: WireEvent;
  /** Audio events in a row are one entry: the first of them, and how many they are. */
  count: number;
}

const AUDIO = new Set(['input_audio_buffer.append', 'response.output_audio.delta']);
const LONG = 2000;

export class EventLog {
  readonly #limit: number;
  #entries: LogEntry[] = [];
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(direction: LogEntry['direction'], event: WireEvent, atMs: number): LogEntry {
    const last = this.#entries.at(-1);
    if (AUDIO.has(event.type) && last?.event.type === event.type) {
      last.count++;
      return last;
    }
    const entry = { index: this.#count++, direction, atMs, event: shortened(event), count: 1 };
    this.#entries.push(entry);
    // Let go in one piece, now and then: shifting one at a time costs the whole list each time.
    if (this.#entries.length >= 2 * this.#limit) this.#entries = this.entries().slice();
    return entry;
  }

  /** Oldest first. */
  entries(): readonly LogEntry[] {
    return this.#entries.slice(-this.#limit);
  }

  clear(): void {
    this.#entries = [];
  }

  /** JSON Lines, one event each. */
  export(): Blob {
    const lines = this.entries().map((entry) => `${JSON.stringify(entry)}\n`);
    return new Blob(lines, { type: 'application/x-ndjson' });
  }
}

function shortened(event: WireEvent): WireEvent {
  return shorten(event) as WireEvent;
}

function shorten(value: unknown, key = ''): unknown {
  if (typeof value === 'string') {
    const isBulk =
      key === 'audio' || key === 'image_url' || (key === 'delta' && value.length > LONG);
    return isBulk ? `<${value.length} characters>` : value;
  }
  if (Array.isArray(value)) return value.map((inner) => shorten(inner));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, shorten(inner, name)]),
    );
  }
  return value;
}
