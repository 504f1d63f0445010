/** The user's microphone: its track, its level, and its samples for who wants them. */

import { microphoneError, VoiceError } from '../errors';
import type { MicrophoneOptions } from '../options';
import { analyserOf } from './levels';
import { loadWorklets } from './worklets';

const BATCH_MS = 20;

export class Microphone {
  readonly track: MediaStreamTrack;
  readonly stream: MediaStream;
  readonly analyser: AnalyserNode;
  readonly rateHz: number;
  /** The device was unplugged, or the permission taken back. */
  onLost: () => void = () => {};
  readonly #context: AudioContext;
  readonly #source: MediaStreamAudioSourceNode;
  #capture: AudioWorkletNode | null = null;
  #isClosed = false;

  private constructor(stream: MediaStream, track: MediaStreamTrack, context: AudioContext) {
    this.stream = stream;
    this.track = track;
    this.#context = context;
    this.rateHz = context.sampleRate;
    this.#source = context.createMediaStreamSource(stream);
    this.analyser = analyserOf(context);
    this.#source.connect(this.analyser);
    track.onended = () => this.onLost();
  }

  /** Throws: VoiceError `microphone-denied`, `no-device` or `media-failed`. */
  static async open(options: MicrophoneOptions): Promise<Microphone> {
    if (!globalThis.navigator?.mediaDevices?.getUserMedia) {
      // Browsers hide it from pages that were not loaded over https or from localhost.
      throw new VoiceError('microphone-denied', { detail: 'No mediaDevices: is this page https?' });
    }
    const { deviceId, noiseSuppression = true, echoCancellation = true } = options;
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          channelCount: 1,
          noiseSuppression,
          echoCancellation,
          autoGainControl: options.autoGainControl ?? true,
          ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
        },
      });
    } catch (cause) {
      throw microphoneError(cause);
    }
    const [track] = stream.getAudioTracks();
    if (!track) throw new VoiceError('no-device');
    let context: AudioContext | null = null;
    try {
      context = new AudioContext();
      void context.resume().catch(() => {});
      return new Microphone(stream, track, context);
    } catch (cause) {
      track.stop();
      void context?.close().catch(() => {});
      throw new VoiceError('media-failed', { cause });
    }
  }

  set enabled(enabled: boolean) {
    this.track.enabled = enabled;
  }

  /** Gives the samples, 20 ms at a time at `rateHz`; `null` stops it. */
  async capture(listener: ((samples: Float32Array) => void) | null): Promise<void> {
    this.#capture?.disconnect();
    if (this.#capture) this.#capture.port.onmessage = null;
    this.#capture = null;
    if (!listener) return;
    await loadWorkletsOnce(this.#context);
    if (this.#isClosed) return;
    this.#capture = new AudioWorkletNode(this.#context, 'antiphon-capture', {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
      processorOptions: { batchLength: Math.round((this.rateHz * BATCH_MS) / 1000) },
    });
    this.#capture.port.onmessage = ({ data }: MessageEvent<Float32Array>) => listener(data);
    this.#source.connect(this.#capture);
  }

  async resume(): Promise<void> {
    await this.#context.resume();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onLost = () => {};
    this.track.onended = null;
    void this.capture(null);
    this.#source.disconnect();
    for (const track of this.stream.getTracks()) track.stop();
    void this.#context.close().catch(() => {});
  }
}

const loaded = new WeakMap<AudioContext, Promise<void>>();

async function loadWorkletsOnce(context: AudioContext): Promise<void> {
  const loading = loaded.get(context) ?? loadWorklets(context);
  loaded.set(context, loading);
  await loading;
}
