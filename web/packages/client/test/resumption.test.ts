import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { VoiceSessionOptions } from '../src/options';
import { remembers } from '../src/resumption';
import { RealtimeVoiceSession } from '../src/session';
import { FakeContext, FakeSocket, FakeWorklet, installBrowser } from './browser';

class FakeStorage {
  readonly kept = new Map<string, string>();
  getItem = (name: string) => this.kept.get(name) ?? null;
  setItem = (name: string, text: string) => void this.kept.set(name, text);
  removeItem = (name: string) => void this.kept.delete(name);
}

let storage: FakeStorage;
let tokens = 0;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'Date'],
  });
  installBrowser();
  storage = new FakeStorage();
  vi.stubGlobal('sessionStorage', storage);
  tokens = 0;
  FakeSocket.greet = greeting();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

type Told = { continues?: 'session' | 'conversation'; gap?: boolean };

/** A server that keeps sessions: each connection is given the next token. */
const greeting =
  (told: Told = {}) =>
  (socket: FakeSocket) => {
    const resume = { conversation_id: 'conv_1', token: `rt_${++tokens}`, linger_s: 30, ...told };
    socket.readyState = FakeSocket.OPEN;
    const session = { id: 's', antiphon: { engine: 'e', resume } };
    socket.receive({ type: 'session.created', event_id: `event_created${tokens}`, session });
  };

const text = (options: VoiceSessionOptions = {}) =>
  new RealtimeVoiceSession({ transport: 'websocket', mode: 'text', ...options });

const settled = () => vi.advanceTimersByTimeAsync(0);
const created = { type: 'response.created', event_id: 'event_r', response: { id: 'r' } };
const begun = [
  created,
  {
    type: 'conversation.item.added',
    event_id: 'event_added',
    item: { id: 'a', type: 'message', role: 'assistant', status: 'in_progress', content: [] },
  },
  {
    type: 'response.content_part.added',
    event_id: 'event_p',
    item_id: 'a',
    part: { type: 'audio' },
  },
  { type: 'response.output_item.added', response_id: 'r', item: { id: 'a', type: 'message' } },
];
const second = (event_id: string) => ({
  type: 'response.output_audio.delta',
  event_id,
  response_id: 'r',
  item_id: 'a',
  delta: 'A'.repeat(64_000),
});

test('a lost connection is come back to at once, from the last event, and rebuilds nothing', async () => {
  const session = text();
  await session.connect();
  session.sendText('hello');
  const item = FakeSocket.last.sent[1]?.item;
  FakeSocket.last.receive({ type: 'conversation.item.added', event_id: 'event_7', item }, ...begun);
  FakeSocket.greet = greeting({ continues: 'session' });
  FakeSocket.last.fail(1006);
  expect(session.getSnapshot().state).toBe('reconnecting');
  session.sendText('still there', { respond: false });
  await settled();
  expect(FakeSocket.last.protocols).toEqual(['realtime', 'antiphon-resume.rt_1']);
  expect(new URL(FakeSocket.last.url).search).toBe('?after=event_p&conversation_id=conv_1');
  expect(FakeSocket.last.sent).toMatchObject([
    { type: 'conversation.item.create', item: { content: [{ text: 'still there' }] } },
  ]);
  expect(FakeSocket.last.sent[0]).not.toHaveProperty('previous_item_id');
  expect(session.getSnapshot()).toMatchObject({ error: null, activity: 'thinking' });
  // The answer that was under way goes on.
  FakeSocket.last.receive({
    type: 'response.output_audio_transcript.delta',
    response_id: 'r',
    item_id: 'a',
    delta: 'Good.',
  });
  const answer = session.getSnapshot().items.find(({ id }) => id === 'a');
  expect(answer).toMatchObject({ text: 'Good.', interrupted: false, status: 'in_progress' });
});

test('an answer that was asked for in vain is asked for again', async () => {
  const session = text();
  await session.connect();
  session.sendText('hello');
  FakeSocket.greet = greeting({ continues: 'session' });
  FakeSocket.last.fail(1006);
  await settled();
  expect(FakeSocket.last.sentTypes()).toEqual(['conversation.item.create']);
  await vi.advanceTimersByTimeAsync(300);
  expect(FakeSocket.last.sentTypes().at(-1)).toBe('response.create');
});

test('one whose request had arrived after all is asked for once', async () => {
  const session = text();
  await session.connect();
  session.sendText('hello');
  FakeSocket.greet = greeting({ continues: 'session' });
  FakeSocket.last.fail(1006);
  await vi.advanceTimersByTimeAsync(300);
  const again = FakeSocket.last.sent.at(-1);
  const code = 'conversation_already_has_active_response';
  FakeSocket.last.receive(created, {
    type: 'error',
    error: { type: 'invalid_request_error', code, event_id: again?.event_id },
  });
  FakeSocket.last.receive({ type: 'response.done', response: { id: 'r', status: 'completed' } });
  await vi.advanceTimersByTimeAsync(2000);
  const asked = FakeSocket.last.sentTypes().filter((type) => type === 'response.create');
  expect(asked).toHaveLength(1);
});

