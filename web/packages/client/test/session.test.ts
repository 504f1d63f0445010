import { describe, expect, test, vi } from 'vitest';
import type { MessageItem } from '../src/snapshot';
import { FakeContext, FakeSocket, FakeStream, FakeWorklet, microphone } from './browser';
import { answer, created, done, inFakeBrowser, settled, text, VAD, voice } from './talking';

inFakeBrowser();

describe('connecting', () => {
  test('shows the secret, the model and the settings', async () => {
    const getSecret = vi.fn(async () => 'ek_1');
    const session = text({
      url: 'https://voice.test/v1',
      model: 'm',
      getSecret,
      session: { voice: 'ash' },
    });
    await session.connect();
    expect(FakeSocket.last.url).toBe('wss://voice.test/v1/realtime?model=m');
    expect(FakeSocket.last.protocols).toEqual(['realtime', 'openai-insecure-api-key.ek_1']);
    expect(FakeSocket.last.sent[0]).toMatchObject({
      type: 'session.update',
      session: { type: 'realtime', audio: { output: { voice: 'ash' } } },
    });
    expect(session.getSnapshot()).toMatchObject({ state: 'text-only', transport: 'websocket' });
    expect(getSecret).toHaveBeenCalledTimes(1);
  });

  test('goes on with a conversation that the server has kept, and tells it only what is new', async () => {
    const session = text({ conversationId: 'conv_1', url: '/v1' });
    session.sendText('and now?');
    await session.connect();
    expect(new URL(FakeSocket.last.url).searchParams.get('conversation_id')).toBe('conv_1');
    const created = () => FakeSocket.last.sent.filter((e) => e.type === 'conversation.item.create');
    expect(created()).toMatchObject([{ item: { content: [{ text: 'and now?' }] } }]);
    expect(created()[0]).not.toHaveProperty('previous_item_id');
    const [first] = created();
    FakeSocket.last.receive({ type: 'conversation.item.added', item: first?.item });
    session.close();
    await session.connect();
    expect(created()).toEqual([]);
  });

  test('leaves a bound session as it is where it is told to', async () => {
    await text({ session: null }).connect();
    expect(FakeSocket.last.sent).toEqual([]);
  });

  test.each([
    ['a wrong key', (s: FakeSocket) => s.fail(3000), 'key-refused'],
    ['no server', (s: FakeSocket) => s.fail(1006), 'server-away'],
    ['a server that refuses', (s: FakeSocket) => s.fail(4000), 'protocol'],
  ])('says what is wrong: %s', async (_, greet, kind) => {
    FakeSocket.greet = greet;
    const session = text();
    await expect(session.connect()).rejects.toMatchObject({ kind });
    expect(session.getSnapshot()).toMatchObject({ state: 'closed', error: { kind } });
  });

  test('a secret that is refused is another thing than a key', async () => {
    FakeSocket.greet = (s) => s.fail(3000, 'It has expired.');
    const failed = text({ getSecret: () => 'ek_1' }).connect();
    await expect(failed).rejects.toMatchObject({
      kind: 'secret-expired',
      detail: 'It has expired.',
    });
  });

  test('gives up a server that says nothing', async () => {
    FakeSocket.greet = () => {};
    const failed = expect(text().connect()).rejects.toMatchObject({ kind: 'server-away' });
    await vi.advanceTimersByTimeAsync(15_000);
    await failed;
  });

  test('closing meanwhile ends it quietly', async () => {
    FakeSocket.greet = () => {};
    const session = text();
    const connected = session.connect();
    await settled();
    session.close();
    await connected;
    expect(session.getSnapshot()).toMatchObject({ state: 'closed', error: null });
  });

  test.each([
    ['NotAllowedError', 'microphone-denied'],
    ['NotFoundError', 'no-device'],
    ['NotReadableError', 'media-failed'],
  ])('goes on by typing after %s, and back', async (name, kind) => {
    microphone.getUserMedia.mockRejectedValue(new DOMException('no', name));
    const session = voice();
    await session.connect();
    expect(session.getSnapshot()).toMatchObject({ state: 'text-only', error: { kind } });
    await expect(session.setMode('voice')).rejects.toMatchObject({ kind });
    microphone.getUserMedia.mockImplementation(async () => new FakeStream());
    await session.setMode('voice');
    expect(session.getSnapshot()).toMatchObject({ state: 'listening', error: null });
    expect(FakeSocket.all).toHaveLength(1);
  });

  test('goes on over WebSocket where there is no WebRTC', async () => {
    const session = voice({ transport: 'webrtc' });
    await session.connect();
    expect(session.getSnapshot()).toMatchObject({
      state: 'listening',
      transport: 'websocket',
      error: { kind: 'media-failed' },
    });
  });

  test('goes on in text where there is no sound', async () => {
    vi.stubGlobal('AudioContext', undefined);
    const session = voice();
    await session.connect();
    session.sendText('hello');
    expect(session.getSnapshot()).toMatchObject({
      state: 'text-only',
      error: { kind: 'media-failed' },
    });
    expect(FakeSocket.last.sent.at(-1)).toMatchObject({
      type: 'response.create',
      response: { output_modalities: ['text'] },
    });
  });
});

