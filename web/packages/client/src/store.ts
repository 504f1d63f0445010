/** The snapshot, and who wants to know of the next one. */

import { activityOf } from './activity';
import type { Dialogue } from './dialogue';
import type { VoiceError } from './errors';
import type { Emitter } from './events';
import type { SessionEvents } from './session-events';
import type { SessionState, Snapshot } from './snapshot';
import { NO_USAGE } from './usage';

/** Where the connection is in its life. */
export type Phase = 'idle' | 'connecting' | 'open' | 'reconnecting' | 'closed';

type Own = Omit<
  Snapshot,
  'state' | 'activity' | 'userSpeaking' | 'items' | 'turns' | 'usage' | 'serverSession'
> & { phase: Phase };

export class SnapshotStore {
  #own: Own;
  #snapshot: Snapshot;
  readonly #dialogue: Dialogue;
  readonly #emitter: Emitter<SessionEvents>;

  constructor(dialogue: Dialogue, mode: Own['mode'], emitter: Emitter<SessionEvents>) {
    this.#dialogue = dialogue;
    this.#emitter = emitter;
    this.#own = {
      phase: 'idle',
      transport: null,
      mode,
      microphone: 'off',
      muted: false,
      audioBlocked: false,
      pressed: false,
      quality: null,
      recording: false,
      error: null,
      callId: null,
    };
    this.#snapshot = Object.freeze({
      ...this.#own,
      state: 'idle',
      activity: 'listening',
      userSpeaking: false,
      items: [],
      turns: [],
      usage: NO_USAGE,
      serverSession: null,
    });
  }

  get own(): Readonly<Own> {
    return this.#own;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Takes over what the dialogue has now, and `patch`; tells of it. */
  update(patch: Partial<Own> = {}): void {
    this.#own = { ...this.#own, ...patch };
    const { phase, ...own } = this.#own;
    const { items, turns, usage, session, activity } = this.#dialogue;
    const now = activityOf(activity);
    const isVoice = own.mode === 'voice' && own.microphone === 'on';
    let state: SessionState = phase === 'open' ? now : phase;
    if (phase === 'open' && !isVoice) state = 'text-only';
    const { userSpeaking } = activity;
    this.#snapshot = Object.freeze({
      ...own,
      state,
      activity: now,
      userSpeaking,
      items,
      turns,
      usage,
      serverSession: session,
    });
    this.#emitter.emit('change', this.#snapshot);
  }

  /** Something went wrong: it shows, and whoever listens for it is told. */
  report(error: VoiceError): void {
    this.update({ error });
    this.#emitter.emit('error', error);
  }
}
