/** Samples: rates, formats, base64. Pure. */

import type { AudioFormat } from '../protocol';

export const PCM_RATE_HZ = 24_000;
const G711_RATE_HZ = 8_000;

export function rateOf(format: AudioFormat): number {
  return format.type === 'audio/pcm' ? PCM_RATE_HZ : G711_RATE_HZ;
}

/** Half the length of the resampling filter, in periods of the lower rate. */
const REACH = 12;

/** From one rate to another, in pieces, with a low-pass filter before what would alias. */
export class Resampler {
  readonly #step: number;
  readonly #cutoff: number;
  readonly #reach: number;
  #held: Float32Array<ArrayBufferLike>;
  /** Where the next output lies, in input samples from the start of what is held. */
  #position: number;

  constructor(fromHz: number, toHz: number) {
    this.#step = fromHz / toHz;
    this.#cutoff = Math.min(1, toHz / fromHz);
    this.#reach = Math.ceil(REACH / this.#cutoff);
    this.#held = new Float32Array(this.#reach);
    this.#position = this.#reach;
  }

  push(samples: Float32Array): Float32Array {
    if (this.#step === 1) return samples;
    const held = new Float32Array(this.#held.length + samples.length);
    held.set(this.#held);
    held.set(samples, this.#held.length);
    const output: number[] = [];
    while (this.#position + this.#reach < held.length) {
      output.push(this.#at(held, this.#position));
      this.#position += this.#step;
    }
    const done = Math.max(0, Math.floor(this.#position) - this.#reach);
    this.#held = held.slice(done);
    this.#position -= done;
    return Float32Array.from(output);
  }

  /** A sinc of the lower rate, under a Hann window. */
  #at(held: Float32Array, position: number): number {
    const first = Math.ceil(position - this.#reach);
    const last = Math.floor(position + this.#reach);
    let value = 0;
    for (let index = Math.max(0, first); index <= last; index++) {
      const distance = index - position;
      const x = Math.PI * distance * this.#cutoff;
      const sinc = x === 0 ? 1 : Math.sin(x) / x;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / this.#reach);
      value += (held[index] ?? 0) * sinc * window;
    }
    return value * this.#cutoff;
  }
}

/** Samples from -1 to 1 as the bytes of a format. */
export function encode(samples: Float32Array, format: AudioFormat): Uint8Array {
  const pcm = Int16Array.from(samples, (sample) =>
    Math.round(Math.max(-1, Math.min(1, sample)) * 32_767),
  );
  if (format.type === 'audio/pcmu') return Uint8Array.from(pcm, toULaw);
  if (format.type === 'audio/pcma') return Uint8Array.from(pcm, toALaw);
  const bytes = new DataView(new ArrayBuffer(pcm.length * 2));
  pcm.forEach((sample, index) => {
    bytes.setInt16(index * 2, sample, true);
  });
  return new Uint8Array(bytes.buffer);
}

/** The samples in bytes of a format; half a sample at the end is left out. */
export function decode(bytes: Uint8Array, format: AudioFormat): Float32Array {
  if (format.type === 'audio/pcmu') return Float32Array.from(bytes, (b) => fromULaw(b) / 32_768);
  if (format.type === 'audio/pcma') return Float32Array.from(bytes, (b) => fromALaw(b) / 32_768);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.length >> 1);
  for (let index = 0; index < samples.length; index++) {
    samples[index] = view.getInt16(index * 2, true) / 32_768;
  }
  return samples;
}

const BIAS = 0x84;
const CLIP = 32_635;

function toULaw(sample: number): number {
  const magnitude = Math.min(CLIP, Math.abs(sample)) + BIAS;
  const exponent = 31 - Math.clz32(magnitude) - 7;
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

function fromULaw(byte: number): number {
  const bits = ~byte & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + BIAS) << ((bits >> 4) & 7)) - BIAS;
  return bits & 0x80 ? -magnitude : magnitude;
}

function toALaw(sample: number): number {
  const magnitude = Math.min(0x7fff, sample < 0 ? ~sample : sample);
  const exponent = Math.max(0, 31 - Math.clz32(magnitude) - 7);
  const mantissa = (magnitude >> (exponent ? exponent + 3 : 4)) & 0x0f;
  return ((sample < 0 ? 0 : 0x80) | (exponent << 4) | mantissa) ^ 0x55;
}

function fromALaw(byte: number): number {
  const bits = byte ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const step = ((bits & 0x0f) << 4) + 8;
  const magnitude = exponent ? (step + 0x100) << (exponent - 1) : step;
  return bits & 0x80 ? magnitude : -magnitude;
}

/** `String.fromCharCode` takes only so many arguments. */
const CHUNK = 0x2000;

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}