describe('talking', () => {
  test('sends the microphone as 60 ms of 24 kHz PCM', async () => {
    await voice().connect();
    const capture = FakeWorklet.last('antiphon-capture');
    for (let batch = 0; batch < 6; batch++) capture.tell(new Float32Array(960));
    const appended = FakeSocket.last.sent.filter(
      ({ type }) => type === 'input_audio_buffer.append',
    );
    expect(appended).toHaveLength(2);
    const bytes = atob(appended[0]?.audio as string).length;
    expect(bytes / 48).toBeGreaterThanOrEqual(59);
    expect(bytes / 48).toBeLessThanOrEqual(61);
  });

  test('a barge-in tells the server, to the sample, what was heard', async () => {
    const session = voice();
    FakeSocket.greet = (socket) => socket.accept(VAD);
    await session.connect();
    const socket = FakeSocket.last;
    socket.receive(...answer('Good morning. ', 'How are you?'), done());
    const player = FakeWorklet.last('antiphon-playback');
    player.tell({ type: 'started', item: 'a', played: 0 });
    player.tell({ type: 'playing', item: 'a', played: 24_000 });
    expect(session.getSnapshot()).toMatchObject({ state: 'speaking' });
    player.position = { item: 'a', played: 24_480 };
    socket.receive({ type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'u' });
    await settled();
    expect(socket.sent.at(-1)).toMatchObject({
      type: 'conversation.item.truncate',
      item_id: 'a',
      content_index: 0,
      audio_end_ms: 1020,
    });
    socket.receive({
      type: 'conversation.item.truncated',
      item_id: 'a',
      content_index: 0,
      audio_end_ms: 1020,
    });
    expect(socket.sent.at(-1)).toMatchObject({ type: 'conversation.item.retrieve', item_id: 'a' });
    socket.receive({
      type: 'conversation.item.retrieved',
      item: {
        id: 'a',
        type: 'message',
        content: [{ type: 'output_audio', transcript: 'Good morning.' }],
      },
    });
    expect(session.getSnapshot()).toMatchObject({ userSpeaking: true, state: 'listening' });
    expect(session.getSnapshot().items[0]).toMatchObject({
      heard: 'Good morning.',
      unheard: ' How are you?',
    });
  });

  test('words appear as they are played', async () => {
    const session = voice();
    await session.connect();
    FakeSocket.last.receive(...answer('Good morning. ', 'How are you?'), done());
    const player = FakeWorklet.last('antiphon-playback');
    const heard = () => (session.getSnapshot().items[0] as MessageItem).heard;
    player.tell({ type: 'started', item: 'a', played: 0 });
    expect(heard()).toBe('');
    player.tell({ type: 'playing', item: 'a', played: 12_000 });
    expect(heard()).toBe('Good');
    player.tell({ type: 'playing', item: 'a', played: 23_000 });
    expect(heard()).toBe('Good morning.');
    player.tell({ type: 'ended', item: 'a', played: 48_000 });
    expect(heard()).toBe('Good morning. How are you?');
    expect(session.getSnapshot()).toMatchObject({
      state: 'listening',
      usage: { outputAudioSeconds: 2 },
    });
  });

  test('an interruption of the page cancels, and nothing of it sounds later', async () => {
    const session = voice();
    await session.connect();
    const socket = FakeSocket.last;
    const parts = answer('Good ', 'morning.');
    socket.receive(...parts.slice(0, -1));
    session.interrupt();
    await settled();
    expect(socket.sentTypes().slice(-2)).toEqual(['response.cancel', 'conversation.item.truncate']);
    const pushed = FakeWorklet.last('antiphon-playback').posted.length;
    socket.receive(...parts.slice(-2), done('cancelled'));
    expect(FakeWorklet.last('antiphon-playback').posted).toHaveLength(pushed);
    expect(session.getSnapshot()).toMatchObject({ state: 'listening', error: null });
  });

  test('push to talk sends only what is said while it is held', async () => {
    const session = voice({ session: { turnDetection: null } });
    await session.connect();
    const socket = FakeSocket.last;
    const capture = FakeWorklet.last('antiphon-capture');
    const speak = () => {
      for (let batch = 0; batch < 10; batch++) capture.tell(new Float32Array(960));
    };
    speak();
    expect(socket.sentTypes()).not.toContain('input_audio_buffer.append');
    vi.setSystemTime(0);
    session.pressToTalk();
    expect(session.getSnapshot()).toMatchObject({ pressed: true, userSpeaking: true });
    speak();
    vi.setSystemTime(1000);
    session.releaseToTalk();
    speak();
    const types = socket.sentTypes().slice(1);
    expect(types[0]).toBe('input_audio_buffer.clear');
    expect(types.slice(-2)).toEqual(['input_audio_buffer.commit', 'response.create']);
    expect(types.filter((type) => type === 'input_audio_buffer.append').length).toBeGreaterThan(1);
  });

  test('a slip of the talk button asks for nothing', async () => {
    const session = voice({ session: { turnDetection: null } });
    await session.connect();
    session.pressToTalk();
    session.releaseToTalk();
    expect(FakeSocket.last.sentTypes().at(-1)).toBe('input_audio_buffer.clear');
    expect(session.getSnapshot().state).toBe('listening');
  });

  test('another device takes the place of the old one', async () => {
    const first = new FakeStream();
    microphone.getUserMedia.mockResolvedValueOnce(first);
    const session = voice();
    await session.connect();
    await session.setMicrophone({ deviceId: 'headset' });
    expect(microphone.getUserMedia).toHaveBeenLastCalledWith({
      audio: expect.objectContaining({ deviceId: { exact: 'headset' } }),
    });
    expect(first.tracks[0]?.readyState).toBe('ended');
    expect(session.getSnapshot().state).toBe('listening');
  });

  test('a microphone that is unplugged leaves text', async () => {
    const stream = new FakeStream();
    microphone.getUserMedia.mockResolvedValueOnce(stream);
    const session = voice();
    await session.connect();
    stream.tracks[0]?.onended?.();
    await settled();
    expect(session.getSnapshot()).toMatchObject({
      state: 'text-only',
      error: { kind: 'no-device' },
    });
  });
});

