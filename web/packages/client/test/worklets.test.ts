import { describe, expect, test } from 'vitest';
import { CAPTURE, PLAYBACK } from '../src/audio/worklets';

interface Processor {
  port: { onmessage?: (message: { data: unknown }) => void };
  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean;
}

/** Runs a worklet's text as an audio thread would. */
function thread(source: string, processorOptions: object) {
  const told: { type?: string; item?: string | null; played?: number; length?: number }[] = [];
  let made: (new (options: object) => Processor) | undefined;
  class AudioWorkletProcessor {
    port = { postMessage: (data: object) => told.push(data) };
  }
  const register = (_: string, processor: typeof made) => {
    made = processor;
  };
  new Function('AudioWorkletProcessor', 'registerProcessor', source)(
    AudioWorkletProcessor,
    register,
  );
  if (!made) throw new Error('Nothing was registered.');
  const processor = new made({ processorOptions });
  return { processor, told, post: (data: unknown) => processor.port.onmessage?.({ data }) };
}

describe('playback', () => {
  const quantum = (processor: Processor) => {
    const output = new Float32Array(128);
    processor.process([], [[output]]);
    return output;
  };

  test('plays in order without gaps, and counts each sample', () => {
    const { processor, told, post } = thread(PLAYBACK, { reportLength: 100 });
    post({ type: 'push', item: 'a', samples: new Float32Array(100).fill(0.1) });
    post({ type: 'push', item: 'a', samples: new Float32Array(50).fill(0.2) });
    post({ type: 'push', item: 'a', isEnd: true });
    post({ type: 'push', item: 'b', samples: new Float32Array(10).fill(0.3) });
    const first = quantum(processor);
    expect(first[99]).toBeCloseTo(0.1);
    expect(first[127]).toBeCloseTo(0.2);
    const second = quantum(processor);
    expect(second[21]).toBeCloseTo(0.2);
    expect(second[22]).toBeCloseTo(0.3);
    expect(second[32]).toBe(0);
    expect(told).toEqual([
      { type: 'started', item: 'a', played: 0 },
      { type: 'playing', item: 'a', played: 128 },
      { type: 'ended', item: 'a', played: 150 },
      { type: 'started', item: 'b', played: 0 },
    ]);
  });

  test('a flush tells what was played and leaves silence', () => {
    const { processor, told, post } = thread(PLAYBACK, { reportLength: 100_000 });
    post({ type: 'push', item: 'a', samples: new Float32Array(1000).fill(0.1) });
    quantum(processor);
    quantum(processor);
    post({ type: 'flush' });
    expect(told.at(-1)).toEqual({ type: 'flushed', item: 'a', played: 256 });
    expect(quantum(processor).every((sample) => sample === 0)).toBe(true);
    post({ type: 'push', item: 'b', samples: new Float32Array(128).fill(0.5) });
    expect(quantum(processor)[0]).toBe(0.5);
  });

  test('ends when it is closed', () => {
    const { processor, post } = thread(PLAYBACK, { reportLength: 100 });
    expect(processor.process([], [[new Float32Array(128)]])).toBe(true);
    post({ type: 'close' });
    expect(processor.process([], [[new Float32Array(128)]])).toBe(false);
  });
});

test('capture gives batches of one length', () => {
  const { processor, told } = thread(CAPTURE, { batchLength: 300 });
  for (let index = 0; index < 5; index++) processor.process([[new Float32Array(128)]], []);
  processor.process([[]], []);
  expect(told.map(({ length }) => length)).toEqual([300, 300]);
});
