/** One conversation with a Realtime server, by voice and by text. */

import { levelOf } from './audio/levels';
import type { Heard } from './audio/player';
import { Configuration, sessionUpdate } from './configuration';
import type { Connection } from './connection/connection';
import { Dialogue } from './dialogue';
import { VoiceError, type VoiceErrorKind } from './errors';
import { Emitter } from './events';
import { Exchange } from './exchange';
import { fitted } from './images';
import { Inbox } from './inbox';
import { Interruption } from './interruption';
import { Line, type LineOwner } from './line';
import { EventLog } from './log';
import type {
  ClientTool,
  Limits,
  MicrophoneOptions,
  Mode,
  SessionSettings,
  VoiceSessionOptions,
} from './options';
import { Outbox } from './outbox';
import type { WireEvent } from './protocol';
import { restoring, unsent } from './reconnect';
import { Recorder } from './recorder';
import { resumeOf } from './resumption';
import type { SessionEvents } from './session-events';
import { wireTools } from './settings';
import type { Snapshot } from './snapshot';
import { SnapshotStore } from './store';
import { TalkButton } from './talk-button';
import { ToolRunner } from './tools';
import { VoiceInput } from './voice-input';

export type { SessionEvents } from './session-events';

const LIMITS: Limits = {
  items: 500,
  logEntries: 1000,
  turns: 100,
  images: 20,
  recordingSeconds: 3600,
};
const TICK_MS = 100;
/** A session that waits is dialled again, rather than hoped for. */
const GIVE_UP_MS = 600;
/** An answer that the server owes by itself begins sooner. */
const ASK_AGAIN_MS = 1500;
/** That one was asked for is told with what was missed, at once. */
const ASK_SOON_MS = 250;

export class RealtimeVoiceSession {
  readonly log: EventLog;
  readonly #emitter = new Emitter<SessionEvents>();
  readonly #configuration: Configuration;
  readonly #dialogue: Dialogue;
  readonly #store: SnapshotStore;
  readonly #line: Line;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #exchange: Exchange;
  readonly #tools: ToolRunner;
  readonly #recorder: Recorder;
  readonly #input: VoiceInput;
  readonly #button: TalkButton;
  #isUnsure = false;
  /** Something was said when the connection was lost, and may be missing. */
  #mayMiss = false;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #asking: ReturnType<typeof setTimeout> | undefined;