describe('typing', () => {
  test('waits for what is being said to end', async () => {
    const session = text();
    await session.connect();
    const socket = FakeSocket.last;
    session.sendText('one');
    socket.receive(created);
    session.sendText('two');
    expect(socket.sentTypes().filter((type) => type === 'response.create')).toHaveLength(1);
    expect(socket.sentTypes()).toContain('response.cancel');
    socket.receive(done('cancelled'));
    expect(socket.sentTypes().at(-1)).toBe('response.create');
    expect(session.getSnapshot()).toMatchObject({ activity: 'thinking' });
  });

  test('a tool that runs in the page is answered', async () => {
    const run = vi.fn(() => ({ degrees: 21 }));
    const session = text({ tools: [{ name: 'weather', run }] });
    await session.connect();
    const socket = FakeSocket.last;
    const item = { id: 'f', type: 'function_call', name: 'weather', call_id: 'c1' };
    socket.receive(
      created,
      { type: 'conversation.item.added', item: { ...item, arguments: '', status: 'in_progress' } },
      {
        type: 'response.output_item.done',
        response_id: 'r',
        item: { ...item, arguments: '{"city":"Paris"}', status: 'completed' },
      },
      done(),
    );
    await settled();
    expect(run).toHaveBeenCalledWith({ city: 'Paris' }, expect.objectContaining({ callId: 'c1' }));
    expect(socket.sent.slice(-2)).toMatchObject([
      { item: { type: 'function_call_output', call_id: 'c1', output: '{"degrees":21}' } },
      { type: 'response.create' },
    ]);
    expect(session.getSnapshot().items[0]).toMatchObject({ output: '{"degrees":21}' });
  });

  test('an answer that fails is told, and the second one ends speech', async () => {
    const session = voice();
    await session.connect();
    const failed = {
      type: 'response.done',
      response: { id: 'r', status: 'failed', status_details: { error: { message: 'no voice' } } },
    };
    FakeSocket.last.receive(created, failed);
    expect(session.getSnapshot()).toMatchObject({
      state: 'listening',
      error: { kind: 'engine-failed', detail: 'no voice' },
    });
    FakeSocket.last.receive(created, failed);
    await settled();
    expect(session.getSnapshot().state).toBe('text-only');
  });

  test('a refusal is told; of our own housekeeping it is not', async () => {
    const session = text();
    await session.connect();
    const error = { message: 'no such item', code: 'x' };
    FakeSocket.last.receive({ type: 'error', error: { ...error, event_id: 'own_event_1' } });
    expect(session.getSnapshot().error).toBeNull();
    FakeSocket.last.receive({ type: 'error', error });
    expect(session.getSnapshot().error).toMatchObject({ kind: 'protocol', detail: 'no such item' });
  });

  test('events that make no sense do no harm', async () => {
    const session = text();
    await session.connect();
    vi.spyOn(console, 'error').mockImplementation(() => {});
    FakeSocket.last.receive({ type: 'response.created' }, { type: 'unheard.of' }, [1], { a: 1 });
    FakeSocket.last.onmessage?.({ data: 'not json' });
    FakeSocket.last.receive({ type: 'error' });
    expect(session.getSnapshot()).toMatchObject({
      state: 'text-only',
      error: { kind: 'protocol' },
    });
  });
});

