/** The microphone in the conversation: asked for, exchanged, let through or held back. */

import { Microphone } from './audio/microphone';
import type { Configuration } from './configuration';
import { asVoiceError, VoiceError } from './errors';
import type { Line } from './line';
import type { Mode } from './options';
import type { Recorder } from './recorder';
import type { Snapshot } from './snapshot';
import type { SnapshotStore } from './store';

/** What a microphone that works has put right. */
const MICROPHONE = new Set(['microphone-denied', 'no-device', 'media-failed']);

export class VoiceInput {
  isPressed = false;
  #microphone: Microphone | null = null;
  readonly #configuration: Configuration;
  readonly #line: Line;
  readonly #store: SnapshotStore;
  readonly #recorder: Recorder;

  constructor(configuration: Configuration, line: Line, store: SnapshotStore, recorder: Recorder) {
    this.#configuration = configuration;
    this.#line = line;
    this.#store = store;
    this.#recorder = recorder;
  }

  get microphone(): Microphone | null {
    return this.#microphone;
  }

  /** Opens it, or another one in its place. Without one the error that is reported says why. */
  async open(signal: AbortSignal): Promise<void> {
    const isFirst = !this.#microphone;
    if (isFirst) this.#changed('asking');
    try {
      const microphone = await Microphone.open(this.#configuration.microphone);
      if (signal.aborted) {
        microphone.close();
        return;
      }
      microphone.onLost = () => {
        this.#store.report(new VoiceError('no-device', { detail: 'The microphone has gone.' }));
        void this.#replace(null);
      };
      await this.#replace(microphone);
    } catch (reason) {
      if (signal.aborted) return;
      this.#store.report(asVoiceError(reason, 'media-failed'));
      if (isFirst) this.#changed('off');
    }
  }

  /** Lets the device go. */
  async release(): Promise<void> {
    await this.#replace(null);
  }

  /** Text lets the device go; voice asks for it. Throws: VoiceError where there is none. */
  async use(mode: Mode): Promise<void> {
    this.#store.update({ mode });
    if (mode === 'text') return this.release();
    if (this.#store.own.phase !== 'open') return;
    const { signal } = this.#line;
    if (!this.#microphone) await this.open(signal);
    if (signal.aborted) return;
    // Back to text meanwhile.
    if (this.#store.own.mode !== 'voice') return this.release();
    const { error } = this.#store.own;
    if (!this.#microphone) throw error ?? new VoiceError('media-failed');
    if (!this.#line.hasAudio) await this.#line.renew();
  }

  /** Gives it to the connection. */
  async attach(): Promise<void> {
    this.gate();
    try {
      await this.#line.connection?.setMicrophone(this.#microphone);
    } catch (reason) {
      this.close();
      this.#store.report(asVoiceError(reason, 'media-failed'));
    }
  }

  /** Lets it through, or not. */
  gate(): void {
    const isOpen = !this.#configuration.isByHand || this.isPressed;
    if (this.#microphone) this.#microphone.enabled = isOpen && !this.#store.own.muted;
    const { connection } = this.#line;
    if (connection) connection.transmitting = isOpen;
  }

  close(): void {
    this.isPressed = false;
    this.#microphone?.close();
    this.#microphone = null;
    this.#changed('off');
  }

  async #replace(microphone: Microphone | null): Promise<void> {
    const old = this.#microphone;
    this.#microphone = microphone;
    this.#changed(microphone ? 'on' : 'off');
    await this.attach();
    if (old !== microphone) old?.close();
  }

  #changed(microphone: Snapshot['microphone']): void {
    const isSolved = microphone === 'on' && MICROPHONE.has(this.#store.own.error?.kind ?? '');
    this.#store.update({ microphone, ...(isSolved ? { error: null } : {}) });
    this.#recorder.hearUser(this.#microphone?.stream ?? null);
  }
}