  constructor(options: VoiceSessionOptions = {}) {
    const limits = { ...LIMITS, ...options.limits };
    const emitter = this.#emitter;
    this.log = new EventLog(limits.logEntries);
    const configuration = new Configuration(options);
    const dialogue = new Dialogue(
      limits,
      (itemId) => (this.#line.connection ? this.#line.connection.pushedMs(itemId) : 0),
      (responseId) => this.#line.heardBefore?.responses[responseId] ?? 0,
    );
    // Each knows those before it; only the line calls back, to the one whose it is.
    const store = new SnapshotStore(dialogue, options.mode ?? 'voice', emitter);
    const line = new Line(configuration, store, this.#lineOwner());
    const outbox = new Outbox(line, this.log, emitter);
    const interruption = new Interruption(dialogue, line, outbox, store);
    const exchange = new Exchange(dialogue, line, outbox, store, interruption);
    const recorder = new Recorder(line, store, limits.recordingSeconds);
    const input = new VoiceInput(configuration, line, store, recorder);
    const tools = new ToolRunner(
      (output) => exchange.answerTool(output),
      () => exchange.ask('tool'),
    );
    tools.setTools(options.tools ?? []);
    this.#button = new TalkButton(dialogue, line, outbox, store, exchange, input);
    this.#inbox = new Inbox({
      log: this.log,
      emitter,
      dialogue,
      store,
      interruption,
      exchange,
      recorder,
      input,
      tools,
    });
    this.#configuration = configuration;
    this.#dialogue = dialogue;
    this.#store = store;
    this.#line = line;
    this.#outbox = outbox;
    this.#exchange = exchange;
    this.#recorder = recorder;
    this.#input = input;
    this.#tools = tools;
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
    return this.#line.connection?.outputAnalyser ?? null;
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
    this.#configuration.change(options);
    if (options.tools) this.#tools.setTools(options.tools);
    if (this.#store.own.phase === 'open') await this.#line.renew();
  }

  /** Forgets what was said. A server that is connected goes on knowing it. */
  clearConversation(): void {
    if (!this.#line.connection) this.#line.forget();
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
    const room = (this.#line.connection?.maxMessageBytes ?? 1 << 20) - text.length * 4 - 1000;
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
    this.#outbox.send(event);
  }

  // Talking.

  pressToTalk(): void {
    this.#button.press();
  }

  releaseToTalk(): void {
    this.#button.release();
  }

  setMuted(muted: boolean): void {
    this.#store.update({ muted });
    this.#input.gate();
  }

  /** Text lets the microphone go; voice asks for it, and throws a VoiceError without it. */
  async setMode(mode: Mode): Promise<void> {
    this.#inbox.failures = 0;
    await this.#input.use(mode);
  }

  /** Another device or other processing, at once where the microphone is on. */
  async setMicrophone(options: MicrophoneOptions): Promise<void> {
    this.#configuration.change({ microphone: options });
    if (this.#input.microphone) await this.#input.open(this.#line.signal);
  }

  /** To be called in a click or a key press. Throws: VoiceError `autoplay-blocked`. */
  async resumeAudio(): Promise<void> {
    await Promise.all([this.#line.connection?.resumeAudio(), this.#input.microphone?.resume()]);
    const { error } = this.#store.own;
    const isSolved = error?.kind === 'autoplay-blocked';
    this.#store.update({ audioBlocked: false, ...(isSolved ? { error: null } : {}) });
  }

  // Settings.

  /** Another voice than one that has spoken needs, and gets, a new connection. */
  updateSession(settings: SessionSettings): void {
    const update = this.#configuration.update(settings);
    if (this.#store.own.phase === 'open' && this.#dialogue.hasSpokenUnlike(settings.voice)) {
      // How it ends is in the snapshot.
      this.#line.renew().catch(() => {});
      return;
    }
    this.#outbox.send(update);
    this.#input.gate();
  }

  setTools(tools: readonly ClientTool[]): void {
    this.#configuration.change({ tools });
    this.#tools.setTools(tools);
    if (this.#configuration.hasSettings) {
      this.#outbox.send(sessionUpdate({ tools: wireTools(tools) }));
    }
  }

  // Recording.

  /** Throws: VoiceError `media-failed`. */
  startRecording(): void {
    this.#recorder.start();
  }

  /** Both sides in stereo; null if nothing was recorded. */
  stopRecording(): Promise<Blob | null> {
    return this.#recorder.stop();
  }

  // Inside: connections.

  #lineOwner(): LineOwner {
    const told = (change: () => void) => {
      change();
      this.#store.update();
    };
    return {
      introduce: (connection) => this.#introduce(connection),
      opened: (connection) => this.#opened(connection),
      dropped: () => this.#dropped(),
      away: () => told(() => this.#breakOff()),
      ended: (error) => this.#end(error),
      received: (event) => this.#inbox.receive(event),
      silent: (error) => this.#silent(error),
      playbackStarted: (itemId) => told(() => this.#dialogue.playbackStarted(itemId, Date.now())),
      playbackAt: (heard) => told(() => this.#dialogue.playbackAt(heard)),
      playbackEnded: (heard, isLast) =>
        told(() => this.#dialogue.playbackEnded(heard, isLast, Date.now())),
    };
  }

  /** Tells a new connection what its server does not know: settings, and what was said. */
  async #introduce(connection: Connection): Promise<void> {
    const resume = resumeOf(this.#dialogue.session);
    const continues = resume?.continues;
    const playedOn = continues !== 'session' && connection.kind === 'websocket';
    const heard = playedOn ? await connection.stopPlayback() : [];
    if (continues !== 'session') this.#breakOff();
    const introduction = this.#configuration.introduction(connection.kind);
    if (introduction && continues !== 'session') this.#outbox.send(introduction);
    this.#mayMiss &&= continues !== 'session';
    this.#mayMiss ||= !!resume?.gap;
    const { items, announced } = this.#dialogue;
    const longest = connection.maxMessageBytes / 2;
    if (continues || this.#configuration.options.conversationId) {
      // What the server has kept it need not be told.
      for (const event of unsent(items, announced, longest)) this.#outbox.sendOwn(event);
    } else {
      announced.clear();
      for (const event of restoring(items, longest)) this.#outbox.send(event);
    }
    // Of what this side was playing, a server that has kept it does not know how far it came.
    if (continues === 'conversation') this.#truncate(heard);
    if (continues !== 'session' || resume?.gap) this.#tellWhatWasHeard();
    // Only now: what is said must come after what was said.
    await this.#input.attach();
    this.#recorder.follow();
  }

  /** What this page was saying when it was left is not told again. */
  #tellWhatWasHeard(): void {
    const { items, responses } = this.#line.heardBefore ?? { items: {}, responses: {} };
    this.#mayMiss ||= Object.keys({ ...items, ...responses }).length > 0;
    this.#truncate(Object.entries(items).map(([itemId, heardMs]) => ({ itemId, heardMs })));
  }

  #truncate(heard: Heard[]): void {
    for (const { itemId, heardMs } of heard) {
      this.#outbox.sendOwn({
        type: 'conversation.item.truncate',
        item_id: itemId,
        content_index: 0,
        audio_end_ms: Math.floor(heardMs),
      });
    }
  }

  /** What was under way does not go on. */
  #breakOff(): void {
    const { userSpeaking, isAudible } = this.#dialogue.activity;
    const isAskedAnew = this.#dialogue.lost();
    if (isAskedAnew) this.#exchange.owesAnswer = true;
    this.#mayMiss ||= userSpeaking || (isAudible && !isAskedAnew);
    this.#tools.release();
  }

  #opened(connection: Connection): void {
    this.#ticker = setInterval(() => {
      this.#tick(connection, Date.now());
    }, TICK_MS);
    for (const kind of ['server-away', 'server-busy'] as const) this.#solved(kind);
    this.#solved('connection-unsure');
    if (this.#mayMiss && !this.#line.isRenewed) this.#store.report(new VoiceError('gap'));
    this.#mayMiss = false;
    this.#store.update({
      phase: 'open',
      transport: connection.kind,
      callId: connection.callId,
    });
    this.#exchange.settle();
    if (resumeOf(this.#dialogue.session)?.continues === 'session') {
      const waitMs = this.#exchange.isRequested ? ASK_SOON_MS : ASK_AGAIN_MS;
      this.#asking = setTimeout(() => this.#exchange.askAgain(), waitMs);
    }
  }

  #tick(connection: Connection, atMs: number): void {
    if (this.#dialogue.tick(atMs, connection.soundAtMs(atMs))) this.#store.update();
    const { stalledSinceMs } = this.#dialogue;
    if (stalledSinceMs !== null && atMs - stalledSinceMs > GIVE_UP_MS && this.#line.canComeBack) {
      connection.giveUp();
      return;
    }
    const isUnsure = this.#dialogue.isStalled || connection.isUnsure;
    if (isUnsure === this.#isUnsure) return;
    this.#isUnsure = isUnsure;
    if (isUnsure) this.#store.report(new VoiceError('connection-unsure'));
    else this.#solved('connection-unsure');
  }

  #solved(kind: VoiceErrorKind): void {
    if (this.#store.own.error?.kind === kind) this.#store.update({ error: null });
  }

  /** The microphone and the conversation stay. */
  #dropped(): void {
    clearInterval(this.#ticker);
    clearTimeout(this.#asking);
    this.#isUnsure = false;
    this.#button.drop();
    // Where the server may have the session still, its next word tells.
    if (!this.#line.canComeBack) this.#breakOff();
    this.#store.update({ transport: null, callId: null, quality: null, pressed: false });
  }

  #end(error: VoiceError | null): void {
    const isNew = error !== null && error !== this.#store.own.error;
    this.#line.close();
    this.#mayMiss = false;
    this.#dialogue.lost();
    this.#exchange.owesAnswer = false;
    this.#tools.stop();
    this.#input.close();
    this.#recorder.finish();
    this.#store.update({ phase: 'closed', audioBlocked: false, error });
    if (isNew) this.#emitter.emit('error', error);
  }

  #silent(error: VoiceError): void {
    this.#store.report(error);
    if (error.kind === 'autoplay-blocked') this.#store.update({ audioBlocked: true });
  }
}