describe('another voice', () => {
  const speaks = (name: string) => ({ audio: { output: { voice: name } } });

  test('is taken by the same connection before a first word', async () => {
    const session = text();
    await session.connect();
    FakeSocket.last.receive({ type: 'session.updated', session: speaks('marin') });
    session.updateSession({ voice: 'cedar' });
    expect(FakeSocket.all).toHaveLength(1);
    expect(FakeSocket.last.sent.at(-1)).toMatchObject({ session: speaks('cedar') });
  });

  test('needs another connection once one has spoken', async () => {
    const session = text();
    await session.connect();
    FakeSocket.last.receive({ type: 'session.updated', session: speaks('marin') });
    FakeSocket.last.receive(...answer('Hello.'), done());
    session.updateSession({ voice: 'marin', speed: 1.2 });
    expect(FakeSocket.all).toHaveLength(1);
    session.updateSession({ voice: 'cedar' });
    await settled();
    expect(FakeSocket.all).toHaveLength(2);
    expect(FakeSocket.last.sent[0]).toMatchObject({ session: speaks('cedar') });
  });
});

test('a hundred connects leave nothing behind', async () => {
  const streams: FakeStream[] = [];
  microphone.getUserMedia.mockImplementation(async () => {
    const stream = new FakeStream();
    streams.push(stream);
    return stream;
  });
  const session = voice({ limits: { items: 10, logEntries: 20, turns: 5 } });
  for (let round = 0; round < 100; round++) {
    await session.connect();
    session.sendText(`round ${round}`);
    FakeSocket.last.receive(...answer('Good morning.'), done());
    if (round % 2) FakeSocket.last.fail(1006);
    session.close();
    await settled();
  }
  expect(FakeSocket.all).toHaveLength(100);
  expect(FakeSocket.all.every(({ readyState }) => readyState === 3)).toBe(true);
  expect(FakeSocket.all.every(({ onmessage }) => onmessage === null)).toBe(true);
  expect(FakeContext.all.length).toBe(200);
  expect(FakeContext.all.every(({ state }) => state === 'closed')).toBe(true);
  expect(streams.every(({ tracks }) => tracks[0]?.readyState === 'ended')).toBe(true);
  expect(FakeWorklet.all.every(({ port }) => port.onmessage === null)).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  expect(session.getSnapshot().items.length).toBeLessThanOrEqual(10);
  expect(session.log.entries()).toHaveLength(20);
});

describe('a newer server', () => {
  test('may send what is not known here: it is in the log, and changes nothing', async () => {
    const session = text();
    await session.connect();
    const seen: string[] = [];
    session.on('event', ({ event }) => seen.push(event.type));
    const before = session.getSnapshot();
    FakeSocket.last.receive({ type: 'session.moved', session: null });
    expect(seen).toEqual(['session.moved']);
    expect(session.log.entries().at(-1)?.event).toEqual({ type: 'session.moved', session: null });
    expect(session.getSnapshot()).toBe(before);
  });

  test('that sends a known event without what it is about is told of', async () => {
    const session = text();
    await session.connect();
    FakeSocket.last.receive({ type: 'response.done' });
    expect(session.getSnapshot().error?.kind).toBe('protocol');
    expect(session.getSnapshot().state).toBe('text-only');
  });
});
