/** One conversation with a Realtime server, by voice and by text. */

import { levelOf } from './audio/levels';
import { Microphone } from './audio/microphone';
import type { Connection, ConnectionListener } from './connection/connection';
import { openConnection } from './connection/connector';
import { Dialogue } from './dialogue';
import { asVoiceError, VoiceError } from './errors';
import { Emitter } from './events';
import { newId } from './ids';
import { fitted } from './images';
import { EventLog, type LogEntry } from './log';
import type {
  ClientTool,
  Limits,
  MicrophoneOptions,
  Mode,
  SessionSettings,
  VoiceSessionOptions,
} from './options';
import type { ServerEvent, WireContent, WireError, WireEvent } from './protocol';
import { type QualitySample, qualityBetween } from './quality';
import { delayMs, RECONNECT, restoring } from './reconnect';
import { Recording } from './recording';
import { firstSession, merge, sessionOf, wireTools } from './settings';
import type { Snapshot, ToolCallItem } from './snapshot';
import { SnapshotStore } from './store';
import { ToolRunner } from './tools';

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
const QUALITY_MS = 2000;
/** Speech is on its way for so long when the talk button is let go (WebRTC). */
const RELEASE_MS = 150;
/** A shorter press was a slip: the server wants 100 ms of speech. */
const SHORTEST_PRESS_MS = 150;
/** Failed answers in a row after which speech is given up. */
const ENGINE_FAILURES = 2;
/** What the server says before it closes: the close tells of it. */
const CLOSING = new Set(['session_expired', 'invalid_api_key']);
/** The events that we send on our own account; their refusal is nobody's concern. */
const OWN = 'own_';

