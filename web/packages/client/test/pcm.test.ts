import { describe, expect, test } from 'vitest';
import { decode, encode, fromBase64, Resampler, toBase64 } from '../src/audio/pcm';

const sine = (hz: number, rateHz: number, seconds: number) =>
  Float32Array.from(
    { length: rateHz * seconds },
    (_, index) => 0.5 * Math.sin((2 * Math.PI * hz * index) / rateHz),
  );

const energy = (samples: Float32Array) =>
  Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);

function resampled(input: Float32Array, fromHz: number, toHz: number, chunk: number) {
  const resampler = new Resampler(fromHz, toHz);
  const output: number[] = [];
  for (let at = 0; at < input.length; at += chunk) {
    output.push(...resampler.push(input.subarray(at, at + chunk)));
  }
  return Float32Array.from(output);
}

describe('resampling', () => {
  test.each([
    [48_000, 24_000],
    [44_100, 24_000],
    [16_000, 24_000],
    [48_000, 8_000],
  ])('from %i to %i Hz keeps speech and its length', (fromHz, toHz) => {
    const output = resampled(sine(1000, fromHz, 1), fromHz, toHz, 960);
    expect(Math.abs(output.length - toHz)).toBeLessThan(toHz / 200);
    expect(energy(output.subarray(200, -200))).toBeCloseTo(0.5 / Math.SQRT2, 2);
  });

  test('takes away what would come back as another tone', () => {
    const output = resampled(sine(15_000, 48_000, 0.5), 48_000, 24_000, 960);
    expect(energy(output.subarray(200, -200))).toBeLessThan(0.005);
  });

  test('does not depend on how the samples come in pieces', () => {
    const input = sine(440, 44_100, 0.2);
    const whole = resampled(input, 44_100, 24_000, input.length);
    const pieces = resampled(input, 44_100, 24_000, 333);
    expect(pieces.length).toBe(whole.length);
    expect(
      Math.max(...whole.map((value, index) => Math.abs(value - (pieces[index] ?? 9)))),
    ).toBeLessThan(1e-5);
  });
});

describe('formats', () => {
  test('PCM is 16 bit, little end first, and clipped', () => {
    const bytes = encode(Float32Array.of(0, 1, -2, 0.5), { type: 'audio/pcm' });
    expect([...bytes]).toEqual([0, 0, 0xff, 0x7f, 0x01, 0x80, 0x00, 0x40]);
    expect(decode(bytes, { type: 'audio/pcm' })[3]).toBeCloseTo(0.5, 3);
  });

  test('half a sample at the end is left out', () => {
    expect(decode(Uint8Array.of(0, 0, 1), { type: 'audio/pcm' })).toHaveLength(1);
  });

  test.each(['audio/pcmu', 'audio/pcma'] as const)('%s comes back nearly the same', (type) => {
    const samples = sine(300, 8000, 0.1);
    const back = decode(encode(samples, { type }), { type });
    samples.forEach((sample, index) => {
      expect(Math.abs(sample - (back[index] ?? 9))).toBeLessThan(0.02);
    });
  });

  // Silence, full scale and ±1000 of 32768, after ITU-T G.711.
  test.each([
    ['audio/pcmu', [0xff, 0x80, 0x00, 0xce, 0x4e]],
    ['audio/pcma', [0xd5, 0xaa, 0x2a, 0xfa, 0x7a]],
  ] as const)('%s has the bytes of the standard', (type, bytes) => {
    const samples = Float32Array.of(0, 1, -1, 1000 / 32_767, -1000 / 32_767);
    expect([...encode(samples, { type })]).toEqual(bytes);
  });
});

test('base64 comes back, however long', () => {
  const bytes = Uint8Array.from({ length: 100_001 }, (_, index) => index % 251);
  expect(fromBase64(toBase64(bytes))).toEqual(bytes);
});
