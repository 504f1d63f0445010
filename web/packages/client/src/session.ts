/** One conversation with a Realtime server, by voice and by text. */

import { levelOf } from './audio/levels';
import type { Connection } from './connection/connection';
import { Dialogue } from './dialogue';
import { VoiceError } from './errors';
import { Emitter } from './events';
import { Exchange } from './exchange';
import { fitted } from './images';
import { Line, type LineOwner } from './line';
import { EventLog, type LogEntry } from './log';
import type {
  ClientTool,
  Limits,
  MicrophoneOptions,
  Mode,
  SessionSettings,
  VoiceSessionOptions,
} from './options';
import { known, type ServerEvent, type WireError, type WireEvent } from './protocol';
import { restoring } from './reconnect';
import { Recording } from './recording';
import { firstSession, merge, sessionOf, wireTools } from './settings';
import type { Snapshot, ToolCallItem } from './snapshot';
import { SnapshotStore } from './store';
import { ToolRunner } from './tools';
import { VoiceInput, type VoiceInputOwner } from './voice-input';

export interface SessionEvents {
  change: Snapshot;
  event: LogEntry;
  error: VoiceError;
  /** A call with all its arguments, whether or not a tool here runs. */
  toolCall: ToolCallItem;
}

const LIMITS: Limits = {
  items: 500,
  logEntries: 1000,
  turns: 100,
  images: 20,
  recordingSeconds: 3600,
};
const TICK_MS = 100;
/** Speech is on its way for so long when the talk button is let go (WebRTC). */
const RELEASE_MS = 150;
/** A shorter press was a slip: the server wants 100 ms of speech. */
const SHORTEST_PRESS_MS = 150;
/** Failed answers in a row after which speech is given up. */
const ENGINE_FAILURES = 2;
/** What a microphone that works has put right. */
const MICROPHONE = new Set(['microphone-denied', 'no-device', 'media-failed']);
/** What the server says before it closes, of which the close tells; and what is tried again. */
const UNTOLD = new Set([
  'session_expired',
  'invalid_api_key',
  'conversation_already_has_active_response',
]);

export class RealtimeVoiceSession {
  readonly log: EventLog;
  #options: VoiceSessionOptions;
  #settings: SessionSettings | null;
  readonly #limits: Limits;
  readonly #emitter = new Emitter<SessionEvents>();
  readonly #dialogue: Dialogue;
  readonly #store: SnapshotStore;
  readonly #tools: ToolRunner;
  readonly #exchange: Exchange;
  readonly #line: Line;
  readonly #input: VoiceInput;
  #recording: Recording | null = null;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #pressedAtMs: number | null = null;
  #failures = 0;

