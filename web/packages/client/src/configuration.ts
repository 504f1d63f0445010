/** What the page wants of the conversation, as it stands now. */

import type { MicrophoneOptions, SessionSettings, VoiceSessionOptions } from './options';
import type { WireEvent } from './protocol';
import { firstSession, merge, sessionOf } from './settings';

export class Configuration {
  #options: VoiceSessionOptions;
  #settings: SessionSettings | null;

  constructor(options: VoiceSessionOptions) {
    this.#options = options;
    this.#settings = options.session === undefined ? {} : options.session;
  }

  get options(): VoiceSessionOptions {
    return this.#options;
  }

  get microphone(): MicrophoneOptions {
    return this.#options.microphone ?? {};
  }

  /** Push to talk. */
  get isByHand(): boolean {
    return this.#settings?.turnDetection === null;
  }

  /** `false`: the session stays as its secret bound it. */
  get hasSettings(): boolean {
    return this.#settings !== null;
  }

  change(options: Partial<VoiceSessionOptions>): void {
    this.#options = { ...this.#options, ...options };
    if (options.session !== undefined) this.#settings = options.session;
  }

  /** Some settings are other ones now. The event that tells the server. */
  update(settings: SessionSettings): WireEvent {
    this.#settings = merge(this.#settings ?? {}, settings) as SessionSettings;
    if (settings.turnDetection) this.#settings.turnDetection = settings.turnDetection;
    return sessionUpdate(sessionOf(settings));
  }

  /** What a new connection is told first; null where it is told nothing. */
  introduction(transport: 'webrtc' | 'websocket'): WireEvent | null {
    if (!this.#settings) return null;
    const { tools = [], codec = 'opus' } = this.#options;
    return sessionUpdate(firstSession(this.#settings, { tools, codec, transport }));
  }
}

export function sessionUpdate(session: object): WireEvent {
  return { type: 'session.update', session: { type: 'realtime', ...session } };
}
