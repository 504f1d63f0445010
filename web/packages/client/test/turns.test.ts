import { expect, test } from 'vitest';
import type { ServerEvent, TurnDetection } from '../src/protocol';
import { afterTurnEvent, sent, type Turns } from '../src/turns';

const after = (events: ServerEvent[], turns: Turns = [], detection: TurnDetection | null = null) =>
  events.reduce(
    (all, event, index) => afterTurnEvent(all, event, detection, 100 * (index + 1)),
    turns,
  );

const created = (id: string): ServerEvent => ({
  type: 'response.created',
  response: { id, conversation_id: 'conv' },
});

test('a spoken turn has all its moments, and its tokens', () => {
  const [turn] = after([
    { type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'u' },
    { type: 'input_audio_buffer.speech_stopped', audio_end_ms: 900, item_id: 'u' },
    { type: 'input_audio_buffer.committed', item_id: 'u' },
    created('r'),
    {
      type: 'conversation.item.input_audio_transcription.completed',
      item_id: 'u',
      transcript: 'hello',
    },
    {
      type: 'response.output_audio_transcript.delta',
      response_id: 'r',
      item_id: 'a',
      delta: 'Hi',
    },
    { type: 'output_audio_buffer.started', response_id: 'r' },
    {
      type: 'response.done',
      response: { id: 'r', status: 'completed', usage: { input_tokens: 3, output_tokens: 5 } },
    },
    { type: 'output_audio_buffer.stopped', response_id: 'r' },
  ]);
  expect(turn).toMatchObject({ id: 'u', cause: 'speech', responseId: 'r' });
  expect(turn?.usage).toMatchObject({ inputTokens: 3, outputTokens: 5 });
  expect(turn?.marks).toEqual({
    speechStarted: 100,
    speechStopped: 200,
    committed: 300,
    responseCreated: 400,
    transcribed: 500,
    firstText: 600,
    firstAudio: 700,
    responseDone: 800,
    heard: 900,
  });
});

test('what an answer and the words of its turn cost is added up', () => {
  const cost = (more: object) =>
    ({
      type: 'antiphon.cost',
      response_id: null,
      item_id: null,
      unpriced: false,
      ...more,
    }) as never;
  const [turn] = after([
    { type: 'input_audio_buffer.committed', item_id: 'u' },
    created('r'),
    cost({ kind: 'transcription', item_id: 'u', nano_usd: 5 }),
    cost({ kind: 'response', response_id: 'r', nano_usd: 100 }),
    cost({ kind: 'response', response_id: 'r', nano_usd: -20, unpriced: true }),
    cost({ kind: 'time', nano_usd: 1_000 }),
  ]);
  expect(turn?.usage).toMatchObject({ costNanoUsd: 85, unpriced: 1 });
});

test('a turn has what the server measured of it', () => {
  const timeline = { response_id: 'r', began_ms: 0, ended_ms: 20, segments: [] };
  const [turn] = after([
    { type: 'input_audio_buffer.committed', item_id: 'u' },
    created('r'),
    { type: 'antiphon.timeline', timeline } as never,
    { type: 'antiphon.timeline', timeline: { ...timeline, response_id: 'other' } } as never,
  ]);
  expect(turn?.timeline).toBe(timeline);
});

test('a response answers what waits for it, not the one who has begun to speak', () => {
  const turns = after(
    [{ type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'u' }, created('r')],
    sent([], 'typed', 'text', 1),
  );
  expect(turns.map(({ id, responseId }) => [id, responseId])).toEqual([
    ['typed', 'r'],
    ['u', null],
  ]);
});

test('an agent may begin by itself', () => {
  expect(after([created('r')])).toMatchObject([{ cause: 'agent', responseId: 'r' }]);
});

test('what stands beside the conversation is no turn', () => {
  expect(
    after([{ type: 'response.created', response: { id: 'r', conversation_id: null } }]),
  ).toEqual([]);
});

test('the last word was before the silence that ended the turn', () => {
  const speech: ServerEvent[] = [
    { type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'u' },
    ...Array.from({ length: 8 }, () => created('other')),
    { type: 'input_audio_buffer.speech_stopped', audio_end_ms: 900, item_id: 'u' },
  ];
  const lastWord = (detection: TurnDetection | null) =>
    after(speech, [], detection).find(({ id }) => id === 'u')?.marks.lastWord;
  expect(lastWord({ type: 'server_vad', silence_duration_ms: 300 })).toBe(700);
  expect(lastWord({ type: 'server_vad' })).toBe(500);
  expect(lastWord({ type: 'server_vad', silence_duration_ms: 5000 })).toBe(100);
  expect(lastWord({ type: 'semantic_vad' })).toBeUndefined();
  expect(lastWord(null)).toBeUndefined();
});
