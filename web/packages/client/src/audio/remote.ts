/** Plays the agent's track of a WebRTC call. */

import { VoiceError } from '../errors';
import { analyserOf } from './levels';

export class RemoteAudio {
  readonly analyser: AnalyserNode | null;
  readonly stream: MediaStream;
  readonly #element: HTMLAudioElement;
  readonly #context: AudioContext | null;
  readonly #source: MediaStreamAudioSourceNode | null;

  constructor(stream: MediaStream) {
    this.stream = stream;
    this.#element = new Audio();
    this.#element.autoplay = true;
    this.#element.srcObject = stream;
    let context: AudioContext | null = null;
    let source: MediaStreamAudioSourceNode | null = null;
    let analyser: AnalyserNode | null = null;
    try {
      context = new AudioContext();
      void context.resume().catch(() => {});
      source = context.createMediaStreamSource(stream);
      analyser = analyserOf(context);
      source.connect(analyser);
    } catch {
      // Without it there is no visualizer; the element plays all the same.
    }
    this.#context = context;
    this.#source = source;
    this.analyser = analyser;
  }

  /** Throws: VoiceError `autoplay-blocked` where the page has not been touched yet. */
  async play(): Promise<void> {
    try {
      void this.#context?.resume().catch(() => {});
      await this.#element.play();
    } catch (cause) {
      const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
      // `AbortError`: it was closed before it began.
      if (name === 'AbortError') return;
      throw new VoiceError(name === 'NotAllowedError' ? 'autoplay-blocked' : 'media-failed', {
        cause,
      });
    }
  }

  close(): void {
    this.#element.pause();
    this.#element.srcObject = null;
    this.#source?.disconnect();
    void this.#context?.close().catch(() => {});
  }
}
