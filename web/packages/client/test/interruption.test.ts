import { expect, test, vi } from 'vitest';
import { Configuration } from '../src/configuration';
import type { Connection } from '../src/connection/connection';
import { Dialogue } from '../src/dialogue';
import { Emitter } from '../src/events';
import { Interruption } from '../src/interruption';
import { Line } from '../src/line';
import { EventLog } from '../src/log';
import { Outbox } from '../src/outbox';
import type { ServerEvent, WireEvent } from '../src/protocol';
import type { SessionEvents } from '../src/session-events';
import { SnapshotStore } from '../src/store';

const nobody = {
  introduce: async () => {},
  opened: () => {},
  dropped: () => {},
  away: () => {},
  ended: () => {},
  received: () => {},
  silent: () => {},
  playbackStarted: () => {},
  playbackAt: () => {},
  playbackEnded: () => {},
};

/** A line with a connection that plays one second of `a`, of which half was heard. */
function speaking(kind: 'websocket' | 'webrtc', interrupts = true) {
  const sent: WireEvent[] = [];
  const stopPlayback = vi.fn(async () =>
    kind === 'websocket' ? [{ itemId: 'a', heardMs: 500.7 }] : [],
  );
  const send = (event: WireEvent) => sent.push(event);
  const duck = vi.fn();
  const connection = { kind, send, stopPlayback, duck } as unknown as Connection;
  const emitter = new Emitter<SessionEvents>();
  const dialogue = new Dialogue({ items: 9, turns: 9, images: 1 }, () => 1000);
  const store = new SnapshotStore(dialogue, 'voice', emitter);
  const line = new Line(new Configuration({}), store, nobody);
  line.connection = connection;
  const outbox = new Outbox(line, new EventLog(9), emitter);
  const turn_detection = { type: 'server_vad', interrupt_response: interrupts } as const;
  const item = { id: 'a', type: 'message', role: 'assistant', content: [] } as const;
  const said: ServerEvent[] = [
    { type: 'session.created', session: { audio: { input: { turn_detection } } } },
    { type: 'response.created', response: { id: 'r', conversation_id: 'c' } },
    { type: 'response.output_item.added', response_id: 'r', item: { ...item, content: [] } },
    { type: 'conversation.item.added', item: { ...item, content: [] } },
    {
      type: 'response.output_audio_transcript.delta',
      response_id: 'r',
      item_id: 'a',
      delta: 'one two three four',
    },
  ];
  for (const event of said) dialogue.receive(event, 0);
  dialogue.playbackStarted('a', 0);
  const interruption = new Interruption(dialogue, line, outbox, store);
  const types = () => sent.map(({ type }) => type);
  return { interruption, dialogue, line, sent, types, stopPlayback, duck };
}

test('where this side plays, a voice stops it and the server is told what was heard', async () => {
  const { interruption, dialogue, sent } = speaking('websocket');
  interruption.byVoice();
  await Promise.resolve();
  await Promise.resolve();
  expect(sent).toEqual([
    {
      type: 'conversation.item.truncate',
      event_id: expect.stringMatching(/^own_/),
      item_id: 'a',
      content_index: 0,
      audio_end_ms: 500,
    },
  ]);
  expect(dialogue.activity.isAudible).toBe(false);
  expect(dialogue.items[0]).toMatchObject({ interrupted: true });
});

test('where the server plays, it does all of that by itself', () => {
  const { interruption, stopPlayback } = speaking('webrtc');
  interruption.byVoice();
  expect(stopPlayback).not.toHaveBeenCalled();
});

test('a voice stops nothing where the session says so', () => {
  const { interruption, stopPlayback } = speaking('websocket', false);
  interruption.byVoice();
  expect(stopPlayback).not.toHaveBeenCalled();
});

test('by hand the response is cancelled too, and on either transport it falls silent', async () => {
  for (const kind of ['websocket', 'webrtc'] as const) {
    const { interruption, types, stopPlayback } = speaking(kind);
    interruption.byHand();
    expect(types()).toEqual(['response.cancel']);
    expect(stopPlayback).toHaveBeenCalled();
  }
});

test('what a connection tells after it has gone concerns nobody', async () => {
  const { interruption, line, sent, dialogue } = speaking('websocket');
  interruption.byVoice();
  line.connection = null;
  await Promise.resolve();
  await Promise.resolve();
  expect(sent).toEqual([]);
  expect(dialogue.activity.isAudible).toBe(true);
});

test('of an item that the server has cut, it is asked for the words that were heard', () => {
  const { interruption, sent } = speaking('websocket');
  interruption.truncated('a');
  expect(sent).toMatchObject([{ type: 'conversation.item.retrieve', item_id: 'a' }]);
});

test('as long as nobody knows who speaks, the answer goes on softly', () => {
  const { interruption, duck, stopPlayback } = speaking('websocket');
  interruption.overlaps(true);
  expect(duck).toHaveBeenLastCalledWith(true);
  interruption.overlaps(false);
  expect(duck).toHaveBeenLastCalledWith(false);
  expect(stopPlayback).not.toHaveBeenCalled();
});
