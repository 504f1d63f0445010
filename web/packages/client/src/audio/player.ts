/** Plays the agent's audio that came over a WebSocket, and counts what was heard of it. */

import { VoiceError } from '../errors';
import type { AudioFormat } from '../protocol';
import { analyserOf } from './levels';
import { decode, fromBase64, PCM_RATE_HZ, Resampler, rateOf } from './pcm';
import { loadWorklets } from './worklets';

/** Speech comes faster than it is played; more than this waiting is not taken. */
export const MAX_QUEUED_SECONDS = 600;
const REPORT_MS = 60;
/** 14 dB softer. */
const DUCKED_GAIN = 0.2;
const FADE_SECONDS = 0.02;
/** How long a context may take to run before its sound counts as blocked. */
const RESUME_TIMEOUT_MS = 1000;

export interface Heard {
  itemId: string;
  /** Of the item's audio, less what is still on its way to the loudspeaker. */
  heardMs: number;
}

export interface PlayerListener {
  started(itemId: string): void;
  playing(heard: Heard): void;
  /** `isLast`: nothing else waits to be played. */
  ended(heard: Heard, isLast: boolean): void;
}

interface Report {
  type: 'started' | 'playing' | 'ended' | 'flushed';
  item: string | null;
  played: number;
}

export class Player {
  readonly analyser: AnalyserNode;
  readonly #context: AudioContext;
  readonly #node: AudioWorkletNode;
  readonly #gain: GainNode;
  readonly #listener: PlayerListener;
  /** Calls of `stop` that wait for the audio thread, and the items that each cut. */
  readonly #flushes: { itemIds: string[]; resolve: (heard: Heard[]) => void }[] = [];
  #resampler: { rateHz: number; resampler: Resampler } | null = null;
  /** Samples pushed of each item that has not ended. */
  readonly #pushed = new Map<string, number>();
  /** Samples of items that were heard before, and those of them that have come again. */
  readonly #skips = new Map<string, { samples: number; left: number }>();
  #recorded: MediaStreamAudioDestinationNode | null = null;