export class RealtimeVoiceSession {
  readonly log: EventLog;
  #options: VoiceSessionOptions;
  #settings: SessionSettings | null;
  readonly #limits: Limits;
  readonly #emitter = new Emitter<SessionEvents>();
  readonly #dialogue: Dialogue;
  readonly #store: SnapshotStore;
  readonly #tools: ToolRunner;
  #connection: Connection | null = null;
  #hasAudio = true;
  #microphone: Microphone | null = null;
  #recording: Recording | null = null;
  /** Ends whatever waits when the session is closed. */
  #life = new AbortController();
  #timers: ReturnType<typeof setInterval>[] = [];
  #sample: QualitySample | null = null;
  /** An answer is to be asked for as soon as that is possible. */
  #owesAnswer = false;
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
    this.#store = new SnapshotStore(this.#dialogue, options.mode ?? 'voice', (snapshot) =>
      this.#emitter.emit('change', snapshot),
    );
    this.#tools = new ToolRunner(
      (output) => {
        this.#dialogue.answeredTool(output);
        const { callId, output: text } = output;
        const item = { type: 'function_call_output', call_id: callId, output: text };
        this.#send({ type: 'conversation.item.create', item });
        this.#store.update();
      },
      () => this.#ask('tool'),
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
    return this.#microphone?.analyser ?? null;
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
    this.#life = new AbortController();
    const { signal } = this.#life;
    this.#store.update({ phase: 'connecting', error: null });
    try {
      if (mode === 'voice') await this.#openMicrophone(signal);
      await this.#establish(signal);
    } catch (reason) {
      if (signal.aborted) return;
      const error = asVoiceError(reason, 'server-away');
      this.#end(error);
      throw error;
    }
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
    if (this.#store.own.phase !== 'open') return;
    this.#drop();
    await this.#reconnect(null);
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
    if (text.trim()) this.#say([{ type: 'input_text', text }], respond);
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
    this.#say([...(text.trim() ? [{ type: 'input_text', text }] : []), picture], respond);
  }

  /** Asks for an answer, with settings for it alone. */
  respond(response: Record<string, unknown> = {}): void {
    const modalities = this.#isText ? { output_modalities: ['text'] } : {};
    this.#owesAnswer = false;
    this.#dialogue.asked(null, '', Date.now());
    this.#send({
      type: 'response.create',
      event_id: newId('respond'),
      response: { ...modalities, ...response },
    });
    this.#store.update();
  }

  /** Stops the agent; of its words it keeps what was heard. */
  interrupt(): void {
    const { responseId } = this.#dialogue.activity;
    if (responseId) this.#send(own({ type: 'response.cancel', response_id: responseId }));
    this.#dialogue.notAwaited();
    this.#owesAnswer = false;
    void this.#stopPlayback();
  }

  /** Any client event, as the protocol spells it. */
  send(event: WireEvent): void {
    this.#send(event);
  }

  // Talking.

  pressToTalk(): void {
    if (this.#pressedAtMs !== null || this.#store.own.phase !== 'open') return;
    this.#pressedAtMs = Date.now();
    if (this.#dialogue.activity.isAudible || this.#dialogue.activity.responseId) this.interrupt();
    this.#send({ type: 'input_audio_buffer.clear' });
    this.#dialogue.setUserSpeaking(true);
    this.#store.update({ pressed: true });
    this.#gate();
  }

  releaseToTalk(): void {
    if (this.#pressedAtMs === null) return;
    const heldMs = Date.now() - this.#pressedAtMs;
    const isSlip = heldMs < SHORTEST_PRESS_MS;
    const finish = () => {
      this.#pressedAtMs = null;
      if (isSlip) this.#send({ type: 'input_audio_buffer.clear' });
      else this.#send({ type: 'input_audio_buffer.commit', event_id: newId(`${OWN}commit`) });
      this.#gate();
      if (!isSlip) this.#ask(null);
    };
    this.#dialogue.setUserSpeaking(false);
    if (!isSlip) this.#dialogue.addInputSeconds(heldMs / 1000);
    this.#store.update({ pressed: false });
    if (this.#connection?.kind === 'webrtc') this.#later(finish, RELEASE_MS);
    else finish();
  }

  setMuted(muted: boolean): void {
    this.#store.update({ muted });
    this.#gate();
  }

  /** Text lets the microphone go; voice asks for it, and throws a VoiceError without it. */
  async setMode(mode: Mode): Promise<void> {
    this.#failures = 0;
    this.#store.update({ mode });
    if (mode === 'text') {
      await this.#useMicrophone(null);
      return;
    }
    if (this.#store.own.phase !== 'open') return;
    const { signal } = this.#life;
    if (!this.#microphone) await this.#openMicrophone(signal);
    if (signal.aborted) return;
    const { error } = this.#store.own;
    if (!this.#microphone) throw error ?? new VoiceError('media-failed');
    if (!this.#hasAudio) {
      this.#drop();
      await this.#reconnect(null);
    }
  }

  /** Another device or other processing, at once where the microphone is on. */
  async setMicrophone(options: MicrophoneOptions): Promise<void> {
    this.#options = { ...this.#options, microphone: options };
    if (this.#microphone) await this.#openMicrophone(this.#life.signal);
  }

  /** To be called in a click or a key press. Throws: VoiceError `autoplay-blocked`. */
  async resumeAudio(): Promise<void> {
    await Promise.all([this.#connection?.resumeAudio(), this.#microphone?.resume()]);
    const { error } = this.#store.own;
    const isSolved = error?.kind === 'autoplay-blocked';
    this.#store.update({ audioBlocked: false, ...(isSolved ? { error: null } : {}) });
  }

  // Settings.

  updateSession(settings: SessionSettings): void {
    this.#settings = merge(this.#settings ?? {}, settings) as SessionSettings;
    if (settings.turnDetection) this.#settings.turnDetection = settings.turnDetection;
    this.#send({ type: 'session.update', session: { type: 'realtime', ...sessionOf(settings) } });
    this.#gate();
  }

  setTools(tools: readonly ClientTool[]): void {
    this.#options = { ...this.#options, tools };
    this.#tools.setTools(tools);
    const session = { type: 'realtime', tools: wireTools(tools) };
    if (this.#settings) this.#send({ type: 'session.update', session });
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

  async #establish(signal: AbortSignal): Promise<void> {
    const opened = await openConnection(this.#options, this.#listener(signal), signal, (error) =>
      this.#report(error),
    );
    const { connection, hasAudio } = opened;
    if (signal.aborted) {
      connection.close();
      throw new VoiceError('server-away');
    }
    this.#connection = connection;
    this.#hasAudio = hasAudio;
    this.#introduce(connection);
    // Only now: what is said must come after what was said.
    await this.#attachMicrophone();
    if (this.#connection !== connection) return;
    this.#startTimers();
    this.#store.update({
      phase: 'open',
      transport: connection.kind,
      callId: connection.callId,
      ...(this.#store.own.error?.kind === 'server-away' ? { error: null } : {}),
    });
    if (this.#owesAnswer) this.respond();
  }

  /** Tells a new connection the settings and the conversation so far. */
  #introduce(connection: Connection): void {
    if (this.#settings) {
      const session = firstSession(this.#settings, {
        tools: this.#options.tools ?? [],
        codec: this.#options.codec ?? 'opus',
        transport: connection.kind,
      });
      this.#send({ type: 'session.update', session: { type: 'realtime', ...session } });
    }
    for (const event of restoring(this.#dialogue.items, connection.maxMessageBytes / 2))
      this.#send(event);
  }

  #listener(signal: AbortSignal): ConnectionListener {
    const unless = (act: () => void) => {
      if (!signal.aborted) act();
    };
    return {
      received: (event) => unless(() => this.#receive(event)),
      lost: (error, canRetry) => unless(() => this.#lost(error, canRetry)),
      silent: (error) => unless(() => this.#silent(error)),
      playbackStarted: (itemId) => {
        this.#dialogue.playbackStarted(itemId, Date.now());
        this.#store.update();
      },
      playbackAt: (heard) => {
        this.#dialogue.playbackAt(heard);
        this.#store.update();
      },
      playbackEnded: (heard, isLast) => {
        this.#dialogue.playbackEnded(heard, isLast, Date.now());
        this.#store.update();
      },
    };
  }

  #lost(error: VoiceError, canRetry: boolean): void {
    this.#drop();
    if (!canRetry || this.#options.reconnect === false) {
      this.#end(error);
      return;
    }
    this.#reconnect(error).catch(() => {});
  }

  /** Tries until it works or has been tried often enough. `error`: why; null: it was asked for. */
  async #reconnect(error: VoiceError | null): Promise<void> {
    const { signal } = this.#life;
    const options = { ...RECONNECT, ...(this.#options.reconnect || {}) };
    this.#store.update({ phase: 'reconnecting' });
    if (error) this.#report(error);
    let failure = error;
    for (let attempt = 0; attempt < options.maxAttempts; attempt++) {
      if (error || attempt) await this.#pause(delayMs(attempt, options, Math.random()));
      if (signal.aborted) return;
      try {
        await this.#establish(signal);
        return;
      } catch (reason) {
        if (signal.aborted) return;
        failure = asVoiceError(reason, 'server-away');
        if (failure.kind === 'secret-expired' || failure.kind === 'protocol') break;
      }
    }
    failure ??= new VoiceError('server-away');
    this.#end(failure);
    throw failure;
  }

  /** The connection goes; the microphone and the conversation stay. */
  #drop(): void {
    this.#stopTimers();
    this.#connection?.close();
    this.#connection = null;
    this.#pressedAtMs = null;
    if (this.#dialogue.lost()) this.#owesAnswer = true;
    this.#tools.release();
    this.#store.update({ transport: null, callId: null, quality: null, pressed: false });
  }

  #end(error: VoiceError | null): void {
    const isNew = error !== null && error !== this.#store.own.error;
    this.#life.abort();
    this.#drop();
    this.#owesAnswer = false;
    this.#tools.stop();
    this.#microphone?.close();
    this.#microphone = null;
    this.#recording?.finish();
    const patch = { phase: 'closed', microphone: 'off', audioBlocked: false, error } as const;
    this.#store.update(patch);
    if (isNew) this.#emitter.emit('error', error);
  }

  // Inside: the microphone.

  /** Without one the conversation is `text-only`; the error says why. */
  async #openMicrophone(signal: AbortSignal): Promise<void> {
    const isFirst = !this.#microphone;
    if (isFirst) this.#store.update({ microphone: 'asking' });
    try {
      const microphone = await Microphone.open(this.#options.microphone ?? {});
      if (signal.aborted || this.#store.own.mode !== 'voice') {
        microphone.close();
        return;
      }
      microphone.onLost = () => {
        this.#report(new VoiceError('no-device', { detail: 'The microphone has gone.' }));
        void this.#useMicrophone(null);
      };
      await this.#useMicrophone(microphone);
    } catch (reason) {
      if (signal.aborted) return;
      this.#report(asVoiceError(reason, 'media-failed'));
      if (isFirst) this.#store.update({ microphone: 'off' });
    }
  }

  async #useMicrophone(microphone: Microphone | null): Promise<void> {
    const old = this.#microphone;
    this.#microphone = microphone;
    this.#gate();
    const { error } = this.#store.own;
    const isSolved =
      microphone && ['microphone-denied', 'no-device', 'media-failed'].includes(error?.kind ?? '');
    this.#store.update({
      microphone: microphone ? 'on' : 'off',
      ...(isSolved ? { error: null } : {}),
    });
    await this.#attachMicrophone();
    if (old !== microphone) old?.close();
  }

  async #attachMicrophone(): Promise<void> {
    this.#gate();
    try {
      await this.#connection?.setMicrophone(this.#microphone);
    } catch (reason) {
      this.#report(asVoiceError(reason, 'media-failed'));
      this.#microphone?.close();
      this.#microphone = null;
      this.#store.update({ microphone: 'off' });
    }
    this.#followRecording();
  }

  /** Lets the microphone through, or not. */
  #gate(): void {
    const { muted } = this.#store.own;
    const isByHand = this.#settings?.turnDetection === null;
    const isOpen = !isByHand || this.#pressedAtMs !== null;
    if (this.#microphone) this.#microphone.enabled = isOpen && !muted;
    if (this.#connection) this.#connection.transmitting = isOpen;
  }

  #followRecording(): void {
    const agent = this.#connection?.outputStream ?? null;
    if (this.#recording) this.#recording.follow(this.#microphone?.stream ?? null, agent);
  }

  // Inside: events.

  #receive(event: WireEvent): void {
    const atMs = Date.now();
    this.#emitter.emit('event', this.log.add('received', event, atMs));
    try {
      this.#understand(event as unknown as ServerEvent, atMs);
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
        this.#send(own({ type: 'conversation.item.retrieve', item_id: event.item_id }));
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
    void this.#stopPlayback();
  }

  /** Silence; and where this side plays, the server is told what was heard. */
  async #stopPlayback(): Promise<void> {
    const connection = this.#connection;
    const heard = (await connection?.stopPlayback()) ?? [];
    if (connection !== this.#connection) return;
    if (connection?.kind === 'websocket') this.#dialogue.playbackStopped(heard, Date.now());
    for (const { itemId, heardMs } of heard) {
      this.#send(
        own({
          type: 'conversation.item.truncate',
          item_id: itemId,
          content_index: 0,
          audio_end_ms: Math.floor(heardMs),
        }),
      );
    }
    this.#store.update();
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
    if (this.#owesAnswer) this.respond();
  }

  #refused(error: WireError): void {
    const { code = null, message: detail, event_id } = error;
    if (code === 'conversation_already_has_active_response') {
      this.#owesAnswer = true;
      return;
    }
    if (event_id?.startsWith('respond_')) this.#dialogue.notAwaited();
    if (event_id?.startsWith(OWN) || CLOSING.has(code ?? '')) return;
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

  // Inside: sending.

  get #isText(): boolean {
    return this.#store.own.mode === 'text' || !this.#hasAudio;
  }

  #say(content: WireContent[], respond: boolean): void {
    const { isAudible, responseId } = this.#dialogue.activity;
    if (respond && (isAudible || responseId)) this.interrupt();
    const item = { id: newId('msg'), type: 'message', role: 'user' as const, content };
    this.#dialogue.add(item, Date.now());
    this.#send({ type: 'conversation.item.create', item });
    if (respond) this.#ask(null);
    this.#store.update();
  }

  /** An answer, now or when what is being said has ended. */
  #ask(cause: 'tool' | null): void {
    if (cause) this.#dialogue.asked(cause, newId(cause), Date.now());
    this.#owesAnswer = true;
    if (this.#store.own.phase === 'open' && !this.#dialogue.activity.responseId) this.respond();
  }

  #send(event: WireEvent): void {
    if (!this.#connection) return;
    if (event.type !== 'input_audio_buffer.append') {
      this.#emitter.emit('event', this.log.add('sent', event, Date.now()));
    }
    this.#connection.send(event);
  }

  // Inside: time.

  #startTimers(): void {
    this.#stopTimers();
    this.#timers = [
      setInterval(() => {
        if (this.#dialogue.tick(Date.now())) this.#store.update();
      }, TICK_MS),
      setInterval(() => void this.#measure(), QUALITY_MS),
    ];
    void this.#measure();
  }

  #stopTimers(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#sample = null;
  }

  async #measure(): Promise<void> {
    const connection = this.#connection;
    const sample = await connection?.sample(Date.now()).catch(() => null);
    if (!sample || connection !== this.#connection) return;
    const before = this.#sample;
    this.#sample = sample;
    if (before) this.#store.update({ quality: qualityBetween(before, sample) });
  }

  /** Ends early when the session does. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#life;
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }

  #later(act: () => void, ms: number): void {
    const { signal } = this.#life;
    void this.#pause(ms).then(() => {
      if (!signal.aborted) act();
    });
  }
}

function own(event: WireEvent): WireEvent {
  return { event_id: newId(`${OWN}event`), ...event };
}
