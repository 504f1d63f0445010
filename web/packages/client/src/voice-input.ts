/** The microphone in the conversation: asked for, exchanged, let through or held back. */

import { Microphone } from './audio/microphone';
import type { Connection } from './connection/connection';
import { asVoiceError, VoiceError } from './errors';
import type { MicrophoneOptions } from './options';

export interface VoiceInputOwner {
  connection(): Connection | null;
  options(): MicrophoneOptions;
  isMuted(): boolean;
  /** Push to talk: silent unless it is pressed. */
  isByHand(): boolean;
  changed(state: 'off' | 'asking' | 'on'): void;
  report(error: VoiceError): void;
}

export class VoiceInput {
  isPressed = false;
  #microphone: Microphone | null = null;
  readonly #owner: VoiceInputOwner;

  constructor(owner: VoiceInputOwner) {
    this.#owner = owner;
  }

  get microphone(): Microphone | null {
    return this.#microphone;
  }

  /** Opens it, or another one in its place. Without one the error that is reported says why. */
  async open(signal: AbortSignal): Promise<void> {
    const isFirst = !this.#microphone;
    if (isFirst) this.#owner.changed('asking');
    try {
      const microphone = await Microphone.open(this.#owner.options());
      if (signal.aborted) {
        microphone.close();
        return;
      }
      microphone.onLost = () => {
        this.#owner.report(new VoiceError('no-device', { detail: 'The microphone has gone.' }));
        void this.#use(null);
      };
      await this.#use(microphone);
    } catch (reason) {
      if (signal.aborted) return;
      this.#owner.report(asVoiceError(reason, 'media-failed'));
      if (isFirst) this.#owner.changed('off');
    }
  }

  /** Lets the device go. */
  async release(): Promise<void> {
    await this.#use(null);
  }

  /** Gives it to the connection. */
  async attach(): Promise<void> {
    this.gate();
    try {
      await this.#owner.connection()?.setMicrophone(this.#microphone);
    } catch (reason) {
      this.close();
      this.#owner.report(asVoiceError(reason, 'media-failed'));
    }
  }

  /** Lets it through, or not. */
  gate(): void {
    const isOpen = !this.#owner.isByHand() || this.isPressed;
    if (this.#microphone) this.#microphone.enabled = isOpen && !this.#owner.isMuted();
    const connection = this.#owner.connection();
    if (connection) connection.transmitting = isOpen;
  }

  close(): void {
    this.isPressed = false;
    this.#microphone?.close();
    this.#microphone = null;
    this.#owner.changed('off');
  }

  async #use(microphone: Microphone | null): Promise<void> {
    const old = this.#microphone;
    this.#microphone = microphone;
    this.#owner.changed(microphone ? 'on' : 'off');
    await this.attach();
    if (old !== microphone) old?.close();
  }
}