  private constructor(context: AudioContext, listener: PlayerListener) {
    this.#context = context;
    this.#listener = listener;
    this.#node = new AudioWorkletNode(context, 'antiphon-playback', {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { reportLength: (PCM_RATE_HZ * REPORT_MS) / 1000 },
    });
    this.analyser = analyserOf(context);
    this.#gain = context.createGain();
    this.#node.connect(this.#gain).connect(this.analyser).connect(context.destination);
    this.#node.port.onmessage = ({ data }: MessageEvent<Report>) => this.#receive(data);
  }

  duck(on: boolean): void {
    const to = on ? DUCKED_GAIN : 1;
    this.#gain.gain.setTargetAtTime(to, this.#context.currentTime, FADE_SECONDS);
  }

  /** Throws: VoiceError `media-failed`. */
  static async open(listener: PlayerListener): Promise<Player> {
    let context: AudioContext | null = null;
    try {
      // The browser brings it to the device's rate; so a sample played here is one of the server's.
      context = new AudioContext({ sampleRate: PCM_RATE_HZ, latencyHint: 'interactive' });
      await loadWorklets(context);
      return new Player(context, listener);
    } catch (cause) {
      void context?.close().catch(() => {});
      throw new VoiceError('media-failed', { cause });
    }
  }

  /** Throws: VoiceError `autoplay-blocked` where the page has not been touched yet. */
  async resume(): Promise<void> {
    const resumed = this.#context.resume().catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      resumed,
      new Promise((resolve) => {
        timer = setTimeout(resolve, RESUME_TIMEOUT_MS);
      }),
    ]);
    clearTimeout(timer);
    if (this.#context.state === 'suspended') throw new VoiceError('autoplay-blocked');
  }

  /** Milliseconds of the item that were pushed so far. */
  pushedMs(itemId: string): number {
    return ((this.#pushed.get(itemId) ?? 0) * 1000) / PCM_RATE_HZ;
  }

  get isPlaying(): boolean {
    return this.#pushed.size > 0;
  }

  /** So much of an item was heard before: it is not played again, and counts as heard. */
  skip(itemId: string, ms: number): void {
    const samples = Math.round((ms * PCM_RATE_HZ) / 1000);
    this.#skips.set(itemId, { samples, left: samples });
  }

  push(itemId: string, base64: string, format: AudioFormat): void {
    const samples = this.#at24kHz(decode(fromBase64(base64), format), rateOf(format));
    const queued = [...this.#pushed.values()].reduce((sum, length) => sum + length, 0);
    if (queued > MAX_QUEUED_SECONDS * PCM_RATE_HZ) {
      throw new VoiceError('protocol', { detail: 'The server sent more speech than can wait.' });
    }
    this.#pushed.set(itemId, (this.#pushed.get(itemId) ?? 0) + samples.length);
    const rest = this.#unheard(itemId, samples);
    this.#node.port.postMessage({ type: 'push', item: itemId, samples: rest }, [rest.buffer]);
  }

  /** No more of this item will come. */
  end(itemId: string): void {
    if (this.#pushed.has(itemId)) {
      this.#node.port.postMessage({ type: 'push', item: itemId, isEnd: true });
    }
  }

  /** Silence at once; tells what was heard of each item that had not ended. */
  stop(): Promise<Heard[]> {
    const itemIds = [...this.#pushed.keys()];
    this.#pushed.clear();
    return new Promise((resolve) => {
      this.#flushes.push({ itemIds, resolve });
      this.#node.port.postMessage({ type: 'flush' });
    });
  }

  /** What it plays, for a recording. */
  get stream(): MediaStream {
    if (!this.#recorded) {
      this.#recorded = this.#context.createMediaStreamDestination();
      this.#node.connect(this.#recorded);
    }
    return this.#recorded.stream;
  }

  close(): void {
    this.#node.port.postMessage({ type: 'close' });
    this.#node.port.onmessage = null;
    this.#node.disconnect();
    for (const { resolve } of this.#flushes.splice(0)) resolve([]);
    void this.#context.close().catch(() => {});
  }

  #receive({ type, item, played }: Report): void {
    if (type === 'flushed') {
      const flush = this.#flushes.shift();
      flush?.resolve(
        flush.itemIds.map((itemId) =>
          itemId === item ? this.#heard(item, played) : { itemId, heardMs: 0 },
        ),
      );
    } else if (item === null || !this.#pushed.has(item)) {
      // It was flushed meanwhile.
    } else if (type === 'started') {
      this.#listener.started(item);
    } else if (type === 'ended') {
      this.#pushed.delete(item);
      const heard = { itemId: item, heardMs: this.#msOf(item, played) };
      this.#skips.delete(item);
      this.#listener.ended(heard, !this.isPlaying);
    } else {
      this.#listener.playing(this.#heard(item, played));
    }
  }

  #heard(itemId: string, played: number): Heard {
    const { outputLatency = 0, baseLatency = 0 } = this.#context;
    const latencyMs = (outputLatency || baseLatency) * 1000;
    return { itemId, heardMs: Math.max(0, this.#msOf(itemId, played) - latencyMs) };
  }

  #msOf(itemId: string, played: number): number {
    const skip = this.#skips.get(itemId);
    return ((played + (skip ? skip.samples - skip.left : 0)) * 1000) / PCM_RATE_HZ;
  }

  #unheard(itemId: string, samples: Float32Array): Float32Array {
    const skip = this.#skips.get(itemId);
    const skipped = Math.min(skip?.left ?? 0, samples.length);
    if (!skip || !skipped) return samples;
    skip.left -= skipped;
    return samples.slice(skipped);
  }

  #at24kHz(samples: Float32Array, rateHz: number): Float32Array<ArrayBufferLike> {
    if (rateHz === PCM_RATE_HZ) return samples;
    if (this.#resampler?.rateHz !== rateHz) {
      this.#resampler = { rateHz, resampler: new Resampler(rateHz, PCM_RATE_HZ) };
    }
    return this.#resampler.resampler.push(samples);
  }
}
