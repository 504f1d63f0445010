import { beforeEach, expect, test, vi } from 'vitest';
import type { RealtimeVoiceSession } from '../src/session';
import { created, done, inFakeBrowser, settled, voice } from './talking';

class FakeChannel {
  readyState = 'open';
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  send() {}
  close() {
    this.readyState = 'closing';
  }
}

/** A peer connection that is up at once. */
class FakePeer {
  static all: FakePeer[] = [];
  /** Grows with each packet that is played. */
  static played = 0;
  readonly channel = new FakeChannel();
  readonly localDescription = { sdp: 'v=0' };
  connectionState = 'connected';
  isClosed = false;

  constructor() {
    FakePeer.all.push(this);
  }

  static get last(): FakePeer {
    return FakePeer.all.at(-1) as FakePeer;
  }

  addTransceiver = () => ({
    sender: { replaceTrack: async () => {} },
    receiver: { getSynchronizationSources: () => [{ rtpTimestamp: FakePeer.played }] },
  });
  createDataChannel = () => this.channel;
  createOffer = async () => ({});
  setLocalDescription = async () => {};
  setRemoteDescription = async () => {
    const resume = { conversation_id: 'conv_1', token: `rt_${FakePeer.all.length}`, linger_s: 30 };
    const continues = FakePeer.all.length > 1 ? 'session' : undefined;
    const session = { id: 's', antiphon: { engine: 'e', resume: { ...resume, continues } } };
    queueMicrotask(() => this.tell({ type: 'session.created', event_id: 'event_1', session }));
  };
  getStats = async () => new Map();
  close = () => {
    this.isClosed = true;
  };
  tell(...events: object[]): void {
    for (const event of events) this.channel.onmessage?.({ data: JSON.stringify(event) });
  }
}

const call = vi.fn(async (_url: URL, _options: { headers: Record<string, string> }) => ({
  ok: true,
  headers: { get: () => '/v1/realtime/calls/rtc_1' },
  text: async () => 'v=0',
}));

inFakeBrowser();
beforeEach(() => {
  FakePeer.all = [];
  call.mockClear();
  vi.stubGlobal('RTCPeerConnection', FakePeer);
  vi.stubGlobal('RTCRtpReceiver', {});
  vi.stubGlobal('fetch', call);
});

async function speaking(): Promise<RealtimeVoiceSession> {
  const session = voice({ transport: 'webrtc', rememberAs: 'call' });
  await session.connect();
  FakePeer.last.tell(created, { type: 'output_audio_buffer.started', response_id: 'r' }, done());
  return session;
}

async function play(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 20) {
    FakePeer.played += 960;
    await vi.advanceTimersByTimeAsync(20);
  }
}

test('a call whose sound stops coming is dialled again, without a goodbye', async () => {
  await speaking();
  await play(3000);
  expect(FakePeer.all).toHaveLength(1);
  const [first] = FakePeer.all;
  await vi.advanceTimersByTimeAsync(1500);
  expect(FakePeer.all).toHaveLength(2);
  expect(first?.isClosed).toBe(true);
  expect(first?.channel.readyState).toBe('open');
  const [url, options] = call.mock.lastCall ?? [];
  expect(options?.headers).toMatchObject({ 'Antiphon-Resume': 'rt_1' });
  expect(url?.searchParams.get('linger')).toBe('true');
  expect(url?.searchParams.get('played')).toBe(String(FakePeer.played));
});

test('a goodbye is said before the connection goes', async () => {
  const session = await speaking();
  const peer = FakePeer.last;
  session.close();
  expect(peer.channel.readyState).toBe('closing');
  expect(peer.isClosed).toBe(false);
  peer.channel.onclose?.();
  expect(peer.isClosed).toBe(true);
});

test('a goodbye that is not answered is waited for no longer than a moment', async () => {
  const session = await speaking();
  session.close();
  await vi.advanceTimersByTimeAsync(600);
  expect(FakePeer.last.isClosed).toBe(true);
  await settled();
  expect(vi.getTimerCount()).toBe(0);
});