  constructor(options: VoiceSessionOptions = {}) {
    this.#options = options;
    this.#settings = options.session === undefined ? {} : options.session;
    this.#limits = { ...LIMITS, ...options.limits };
    this.log = new EventLog(this.#limits.logEntries);
    this.#dialogue = new Dialogue(this.#limits, (itemId) =>
      this.#connection ? this.#connection.pushedMs(itemId) : 0,
    );
    this.#line = new Line(this.#lineOwner());
    this.#input = new VoiceInput(this.#voiceInputOwner());
    this.#store = new SnapshotStore(this.#dialogue, options.mode ?? 'voice', (snapshot) =>
      this.#emitter.emit('change', snapshot),
    );
    this.#exchange = new Exchange(this.#dialogue, {
      connection: () => this.#connection,
      isOpen: () => this.#store.own.phase === 'open',
      isText: () => this.#store.own.mode === 'text' || !this.#line.hasAudio,
      sent: (event) => this.#emitter.emit('event', this.log.add('sent', event, Date.now())),
      changed: () => this.#store.update(),
    });
    this.#tools = new ToolRunner(
      (output) => this.#exchange.answerTool(output),
      () => this.#exchange.ask('tool'),
    );
    this.#tools.setTools(options.tools ?? []);
  }

  // What a page sees.

  getSnapshot = (): Snapshot => this.#store.snapshot;

  subscribe = (listener: () => void): (() => void) => this.#emitter.on('change', listener);

  on<Type extends keyof SessionEvents>(
    type: Type,
    listener: (payload: SessionEvents[Type]) => void,
  ): () => void {
    return this.#emitter.on(type, listener);
  }

  get inputAnalyser(): AnalyserNode | null {
    return this.#input.microphone?.analyser ?? null;
  }

  get outputAnalyser(): AnalyserNode | null {
    return this.#connection?.outputAnalyser ?? null;
  }

  get inputLevel(): number {
    return levelOf(this.inputAnalyser);
  }

  get outputLevel(): number {
    return levelOf(this.outputAnalyser);
  }

  // Its life.

  /** Resolves when one can talk or type. Throws: VoiceError where neither works. */
  async connect(): Promise<void> {
    const { phase, mode } = this.#store.own;
    if (phase !== 'idle' && phase !== 'closed') return;
    await this.#line.open(async (signal) => {
      if (mode === 'voice') await this.#input.open(signal);
    });
  }

  /** Ends it and frees everything. The conversation is kept for the next `connect`. */
  close(): void {
    const { phase, error } = this.#store.own;
    if (phase !== 'idle' && phase !== 'closed') this.#end(error);
  }

  /** Another transport, codec, model or server, with the same conversation. */
  async reconfigure(options: Partial<VoiceSessionOptions>): Promise<void> {
    this.#options = { ...this.#options, ...options };
    if (options.session !== undefined) this.#settings = options.session;
    if (options.tools) this.#tools.setTools(options.tools);
    if (this.#store.own.phase === 'open') await this.#line.renew();
  }

  /** Forgets what was said. A server that is connected goes on knowing it. */
  clearConversation(): void {
    this.#dialogue.clear();
    this.#store.update();
  }

  dismissError(): void {
    this.#store.update({ error: null });
  }

  // Text, pictures, answers.

  /** Without a connection it is kept, and answered once there is one. */
  sendText(text: string, { respond = true }: { respond?: boolean } = {}): void {
    if (text.trim()) this.#exchange.say([{ type: 'input_text', text }], respond);
  }

  /** Throws: VoiceError `protocol` where it is no picture. */
  async sendImage(
    dataUrl: string,
    {
      text = '',
      detail,
      respond = true,
    }: { text?: string; detail?: 'auto' | 'low' | 'high'; respond?: boolean } = {},
  ): Promise<void> {
    const room = (this.#connection?.maxMessageBytes ?? 1 << 20) - text.length * 4 - 1000;
    const image_url = await fitted(dataUrl, room);
    const picture = { type: 'input_image', image_url, ...(detail ? { detail } : {}) };
    this.#exchange.say([...(text.trim() ? [{ type: 'input_text', text }] : []), picture], respond);
  }

  /** Asks for an answer, with settings for it alone. */
  respond(response: Record<string, unknown> = {}): void {
    this.#exchange.respond(response);
  }

  /** Stops the agent; of its words it keeps what was heard. */
  interrupt(): void {
    this.#exchange.interrupt();
  }

  /** Any client event, as the protocol spells it. */
  send(event: WireEvent): void {
    this.#exchange.send(event);
  }

  // Talking.

  pressToTalk(): void {
    if (this.#pressedAtMs !== null || this.#store.own.phase !== 'open') return;
    this.#pressedAtMs = Date.now();
    this.#input.isPressed = true;
    if (this.#dialogue.activity.isAudible || this.#dialogue.activity.responseId) this.interrupt();
    this.#exchange.send({ type: 'input_audio_buffer.clear' });
    this.#dialogue.setUserSpeaking(true);
    this.#store.update({ pressed: true });
    this.#input.gate();
  }

  releaseToTalk(): void {
    if (this.#pressedAtMs === null) return;
    const heldMs = Date.now() - this.#pressedAtMs;
    const isSlip = heldMs < SHORTEST_PRESS_MS;
    const finish = () => {
      // The connection was lost meanwhile.
      if (this.#pressedAtMs === null) return;
      this.#pressedAtMs = null;
      this.#input.isPressed = false;
      const type = isSlip ? 'input_audio_buffer.clear' : 'input_audio_buffer.commit';
      this.#exchange.sendOwn({ type });
      this.#input.gate();
      if (!isSlip) this.#exchange.ask(null);
    };
    this.#dialogue.setUserSpeaking(false);
    if (!isSlip) this.#dialogue.addInputSeconds(heldMs / 1000);
    this.#store.update({ pressed: false });
    if (this.#connection?.kind === 'webrtc') void this.#line.pause(RELEASE_MS).then(finish);
    else finish();
  }

  setMuted(muted: boolean): void {
    this.#store.update({ muted });
    this.#input.gate();
  }

  /** Text lets the microphone go; voice asks for it, and throws a VoiceError without it. */
  async setMode(mode: Mode): Promise<void> {
    this.#failures = 0;
    this.#store.update({ mode });
    if (mode === 'text') {
      await this.#input.release();
      return;
    }
    if (this.#store.own.phase !== 'open') return;
    const { signal } = this.#line;
    if (!this.#input.microphone) await this.#input.open(signal);
    if (signal.aborted) return;
    // Back to text meanwhile.
    if (this.#store.own.mode !== 'voice') return this.#input.release();
    const { error } = this.#store.own;
    if (!this.#input.microphone) throw error ?? new VoiceError('media-failed');
    if (!this.#line.hasAudio) await this.#line.renew();
  }

  /** Another device or other processing, at once where the microphone is on. */
  async setMicrophone(options: MicrophoneOptions): Promise<void> {
    this.#options = { ...this.#options, microphone: options };
    if (this.#input.microphone) await this.#input.open(this.#line.signal);
  }

  /** To be called in a click or a key press. Throws: VoiceError `autoplay-blocked`. */
  async resumeAudio(): Promise<void> {
    await Promise.all([this.#connection?.resumeAudio(), this.#input.microphone?.resume()]);
    const { error } = this.#store.own;
    const isSolved = error?.kind === 'autoplay-blocked';
    this.#store.update({ audioBlocked: false, ...(isSolved ? { error: null } : {}) });
  }

  // Settings.

  /** Another voice than one that has spoken needs, and gets, a new connection. */
  updateSession(settings: SessionSettings): void {
    this.#settings = merge(this.#settings ?? {}, settings) as SessionSettings;
    if (settings.turnDetection) this.#settings.turnDetection = settings.turnDetection;
    if (this.#store.own.phase === 'open' && this.#dialogue.hasSpokenUnlike(settings.voice)) {
      // How it ends is in the snapshot.
      this.#line.renew().catch(() => {});
      return;
    }
    this.#exchange.send({
      type: 'session.update',
      session: { type: 'realtime', ...sessionOf(settings) },
    });
    this.#input.gate();
  }

  setTools(tools: readonly ClientTool[]): void {
    this.#options = { ...this.#options, tools };
    this.#tools.setTools(tools);
    const session = { type: 'realtime', tools: wireTools(tools) };
    if (this.#settings) this.#exchange.send({ type: 'session.update', session });
  }

  // Recording.

  /** Throws: VoiceError `media-failed`. */
  startRecording(): void {
    if (this.#recording && this.#store.own.recording) return;
    this.#recording = new Recording(this.#limits.recordingSeconds, () =>
      this.#store.update({ recording: false }),
    );
    this.#store.update({ recording: true });
    this.#followRecording();
  }

  /** Both sides in stereo; null if nothing was recorded. */
  async stopRecording(): Promise<Blob | null> {
    const recording = this.#recording;
    this.#recording = null;
    return recording ? await recording.blob() : null;
  }

  // Inside: connections.

  get #connection(): Connection | null {
    return this.#line.connection;
  }

  #lineOwner(): LineOwner {
    const told = (change: () => void) => {
      change();
      this.#store.update();
    };
    return {
      options: () => this.#options,
      connecting: () => this.#store.update({ phase: 'connecting', error: null }),
      introduce: (connection) => this.#introduce(connection),
      opened: (connection) => this.#opened(connection),
      reconnecting: () => this.#store.update({ phase: 'reconnecting' }),
      dropped: () => this.#dropped(),
      ended: (error) => this.#end(error),
      report: (error) => this.#report(error),
      measured: (quality) => this.#store.update({ quality }),
      received: (event) => this.#receive(event),
      silent: (error) => this.#silent(error),
      playbackStarted: (itemId) => told(() => this.#dialogue.playbackStarted(itemId, Date.now())),
      playbackAt: (heard) => told(() => this.#dialogue.playbackAt(heard)),
      playbackEnded: (heard, isLast) =>
        told(() => this.#dialogue.playbackEnded(heard, isLast, Date.now())),
    };
  }

  /** Tells a new connection the settings and the conversation so far. */
  async #introduce(connection: Connection): Promise<void> {
    if (this.#settings) {
      const session = firstSession(this.#settings, {
        tools: this.#options.tools ?? [],
        codec: this.#options.codec ?? 'opus',
        transport: connection.kind,
      });
      this.#exchange.send({ type: 'session.update', session: { type: 'realtime', ...session } });
    }
    for (const event of restoring(this.#dialogue.items, connection.maxMessageBytes / 2)) {
      this.#exchange.send(event);
    }
    // Only now: what is said must come after what was said.
    await this.#input.attach();
    this.#followRecording();
  }

  #opened(connection: Connection): void {
    this.#ticker = setInterval(() => {
      if (this.#dialogue.tick(Date.now())) this.#store.update();
    }, TICK_MS);
    const isBack = this.#store.own.error?.kind === 'server-away';
    this.#store.update({
      phase: 'open',
      transport: connection.kind,
      callId: connection.callId,
      ...(isBack ? { error: null } : {}),
    });
    this.#exchange.settle();
  }

  /** The microphone and the conversation stay. */
  #dropped(): void {
    clearInterval(this.#ticker);
    this.#pressedAtMs = null;
    this.#input.isPressed = false;
    if (this.#dialogue.lost()) this.#exchange.owesAnswer = true;
    this.#tools.release();
    this.#store.update({ transport: null, callId: null, quality: null, pressed: false });
  }

  #end(error: VoiceError | null): void {
    const isNew = error !== null && error !== this.#store.own.error;
    this.#line.close();
    this.#exchange.owesAnswer = false;
    this.#tools.stop();
    this.#input.close();
    this.#recording?.finish();
    this.#store.update({ phase: 'closed', audioBlocked: false, error });
    if (isNew) this.#emitter.emit('error', error);
  }

  // Inside: the microphone.

  #voiceInputOwner(): VoiceInputOwner {
    return {
      connection: () => this.#connection,
      options: () => this.#options.microphone ?? {},
      isMuted: () => this.#store.own.muted,
      isByHand: () => this.#settings?.turnDetection === null,
      changed: (microphone) => this.#microphoneChanged(microphone),
      report: (error) => this.#report(error),
    };
  }

  #microphoneChanged(microphone: Snapshot['microphone']): void {
    const isSolved = microphone === 'on' && MICROPHONE.has(this.#store.own.error?.kind ?? '');
    this.#store.update({ microphone, ...(isSolved ? { error: null } : {}) });
    this.#followRecording();
  }

  #followRecording(): void {
    const agent = this.#connection?.outputStream ?? null;
    if (this.#recording) this.#recording.follow(this.#input.microphone?.stream ?? null, agent);
  }

  // Inside: events.

  #receive(event: WireEvent): void {
    const atMs = Date.now();
    this.#emitter.emit('event', this.log.add('received', event, atMs));
    // What is not known is in the log, for whoever listens there, and changes nothing here.
    const understood = known(event);
    if (!understood) return;
    try {
      this.#understand(understood, atMs);
    } catch (cause) {
      this.#report(new VoiceError('protocol', { cause, detail: `In ${event.type}: ${cause}` }));
    }
    this.#store.update();
  }

  #understand(event: ServerEvent, atMs: number): void {
    // First: what it stops counts as interrupted before the server says what it does about it.
    if (event.type === 'input_audio_buffer.speech_started') this.#bargeIn();
    this.#dialogue.receive(event, atMs);
    this.#tools.receive(event);
    switch (event.type) {
      case 'error':
        this.#refused(event.error);
        break;
      case 'conversation.item.truncated':
        // It then has the words that were heard.
        this.#exchange.sendOwn({ type: 'conversation.item.retrieve', item_id: event.item_id });
        break;
      case 'response.output_item.done':
        this.#announceCall(event.item.id);
        break;
      case 'response.done':
        this.#answered(event.response.status_details?.error, event.response.status === 'failed');
        break;
      case 'output_audio_buffer.started':
        this.#followRecording();
        break;
    }
  }

  #bargeIn(): void {
    const detection = this.#dialogue.session?.audio?.input?.turn_detection;
    // Over WebRTC the server does it by itself.
    if (this.#connection?.kind !== 'websocket' || detection?.interrupt_response === false) return;
    void this.#exchange.stopPlayback();
  }

  #announceCall(itemId: string | undefined): void {
    const item = this.#dialogue.items.find((other) => other.id === itemId);
    if (item?.type === 'tool_call') this.#emitter.emit('toolCall', item);
  }

  #answered(error: { code?: string | null; message?: string } | undefined, failed: boolean): void {
    this.#failures = failed ? this.#failures + 1 : 0;
    if (failed) {
      const { message: detail = '', code = null } = error ?? {};
      this.#report(new VoiceError('engine-failed', { detail, code }));
      if (this.#failures === ENGINE_FAILURES) void this.setMode('text');
    } else if (this.#store.own.error?.kind === 'engine-failed') {
      this.#store.update({ error: null });
    }
    this.#exchange.settle();
  }

  #refused(error: WireError): void {
    const { code = null, message: detail } = error;
    this.#exchange.refused(error);
    if (this.#exchange.isOwn(error) || UNTOLD.has(code ?? '')) return;
    this.#report(new VoiceError('protocol', { detail, code }));
  }

  #silent(error: VoiceError): void {
    this.#report(error);
    if (error.kind === 'autoplay-blocked') this.#store.update({ audioBlocked: true });
  }

  #report(error: VoiceError): void {
    this.#store.update({ error });
    this.#emitter.emit('error', error);
  }
}
