import { describe, expect, test, vi } from 'vitest';
import type { RealtimeVoiceSession } from '../src/session';
import { FakeSocket, FakeWorklet } from './browser';
import { answer, created, done, inFakeBrowser, settled, text, voice } from './talking';

inFakeBrowser();

describe('a server that goes away', () => {
  test('is tried again with a new secret, and told the conversation and what it owes', async () => {
    let count = 0;
    const session = text({ getSecret: () => `ek_${++count}` });
    await session.connect();
    session.sendText('hello');
    FakeSocket.last.receive(created);
    FakeSocket.greet = (socket) => socket.fail(1006);
    FakeSocket.last.fail(1012);
    expect(session.getSnapshot()).toMatchObject({
      state: 'reconnecting',
      error: { kind: 'server-away' },
    });
    session.sendText('are you there');
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.greet = (socket) => socket.accept();
    await vi.advanceTimersByTimeAsync(1000);
    expect(session.getSnapshot()).toMatchObject({ state: 'text-only', error: null });
    expect(FakeSocket.last.protocols[1]).toBe('openai-insecure-api-key.ek_3');
    expect(FakeSocket.last.sent.slice(1)).toMatchObject([
      { previous_item_id: 'root', item: { content: [{ text: 'hello' }] } },
      { item: { content: [{ text: 'are you there' }] } },
      { type: 'response.create' },
    ]);
    expect(session.getSnapshot().items).toHaveLength(2);
  });

  test.each([
    ['for ever', undefined, 8],
    ['twice', { maxAttempts: 2 }, 2],
    ['not at all', false as const, 0],
  ])('is tried %s and then given up', async (_, reconnect, attempts) => {
    const session = text(reconnect === undefined ? {} : { reconnect });
    await session.connect();
    FakeSocket.greet = (socket) => socket.fail(1006);
    FakeSocket.last.fail(1006);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(FakeSocket.all).toHaveLength(1 + attempts);
    expect(session.getSnapshot()).toMatchObject({
      state: 'closed',
      error: { kind: 'server-away' },
    });
  });

  test('is not tried again when it ended the session on purpose', async () => {
    const session = text();
    await session.connect();
    FakeSocket.last.fail(1000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(session.getSnapshot().state).toBe('closed');
  });
});

describe('a WebSocket that is lost without a word', () => {
  const probes = () =>
    FakeSocket.last.sent.filter(({ type }) => type === 'conversation.item.retrieve').length;
  const reply = () =>
    FakeSocket.last.receive({
      type: 'conversation.item.retrieved',
      item: { id: 'a', type: 'message' },
    });
  /** An answer is being heard, and the server has answered once. */
  async function hearing(): Promise<RealtimeVoiceSession> {
    const session = voice();
    await session.connect();
    FakeSocket.last.receive(...answer('One two three'), done());
    await vi.advanceTimersByTimeAsync(450);
    expect(probes()).toBe(1);
    reply();
    return session;
  }
  const kindOf = (session: RealtimeVoiceSession) => session.getSnapshot().error?.kind;

  test('is told within a second of the last sign of life', async () => {
    const session = await hearing();
    await vi.advanceTimersByTimeAsync(1000);
    expect(kindOf(session)).toBe('connection-unsure');
    reply();
    await vi.advanceTimersByTimeAsync(100);
    expect(kindOf(session)).toBeUndefined();
  });

  test('is given up, and another one is opened', async () => {
    const session = await hearing();
    await vi.advanceTimersByTimeAsync(5000);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2500);
    expect(FakeSocket.all).toHaveLength(2);
    expect(session.getSnapshot().state).not.toBe('reconnecting');
  });

  test('is no trouble where the server answers, and nobody sees the questions', async () => {
    const session = await hearing();
    for (let second = 0; second < 3; second++) {
      await vi.advanceTimersByTimeAsync(500);
      reply();
    }
    expect(kindOf(session)).toBeUndefined();
    const types = session.log.entries().map(({ event }) => event.type);
    expect(types).not.toContain('conversation.item.retrieve');
    expect(types).not.toContain('conversation.item.retrieved');
  });

  test('is not suspected of a server that has never answered', async () => {
    const session = voice();
    await session.connect();
    FakeSocket.last.receive(...answer('One two three'), done());
    await vi.advanceTimersByTimeAsync(20_000);
    expect(probes()).toBe(1);
    expect(kindOf(session)).toBeUndefined();
  });

  test('is not asked about between the answers', async () => {
    await text().connect();
    await vi.advanceTimersByTimeAsync(5000);
    expect(probes()).toBe(0);
  });

  test('stops the words where the sound stopped, and says at once that it is gone', async () => {
    const session = await hearing();
    const said = () => session.getSnapshot().items.find(({ id }) => id === 'a');
    const player = FakeWorklet.last('antiphon-playback');
    player.tell({ type: 'started', item: 'a', played: 0 });
    player.tell({ type: 'playing', item: 'a', played: 8_000 });
    expect(said()).toMatchObject({ heard: 'One two', unheard: '' });
    FakeSocket.greet = (socket) => socket.fail(1006);
    FakeSocket.last.fail(1006);
    await settled();
    expect(kindOf(session)).toBe('server-away');
    const then = said();
    expect(then).toMatchObject({ heard: 'One two', unheard: ' three' });
    await vi.advanceTimersByTimeAsync(5000);
    expect(said()).toEqual(then);
  });
});
