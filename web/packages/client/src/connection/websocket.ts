/** A conversation over a WebSocket: audio is events, and this side plays it. */

import type { Microphone } from '../audio/microphone';
import { encode, Resampler, rateOf, toBase64 } from '../audio/pcm';
import { type Heard, Player } from '../audio/player';
import { UNKNOWN_TOKEN, VoiceError } from '../errors';
import type { AudioFormat, WireEvent, WireItem, WireSession } from '../protocol';
import { type QualitySample, webSocketSample } from '../quality';
import { webSocketEndpoint } from './address';
import {
  type Connection,
  type ConnectionListener,
  type ConnectionOptions,
  parsed,
  returnQuery,
} from './connection';
import { Liveness } from './liveness';

const PCM: AudioFormat = { type: 'audio/pcm', rate: 24_000 };
const APPEND_MS = 60;
/** Events that wait in the browser; a page that far behind will not catch up. */
const MAX_BUFFERED_BYTES = 16 << 20;
/** Servers take more, but nobody wants to wait for it. */
const MAX_MESSAGE_BYTES = 4 << 20;

/** How a server closes the connection whose session another has now. */
const TAKEN_OVER = 4001;
/** How often one looks whether the server still answers, and when it is given up. */
const LOOK_MS = 100;
const GONE_MS = 5000;

/** Which event answers which, for the time between them. */
const ANSWERS: Record<string, string> = {
  'session.update': 'session.updated',
  'conversation.item.retrieve': 'conversation.item.retrieved',
  'conversation.item.create': 'conversation.item.added',
  'conversation.item.truncate': 'conversation.item.truncated',
  'response.create': 'response.created',
};

