/** What the server says: into the log, and to whoever it concerns. */

import type { Dialogue } from './dialogue';
import { VoiceError } from './errors';
import type { Emitter } from './events';
import type { Exchange } from './exchange';
import type { Interruption } from './interruption';
import type { EventLog } from './log';
import { isOfOwn } from './outbox';
import { known, type ServerEvent, type WireError, type WireEvent } from './protocol';
import type { Recorder } from './recorder';
import type { SessionEvents } from './session-events';
import type { SnapshotStore } from './store';
import type { ToolRunner } from './tools';
import type { VoiceInput } from './voice-input';

/** Failed answers in a row after which speech is given up. */
const ENGINE_FAILURES = 2;
/** What the server says before it closes, of which the close tells; and what is tried again. */
const UNTOLD = new Set([
  'session_expired',
  'invalid_api_key',
  'conversation_already_has_active_response',
]);

const SOLVED_BY_AN_ANSWER = new Set(['engine-failed', 'gap']);

/** Those whom an event may concern. */
interface Readers {
  log: EventLog;
  emitter: Emitter<SessionEvents>;
  dialogue: Dialogue;
  store: SnapshotStore;
  interruption: Interruption;
  exchange: Exchange;
  recorder: Recorder;
  input: VoiceInput;
  tools: ToolRunner;
}

export class Inbox {
  /** Answers that failed, in a row. */
  failures = 0;
  readonly #log: EventLog;
  readonly #emitter: Emitter<SessionEvents>;
  readonly #readers: Omit<Readers, 'log' | 'emitter'>;

  constructor({ log, emitter, ...readers }: Readers) {
    this.#log = log;
    this.#emitter = emitter;
    this.#readers = readers;
  }

  receive(event: WireEvent): void {
    const atMs = Date.now();
    this.#emitter.emit('event', this.#log.add('received', event, atMs));
    // What is not known is in the log, for whoever listens there, and changes nothing here.
    const understood = known(event);
    if (!understood) return;
    try {
      this.#understand(understood, atMs);
    } catch (cause) {
      this.#readers.store.report(
        new VoiceError('protocol', { cause, detail: `In ${event.type}: ${cause}` }),
      );
    }
    this.#readers.store.update();
  }

  #understand(event: ServerEvent, atMs: number): void {
    // First: what it stops counts as interrupted before the server says what it does about it.
    if (event.type === 'input_audio_buffer.speech_started') this.#readers.interruption.byVoice();
    this.#readers.dialogue.receive(event, atMs);
    this.#readers.tools.receive(event);
    switch (event.type) {
      case 'error':
        this.#refused(event.error);
        break;
      case 'antiphon.overlap':
        this.#readers.interruption.overlaps(event.state === 'open');
        break;
      case 'conversation.item.truncated':
        this.#readers.interruption.truncated(event.item_id);
        break;
      case 'response.output_item.done':
        this.#announceCall(event.item.id);
        break;
      case 'response.created':
        this.#readers.exchange.begun();
        break;
      case 'response.done':
        this.#answered(event.response.status_details?.error, event.response.status === 'failed');
        break;
      case 'output_audio_buffer.started':
        this.#readers.recorder.follow();
        break;
    }
  }

  #announceCall(itemId: string | undefined): void {
    const item = this.#readers.dialogue.items.find((other) => other.id === itemId);
    if (item?.type === 'tool_call') this.#emitter.emit('toolCall', item);
  }

  #answered(error: { code?: string | null; message?: string } | undefined, failed: boolean): void {
    this.failures = failed ? this.failures + 1 : 0;
    if (failed) {
      const { message: detail = '', code = null } = error ?? {};
      this.#readers.store.report(new VoiceError('engine-failed', { detail, code }));
      if (this.failures === ENGINE_FAILURES) {
        this.failures = 0;
        void this.#readers.input.use('text');
      }
    } else if (SOLVED_BY_AN_ANSWER.has(this.#readers.store.own.error?.kind ?? '')) {
      this.#readers.store.update({ error: null });
    }
    this.#readers.exchange.settle();
  }

  #refused(error: WireError): void {
    const { code = null, message: detail } = error;
    this.#readers.exchange.refused(error);
    if (isOfOwn(error) || UNTOLD.has(code ?? '')) return;
    this.#readers.store.report(new VoiceError('protocol', { detail, code }));
  }
}
