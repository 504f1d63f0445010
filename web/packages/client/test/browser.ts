/** A browser of fakes: what the client asks of a page's globals, under a test's hand. */

import { vi } from 'vitest';
import type { WireEvent } from '../src/protocol';

export class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  /** What a server that answers does with each new socket. */
  static greet: (socket: FakeSocket) => void = (socket) => socket.accept();
  readyState = 0;
  bufferedAmount = 0;
  readonly sent: WireEvent[] = [];
  onopen: unknown = null;
  onerror: unknown = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number; reason: string }) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];

  constructor(url: URL | string, protocols: string[]) {
    this.url = String(url);
    this.protocols = protocols;
    FakeSocket.all.push(this);
    queueMicrotask(() => FakeSocket.greet(this));
  }

  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error('No socket was opened.');
    return socket;
  }

  accept(session: object = {}): void {
    this.readyState = FakeSocket.OPEN;
    this.receive({ type: 'session.created', session });
  }

  receive(...events: object[]): void {
    for (const event of events) this.onmessage?.({ data: JSON.stringify(event) });
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  sentTypes(): string[] {
    return this.sent.map(({ type }) => type);
  }

  close(): void {
    this.readyState = 3;
  }

  /** The server, or the network, ends it. */
  fail(code: number, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

export class FakeTrack {
  enabled = true;
  readyState = 'live';
  onended: (() => void) | null = null;
  stop(): void {
    this.readyState = 'ended';
  }
}

export class FakeStream {
  readonly tracks: FakeTrack[];
  constructor(tracks: FakeTrack[] = [new FakeTrack()]) {
    this.tracks = tracks;
  }
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks;
}

class FakeNode {
  fftSize = 1024;
  connect = (node: unknown) => node;
  disconnect() {}
  getFloatTimeDomainData() {}
}

export class FakeContext {
  static all: FakeContext[] = [];
  state = 'running';
  readonly sampleRate: number;
  readonly destination = {};
  readonly audioWorklet = { addModule: async () => {} };
  constructor({ sampleRate = 48_000 }: { sampleRate?: number } = {}) {
    this.sampleRate = sampleRate;
    FakeContext.all.push(this);
  }
  createAnalyser = () => new FakeNode();
  createGain = () => Object.assign(new FakeNode(), { gain: { setTargetAtTime: () => {} } });
  createMediaStreamSource = () => new FakeNode();
  createMediaStreamDestination = () => Object.assign(new FakeNode(), { stream: new FakeStream() });
  async resume() {}
  async close() {
    this.state = 'closed';
  }
}

/** The page's end of an audio worklet; a test plays the audio thread's part. */
export class FakeWorklet extends FakeNode {
  static all: FakeWorklet[] = [];
  readonly posted: { type: string; item?: string; samples?: Float32Array; isEnd?: boolean }[] = [];
  /** What `flush` is answered with. */
  position: { item: string | null; played: number } = { item: null, played: 0 };
  readonly name: string;
  readonly port: {
    onmessage: ((message: { data: unknown }) => void) | null;
    postMessage: (data: FakeWorklet['posted'][number]) => void;
  };

  constructor(_context: unknown, name: string) {
    super();
    this.name = name;
    this.port = {
      onmessage: null,
      postMessage: (data) => {
        this.posted.push(data);
        if (data.type === 'flush') this.tell({ type: 'flushed', ...this.position });
      },
    };
    FakeWorklet.all.push(this);
  }

  static last(name: 'antiphon-capture' | 'antiphon-playback'): FakeWorklet {
    const worklet = FakeWorklet.all.findLast((other) => other.name === name);
    if (!worklet) throw new Error(`No ${name} was made.`);
    return worklet;
  }

  tell(data: unknown): void {
    this.port.onmessage?.({ data });
  }
}

export const microphone = { getUserMedia: vi.fn(async () => new FakeStream()) };

export function installBrowser(): void {
  FakeSocket.all = [];
  FakeSocket.greet = (socket) => socket.accept();
  FakeContext.all = [];
  FakeWorklet.all = [];
  microphone.getUserMedia.mockReset().mockImplementation(async () => new FakeStream());
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('AudioContext', FakeContext);
  vi.stubGlobal('AudioWorkletNode', FakeWorklet);
  vi.stubGlobal('navigator', { mediaDevices: microphone });
  vi.stubGlobal('location', new URL('http://page.test/'));
}