test('one that the server begins by itself is given its time', async () => {
  const session = text();
  await session.connect();
  const VAD = { audio: { input: { turn_detection: { type: 'server_vad' } } } };
  FakeSocket.last.receive({ type: 'session.updated', session: VAD });
  FakeSocket.last.receive({ type: 'input_audio_buffer.committed', item_id: 'u' });
  FakeSocket.greet = greeting({ continues: 'session' });
  FakeSocket.last.fail(1006);
  await vi.advanceTimersByTimeAsync(1400);
  expect(FakeSocket.last.sentTypes()).not.toContain('response.create');
  await vi.advanceTimersByTimeAsync(200);
  expect(FakeSocket.last.sentTypes()).toContain('response.create');
});

test('what was here to be played plays on', async () => {
  const session = text({ mode: 'voice' });
  await session.connect();
  FakeSocket.last.receive(...begun, second('event_1'), second('event_2'));
  const player = FakeWorklet.last('antiphon-playback');
  const pushed = () => player.posted.filter(({ type }) => type === 'push').length;
  const contexts = FakeContext.all.length;
  FakeSocket.greet = greeting({ continues: 'session' });
  FakeSocket.last.fail(1006);
  await settled();
  expect(player.posted.map(({ type }) => type)).not.toContain('close');
  FakeSocket.last.receive(second('event_3'));
  expect(pushed()).toBe(3);
  expect(FakeContext.all).toHaveLength(contexts);
  session.close();
  expect(player.posted.at(-1)).toMatchObject({ type: 'close' });
});

test('a session that is gone goes on as its conversation, with the settings and without rebuilding', async () => {
  const session = text();
  await session.connect();
  session.sendText('hello');
  const item = FakeSocket.last.sent[1]?.item;
  FakeSocket.last.receive({ type: 'conversation.item.added', event_id: 'event_7', item }, created);
  FakeSocket.greet = greeting({ continues: 'conversation' });
  FakeSocket.last.fail(1012);
  await settled();
  // The answer that was under way is asked for anew.
  expect(FakeSocket.last.sentTypes()).toEqual(['session.update', 'response.create']);
});

test('another voice takes another session of the same conversation', async () => {
  const session = text({ session: { voice: 'ash' } });
  await session.connect();
  FakeSocket.last.receive(...begun);
  FakeSocket.greet = greeting({ continues: 'conversation' });
  await session.reconfigure({ model: 'other' });
  const { searchParams } = new URL(FakeSocket.last.url);
  expect(Object.fromEntries(searchParams)).toEqual({
    model: 'other',
    after: 'event_p',
    conversation_id: 'conv_1',
    session: 'new',
  });
});

test('a server that knows of nothing to come back to is told the conversation', async () => {
  const session = text();
  await session.connect();
  session.sendText('hello');
  FakeSocket.greet = (socket) => {
    const isReturn = socket.protocols.some((name) => name.startsWith('antiphon-resume.'));
    if (!isReturn) return greeting()(socket);
    socket.receive({ type: 'error', error: { code: 'resume_token_unknown', message: 'No.' } });
    socket.fail(1008, 'invalid_request_error.resume_token_unknown');
  };
  FakeSocket.last.fail(1012);
  await settled();
  expect(FakeSocket.all).toHaveLength(3);
  expect(FakeSocket.last.protocols).toEqual(['realtime']);
  expect(FakeSocket.last.sent).toMatchObject([
    { type: 'session.update' },
    { type: 'conversation.item.create', item: { content: [{ text: 'hello' }] } },
    { type: 'response.create' },
  ]);
});

test('a backend that gives no secret for a moment is asked again', async () => {
  const getSecret = vi.fn(async () => 'ek_1');
  const session = text({ getSecret });
  await session.connect();
  getSecret.mockRejectedValueOnce(new Error('502'));
  FakeSocket.greet = greeting({ continues: 'session' });
  FakeSocket.last.fail(1012);
  await settled();
  expect(session.getSnapshot().state).toBe('reconnecting');
  await vi.advanceTimersByTimeAsync(1000);
  expect(session.getSnapshot()).toMatchObject({ state: 'text-only', error: null });
});

test('one that was taken over does not take back', async () => {
  const session = text();
  await session.connect();
  FakeSocket.last.fail(4001);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(session.getSnapshot()).toMatchObject({ state: 'closed', error: { kind: 'taken-over' } });
});