/** Resolves with the first `session.created`. Throws: VoiceError. */
export async function openWebSocket(
  options: ConnectionOptions,
  listener: ConnectionListener,
): Promise<Connection> {
  const connection = new WebSocketConnection(options, listener);
  try {
    await connection.open();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

class WebSocketConnection implements Connection {
  readonly kind = 'websocket';
  readonly callId = null;
  readonly playedTimestamp = null;
  readonly maxMessageBytes = MAX_MESSAGE_BYTES;
  transmitting = true;
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #socket: WebSocket | null = null;
  #player: Player | null = null;
  #microphone: Microphone | null = null;
  #input: AudioFormat = PCM;
  #output: AudioFormat = PCM;
  #pending: Float32Array[] = [];
  #lastError: VoiceError | null = null;
  #isUp = false;
  #isClosed = false;
  #responseId: string | null = null;
  /** What it still sends was stopped here. */
  #stoppedResponseId: string | null = null;
  #asked: { answer: string; atMs: number } | null = null;
  #rttMs: number | null = null;
  readonly #liveness = new Liveness();
  #watch: ReturnType<typeof setInterval> | undefined;
  /** An answer is being made; `itemId` is of it. */
  #isAnswering = false;
  #itemId: string | null = null;
  /** The item that the server was asked for, to see whether it answers. */
  #probedId: string | null = null;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
  }

  async open(): Promise<void> {
    if (this.#options.audio) await this.#openPlayer();
    await this.#openSocket();
  }

  get outputAnalyser(): AnalyserNode | null {
    return this.#player?.analyser ?? null;
  }

  get outputStream(): MediaStream | null {
    return this.#player?.stream ?? null;
  }

  /** In mid-answer a server that is there says something, if only because it is asked. */
  get isUnsure(): boolean {
    return this.#liveness.overdueMs(Date.now()) > 0;
  }

  send(event: WireEvent): void {
    if (event.type === 'input_audio_buffer.commit') this.#append();
    const answer = ANSWERS[event.type];
    if (answer && !this.#asked) this.#asked = { answer, atMs: performance.now() };
    this.#transmit(event);
  }

  pushedMs(itemId: string): number {
    return this.#player?.pushedMs(itemId) ?? 0;
  }

  /** The player counts what was heard, and its sound is here. */
  soundAtMs(): null {
    return null;
  }

  async setMicrophone(microphone: Microphone | null): Promise<void> {
    if (this.#microphone !== microphone) await this.#microphone?.capture(null);
    this.#microphone = microphone;
    this.#pending = [];
    if (!microphone) return;
    let resampler = new Resampler(microphone.rateHz, rateOf(this.#input));
    let rateHz = rateOf(this.#input);
    await microphone.capture((samples) => {
      if (!this.transmitting) return;
      if (rateOf(this.#input) !== rateHz) {
        rateHz = rateOf(this.#input);
        resampler = new Resampler(microphone.rateHz, rateHz);
        this.#pending = [];
      }
      this.#pending.push(resampler.push(samples));
      const length = this.#pending.reduce((sum, part) => sum + part.length, 0);
      if (length * 1000 >= APPEND_MS * rateHz * 0.99) this.#append();
    });
  }

  duck(on: boolean): void {
    this.#player?.duck(on);
  }

  async stopPlayback(): Promise<Heard[]> {
    this.#stoppedResponseId = this.#responseId;
    return this.#player?.isPlaying ? this.#player.stop() : [];
  }

  async resumeAudio(): Promise<void> {
    await this.#player?.resume();
  }

  async sample(atMs: number): Promise<QualitySample> {
    return webSocketSample(atMs, this.#rttMs, this.#socket?.bufferedAmount ?? 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#watch);
    void this.#microphone?.capture(null);
    this.#microphone = null;
    this.#pending = [];
    this.#player?.close();
    this.#player = null;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close(1000);
  }

  giveUp(): void {
    this.#lost(1006, 'Nothing comes any more.');
  }

  releasePlayer(): Player | null {
    const player = this.#player;
    this.#player = null;
    return player;
  }

  async #openPlayer(): Promise<void> {
    if (this.#options.player) {
      this.#player = this.#options.player;
      return;
    }
    const player = await Player.open({
      started: (itemId) => this.#listener.playbackStarted(itemId),
      playing: (heard) => this.#listener.playbackAt(heard),
      ended: (heard, isLast) => this.#listener.playbackEnded(heard, isLast),
    });
    if (this.#isClosed) {
      player.close();
      return;
    }
    this.#player = player;
    const heard = this.#options.back?.heardBefore.items ?? {};
    for (const [itemId, ms] of Object.entries(heard)) player.skip(itemId, ms);
    player.resume().catch((error) => {
      if (!this.#isClosed) this.#listener.silent(error);
    });
  }

  #openSocket(): Promise<void> {
    const { url, model, secret, timeoutMs, signal, back } = this.#options;
    const protocols = ['realtime'];
    // A browser can show a key nowhere else.
    if (secret) protocols.push(`openai-insecure-api-key.${secret}`);
    if (back) protocols.push(`antiphon-resume.${back.token}`);
    return new Promise((resolve, reject) => {
      const fail = (error: VoiceError) => {
        settle();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new VoiceError('server-away', { detail: 'No session in time.' })),
        timeoutMs,
      );
      const abort = () => fail(new VoiceError('server-away', { detail: 'Closed meanwhile.' }));
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
      signal.addEventListener('abort', abort);
      if (signal.aborted) return abort();
      let socket: WebSocket;
      try {
        socket = new WebSocket(
          webSocketEndpoint(url, 'realtime', { model, ...returnQuery(back) }),
          protocols,
        );
      } catch (cause) {
        return fail(new VoiceError('server-away', { cause }));
      }
      this.#socket = socket;
      socket.onmessage = ({ data }: MessageEvent) => {
        const event = parsed(data);
        if (!event) return;
        this.#receive(event);
        if (event.type !== 'session.created' || this.#isUp) return;
        this.#isUp = true;
        this.#watch = setInterval(() => this.#look(Date.now()), LOOK_MS);
        settle();
        resolve();
      };
      socket.onclose = ({ code, reason }: CloseEvent) => {
        if (this.#isUp) this.#lost(code, reason);
        else fail(this.#closeError(code, reason));
      };
    });
  }

  #look(atMs: number): void {
    if (this.#liveness.overdueMs(atMs) > GONE_MS) {
      this.#lost(1006, 'The server does not answer any more.');
      return;
    }
    const isBusy = this.#isAnswering || this.#player?.isPlaying;
    if (!isBusy || !this.#itemId || !this.#liveness.isDue(atMs)) return;
    this.#probedId = this.#itemId;
    this.#transmit({ type: 'conversation.item.retrieve', item_id: this.#itemId });
  }

  /** True: it answers a question of `#look`, and concerns nobody else. */
  #isProbed({ type, item }: WireEvent): boolean {
    const isIt = type === 'conversation.item.retrieved' && (item as WireItem).id === this.#probedId;
    if (isIt) {
      this.#probedId = null;
      this.#liveness.answered(Date.now());
    }
    return isIt;
  }

  #receive(event: WireEvent): void {
    this.#liveness.heard(Date.now());
    if (this.#isProbed(event)) return;
    if (event.type === this.#asked?.answer) {
      this.#rttMs = performance.now() - this.#asked.atMs;
      this.#asked = null;
    }
    switch (event.type) {
      case 'session.created':
      case 'session.updated':
        this.#adopt(event.session as WireSession);
        break;
      case 'error':
        this.#asked = null;
        this.#noteError(event.error as { code?: string | null; message?: string } | undefined);
        break;
      case 'response.created':
        this.#responseId = (event.response as { id?: string } | undefined)?.id ?? null;
        this.#isAnswering = true;
        this.#itemId = null;
        break;
      case 'response.output_audio.delta':
        // By the connection before one was told that it began.
        this.#responseId ??= (event.response_id as string | undefined) ?? null;
        break;
      case 'response.output_item.added':
        this.#itemId = (event.item as WireItem).id ?? null;
        break;
      case 'response.done':
        this.#isAnswering = false;
        break;
    }
    this.#listener.received(event);
    if (event.response_id === this.#stoppedResponseId) return;
    if (event.type === 'response.output_audio.delta') this.#play(event);
    if (event.type === 'response.output_audio.done') this.#player?.end(event.item_id as string);
  }

  #play(event: WireEvent): void {
    try {
      this.#player?.push(event.item_id as string, event.delta as string, this.#output);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#listener.silent(new VoiceError('protocol', { detail }));
    }
  }

  /** Audio goes in the formats that the server says it has, whatever we asked for. */
  #adopt(session: WireSession | undefined): void {
    this.#input = session?.audio?.input?.format ?? this.#input;
    this.#output = session?.audio?.output?.format ?? this.#output;
  }

  #append(): void {
    const length = this.#pending.reduce((sum, part) => sum + part.length, 0);
    if (!length) return;
    const samples = new Float32Array(length);
    let at = 0;
    for (const part of this.#pending) {
      samples.set(part, at);
      at += part.length;
    }
    this.#pending = [];
    const audio = toBase64(encode(samples, this.#input));
    this.#transmit({ type: 'input_audio_buffer.append', audio });
  }

  #transmit(event: WireEvent): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.#lost(1013, 'The network takes no more.');
      return;
    }
    this.#socket.send(JSON.stringify(event));
  }

  #noteError(error: { code?: string | null; message?: string } | undefined): void {
    const detail = error?.message ?? '';
    const code = error?.code ?? null;
    const kind = code === 'invalid_api_key' ? 'secret-expired' : 'protocol';
    this.#lastError = new VoiceError(kind, { detail, code });
  }

  #closeError(code: number, reason: string): VoiceError {
    const detail = reason || this.#lastError?.detail || `The connection closed with code ${code}.`;
    if (code === 3000) return new VoiceError('secret-expired', { detail });
    if (code === TAKEN_OVER) return new VoiceError('taken-over', { detail });
    if (this.#lastError?.code === UNKNOWN_TOKEN) {
      return new VoiceError('server-away', { detail, code: UNKNOWN_TOKEN });
    }
    if (code >= 4000) {
      return new VoiceError('protocol', { detail, code: this.#lastError?.code ?? null });
    }
    return new VoiceError('server-away', { detail });
  }

  #lost(code: number, reason: string): void {
    if (this.#isClosed) return;
    const error = this.#closeError(code, reason);
    const player = this.#player;
    this.#player = null;
    this.close();
    this.#player = player; // For `releasePlayer`: what is here plays on.
    // 1000: the server ended it on purpose.
    this.#listener.lost(error, code !== 1000 && error.kind === 'server-away');
  }
}
