/** Sessions as tests begin them, and what a server says to them. */

import { afterEach, beforeEach, vi } from 'vitest';
import type { VoiceSessionOptions } from '../src/options';
import { RealtimeVoiceSession } from '../src/session';
import { installBrowser } from './browser';

/** A browser of fakes and a clock that stands still, for each test. */
export function inFakeBrowser(): void {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'Date'],
    });
    installBrowser();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}

export const text = (options: VoiceSessionOptions = {}) =>
  new RealtimeVoiceSession({ transport: 'websocket', mode: 'text', ...options });
export const voice = (options: VoiceSessionOptions = {}) => text({ mode: 'voice', ...options });

/** Lets all promises settle that wait for no timer. */
export const settled = () => vi.advanceTimersByTimeAsync(0);

export const VAD = { audio: { input: { turn_detection: { type: 'server_vad' } } } };
export const created = { type: 'response.created', response: { id: 'r', conversation_id: 'c' } };
export const done = (status = 'completed') => ({
  type: 'response.done',
  response: { id: 'r', status },
});
export const answer = (...words: string[]) => [
  created,
  { type: 'response.output_item.added', response_id: 'r', item: { id: 'a', type: 'message' } },
  {
    type: 'conversation.item.added',
    item: { id: 'a', type: 'message', role: 'assistant', status: 'in_progress', content: [] },
  },
  { type: 'response.content_part.added', response_id: 'r', item_id: 'a', part: { type: 'audio' } },
  ...words.flatMap((delta) => [
    { type: 'response.output_audio_transcript.delta', response_id: 'r', item_id: 'a', delta },
    // A second of silence.
    {
      type: 'response.output_audio.delta',
      response_id: 'r',
      item_id: 'a',
      delta: 'A'.repeat(64_000),
    },
  ]),
  { type: 'response.output_audio.done', response_id: 'r', item_id: 'a' },
];