test('a page that is loaded anew goes on with it, and is shown the items', async () => {
  const before = text({ rememberAs: 'desk' });
  await before.connect();
  FakeSocket.last.receive({ type: 'rate_limits.updated', event_id: 'event_9', rate_limits: [] });
  FakeSocket.greet = greeting({ continues: 'session' });
  expect(remembers('desk')).toBe(true);
  const after = text({ rememberAs: 'desk' });
  await after.connect();
  expect(FakeSocket.last.protocols).toEqual(['realtime', 'antiphon-resume.rt_1']);
  expect(new URL(FakeSocket.last.url).search).toBe(
    '?after=event_9&conversation_id=conv_1&show_items=true',
  );
  expect(FakeSocket.last.sent).toEqual([]);
  after.close();
  expect(remembers('desk')).toBe(false);
  expect(storage.kept.size).toBe(0);
  FakeSocket.greet = greeting();
  await text({ rememberAs: 'desk' }).connect();
  expect(FakeSocket.last.protocols).toEqual(['realtime']);
});

test('a page without storage does without', async () => {
  vi.stubGlobal('sessionStorage', {
    getItem: () => {
      throw new Error('Not here.');
    },
  });
  await text({ rememberAs: 'desk' }).connect();
  expect(FakeSocket.last.protocols).toEqual(['realtime']);
});

describe('a page that is loaded anew while the agent speaks', () => {
  /** 2.5 s of an answer have come; a second and a half was heard. */
  async function left(): Promise<void> {
    const before = text({ mode: 'voice', rememberAs: 'desk' });
    await before.connect();
    FakeSocket.last.receive({ type: 'rate_limits.updated', event_id: 'event_0', rate_limits: [] });
    FakeSocket.last.receive(...begun, second('event_1'), second('event_2'), second('event_3'));
    const player = FakeWorklet.last('antiphon-playback');
    player.tell({ type: 'started', item: 'a', played: 0 });
    player.tell({ type: 'playing', item: 'a', played: 36_000 });
    page.dispatchEvent(new Event('pagehide'));
  }
  let page: EventTarget;
  beforeEach(() => {
    page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  });

  test('is told the answer again, and plays what was not heard of it', async () => {
    await left();
    FakeSocket.greet = greeting({ continues: 'session' });
    const session = text({ mode: 'voice', rememberAs: 'desk' });
    await session.connect();
    expect(new URL(FakeSocket.last.url).searchParams.get('after')).toBe('event_0');
    FakeSocket.last.receive(...begun, second('event_1'), second('event_2'), second('event_3'));
    const player = FakeWorklet.last('antiphon-playback');
    const lengths = player.posted.flatMap(({ samples }) => (samples ? [samples.length] : []));
    expect(lengths).toEqual([0, 12_000, 24_000]);
    // An interruption tells how much of it was heard by both pages.
    player.position = { item: 'a', played: 24_000 };
    session.interrupt();
    await settled();
    expect(FakeSocket.last.sent.at(-1)).toMatchObject({
      type: 'conversation.item.truncate',
      item_id: 'a',
      audio_end_ms: 2500,
    });
    expect(session.getSnapshot().error).toBeNull();
  });

  test('tells what was heard where the server cannot tell it again, and says so', async () => {
    await left();
    FakeSocket.greet = greeting({ continues: 'conversation' });
    const session = text({ mode: 'voice', rememberAs: 'desk' });
    await session.connect();
    expect(FakeSocket.last.sent).toContainEqual(
      expect.objectContaining({ type: 'conversation.item.truncate', audio_end_ms: 1500 }),
    );
    expect(session.getSnapshot().error?.kind).toBe('gap');
    FakeSocket.last.receive(created, { type: 'response.done', response: { id: 'r' } });
    expect(session.getSnapshot().error).toBeNull();
  });

  test('begins after an answer that was heard, or cut off', async () => {
    await left();
    const wanted = () => JSON.parse(storage.kept.get('antiphon.desk') ?? '{}').after;
    expect(wanted()).toBe('event_0');
    const player = FakeWorklet.last('antiphon-playback');
    FakeSocket.last.receive({ type: 'response.done', event_id: 'event_4', response: { id: 'r' } });
    expect(wanted()).toBe('event_0');
    player.tell({ type: 'ended', item: 'a', played: 60_000 });
    expect(wanted()).toBe('event_4');
  });
});

test('what a user was saying when the connection was lost for good may be missing', async () => {
  const session = text({ mode: 'voice' });
  await session.connect();
  FakeSocket.last.receive({
    type: 'input_audio_buffer.speech_started',
    item_id: 'u',
    audio_start_ms: 0,
  });
  FakeSocket.greet = greeting({ continues: 'conversation' });
  FakeSocket.last.fail(1012);
  await settled();
  expect(session.getSnapshot()).toMatchObject({ state: 'listening', error: { kind: 'gap' } });
});

test('a gap is told', async () => {
  const session = text();
  await session.connect();
  FakeSocket.greet = greeting({ continues: 'session', gap: true });
  FakeSocket.last.fail(1006);
  await settled();
  expect(session.getSnapshot().error?.kind).toBe('gap');
});
