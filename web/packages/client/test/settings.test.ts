import { expect, test } from 'vitest';
import { firstSession, merge, sessionOf } from '../src/settings';

test('only what is said is sent', () => {
  expect(sessionOf({})).toEqual({});
  expect(
    sessionOf({ voice: 'cedar', speed: 1.2, turnDetection: null, noiseReduction: 'far_field' }),
  ).toEqual({
    audio: {
      input: { turn_detection: null, noise_reduction: { type: 'far_field' } },
      output: { voice: 'cedar', speed: 1.2 },
    },
  });
});

test('anything else may be said as the protocol spells it', () => {
  const wire = { tracing: 'auto' as const, audio: { output: { voice: 'ash' } } };
  expect(sessionOf({ speed: 1.1, wire })).toEqual({
    tracing: 'auto',
    audio: { output: { speed: 1.1, voice: 'ash' } },
  });
});

test('captions are on unless they are turned off', () => {
  const about = { tools: [], codec: 'pcmu', transport: 'websocket' } as const;
  expect(firstSession({}, about).audio?.input).toMatchObject({
    format: { type: 'audio/pcmu' },
    transcription: { model: expect.any(String) },
  });
  expect(firstSession({ transcription: null }, about).audio?.input?.transcription).toBeNull();
  expect(firstSession({}, { ...about, transport: 'webrtc' }).audio?.input?.format).toBeUndefined();
});

test('merging replaces lists and nulls', () => {
  expect(merge({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: null }, d: [] })).toEqual({
    a: { b: null, c: 2 },
    d: [],
  });
});
