/** All that events and playback tell of a conversation, put together. Without I/O. */

import { type ActivityState, afterActivity, afterWaiting, QUIET } from './activity';
import type { Heard } from './audio/player';
import { CaptionPace, lengthIn, msOf, wordEnd } from './captions';
import {
  afterEvent,
  afterLoss,
  bounded,
  heardUpTo,
  heardWhole,
  type Items,
  interruptedAt,
  resumed,
  withToolOutput,
} from './conversation';
import type { Limits } from './options';
import type { ServerEvent, WireItem, WireSession } from './protocol';
import type { MessageItem, Usage } from './snapshot';
import type { ToolOutput } from './tools';
import { afterTurnEvent, byId, byResponse, marked, sent, type Turns, used } from './turns';
import { costOf, NO_USAGE, sum, usageOf } from './usage';

interface Answer {
  responseId: string;
  itemIds: string[];
  /** When the server began to play it, or what it plays before it (WebRTC). */
  soundedAtMs: number | null;
  isDone: boolean;
}

/**
 * Without sound for so long in mid-answer the connection may be gone. Servers that have nothing to
 * say send a packet every 400 ms.
 */
const STALLED_MS = 650;
/** Answers whose sound may still be on its way. */
const MAX_ANSWERS = 16;

export class Dialogue {
  items: Items = [];
  turns: Turns = [];
  usage: Usage = NO_USAGE;
  activity: ActivityState = QUIET;
  session: WireSession | null = null;
  /** Since when the agent's sound has stopped coming in mid-answer. */
  stalledSinceMs: number | null = null;
  /** Ids of items that the server has told of. */
  readonly announced = new Set<string>();
  readonly #limits: Pick<Limits, 'items' | 'turns' | 'images'>;
  /** How much of an item's sound is here to be played; null where the server plays. */
  readonly #pushedMs: (itemId: string) => number | null;
  /** How much of an answer was heard already, of what is told again. */
  readonly #heardBeforeMs: (responseId: string) => number;
  readonly #paces = new Map<string, CaptionPace>();
  #answers: Answer[] = [];
  #speechStartMs: number | null = null;

  constructor(
    limits: Pick<Limits, 'items' | 'turns' | 'images'>,
    pushedMs: (itemId: string) => number | null,
    heardBeforeMs: (responseId: string) => number = () => 0,
  ) {
    this.#limits = limits;
    this.#pushedMs = pushedMs;
    this.#heardBeforeMs = heardBeforeMs;
  }

  get isStalled(): boolean {
    return this.stalledSinceMs !== null;
  }

  receive(event: ServerEvent, atMs: number): void {
    this.items = afterEvent(this.items, event, atMs);
    const turnDetection = this.session?.audio?.input?.turn_detection;
    this.activity = afterActivity(this.activity, event, turnDetection, atMs);
    const { unansweredItemId } = this.activity;
    this.turns =
      unansweredItemId !== null && 'item_id' in event && event.item_id === unansweredItemId
        ? this.turns.filter((turn) => turn.id !== unansweredItemId)
        : afterTurnEvent(this.turns, event, turnDetection, atMs);
    this.#also(event, atMs);
    this.#bound();
  }

  /** "Cannot update a conversation's voice if assistant audio is present." */
  hasSpokenUnlike(voice: string | undefined): boolean {
    if (voice === undefined || voice === this.session?.audio?.output?.voice) return false;
    return this.items.some(
      (item) => item.type === 'message' && item.role === 'assistant' && item.source === 'spoken',
    );
  }

  /** What the user typed or showed, before the server has it. */
  add(item: WireItem & { id: string }, atMs: number): void {
    this.items = afterEvent(this.items, { type: 'conversation.item.added', item }, atMs);
    this.turns = sent(this.turns, item.id, 'text', atMs);
    this.#bound();
  }

  answeredTool({ callId, output, failed }: ToolOutput): void {
    this.items = withToolOutput(this.items, callId, output, failed);
  }

  /** An answer was asked for, after tools (`cause`) or by anything else. */
  asked(cause: 'tool' | null, id: string, atMs: number): void {
    if (cause) this.turns = sent(this.turns, id, cause, atMs);
    this.activity = { ...this.activity, awaitedSinceMs: atMs };
  }

  notAwaited(): void {
    this.activity = { ...this.activity, awaitedSinceMs: null };
  }

  setUserSpeaking(userSpeaking: boolean): void {
    this.activity = { ...this.activity, userSpeaking };
  }

  /** The user held push-to-talk that long. */
  addInputSeconds(seconds: number): void {
    this.usage = sum(this.usage, { inputAudioSeconds: seconds });
  }

  playbackStarted(itemId: string, atMs: number): void {
    this.activity = { ...this.activity, isAudible: true };
    const answer = this.#answerOf(itemId);
    if (answer) this.turns = marked(this.turns, byResponse(answer.responseId), 'firstAudio', atMs);
  }

  playbackAt({ itemId, heardMs }: Heard): void {
    const length = this.#lengthAt(itemId, heardMs);
    if (length !== null) this.items = heardUpTo(this.items, itemId, length);
  }

  /** `isLast`: nothing else waits to be played. */
  playbackEnded({ itemId, heardMs }: Heard, isLast: boolean, atMs: number): void {
    this.items = heardWhole(this.items, itemId);
    this.#paces.delete(itemId);
    if (isLast) this.activity = { ...this.activity, isAudible: false };
    const answer = this.#answerOf(itemId);
    this.#addOutputSeconds(answer?.responseId, heardMs / 1000);
    if (isLast && answer?.isDone) {
      this.turns = marked(this.turns, byResponse(answer.responseId), 'heard', atMs);
    }
  }

  /** Playback was stopped here; this much was heard of what that cut. */
  interrupted(heard: readonly Heard[], atMs: number): void {
    for (const { itemId, heardMs } of heard) {
      this.items = interruptedAt(this.items, itemId, this.#lengthAt(itemId, heardMs) ?? 0);
      this.#paces.delete(itemId);
      const answer = this.#answerOf(itemId);
      if (answer) {
        this.turns = marked(this.turns, byResponse(answer.responseId), 'interrupted', atMs);
      }
      this.#addOutputSeconds(answer?.responseId, heardMs / 1000);
    }
    this.activity = { ...this.activity, isAudible: false };
  }

  /**
   * Time goes by: words are said that nobody counts (WebRTC), as far as sound came to be played.
   * `soundAtMs`: when it last did; null: this cannot be told. True if anything changed.
   */
  tick(atMs: number, soundAtMs: number | null): boolean {
    const { items, activity, isStalled } = this;
    this.activity = afterWaiting(activity, atMs);
    const answer = this.#sounding;
    if (answer?.soundedAtMs) {
      const untilMs = Math.max(answer.soundedAtMs, soundAtMs ?? atMs);
      this.#stall(answer, atMs - untilMs > STALLED_MS, atMs);
      this.#estimate(answer, untilMs - answer.soundedAtMs);
    } else {
      this.stalledSinceMs = null;
    }
    return items !== this.items || activity !== this.activity || isStalled !== this.isStalled;
  }

  /** The connection is gone. True if an answer was still to come. */
  lost(): boolean {
    const { awaitedSinceMs, responseId } = this.activity;
    this.items = afterLoss(this.items);
    this.activity = QUIET;
    this.#answers = [];
    this.#paces.clear();
    this.#speechStartMs = null;
    this.stalledSinceMs = null;
    return awaitedSinceMs !== null || responseId !== null;
  }

  clear(): void {
    this.lost();
    this.items = [];
    this.turns = [];
    this.usage = NO_USAGE;
    this.announced.clear();
  }

  #also(event: ServerEvent, atMs: number): void {
    switch (event.type) {
      case 'session.created':
        this.session = event.session;
        this.#back(atMs);
        break;
      case 'session.updated':
        this.session = event.session;
        break;
      case 'conversation.item.added':
        if (event.item.id) this.announced.add(event.item.id);
        break;
      case 'input_audio_buffer.speech_started':
        this.#speechStartMs = event.audio_start_ms;
        break;
      case 'input_audio_buffer.speech_stopped':
        this.#addSpeech(event.item_id, event.audio_end_ms);
        break;
      case 'response.created':
        this.#answers.push({
          responseId: event.response.id,
          itemIds: [],
          soundedAtMs: null,
          isDone: false,
        });
        this.#answers = this.#answers.slice(-MAX_ANSWERS);
        break;
      case 'response.output_item.added':
        if (event.item.type === 'message' && event.item.id) {
          this.#answer(event.response_id)?.itemIds.push(event.item.id);
        }
        break;
      case 'response.output_audio_transcript.delta':
        this.#arrived(event.item_id);
        break;
      case 'output_audio_buffer.started': {
        const answer = this.#answer(event.response_id);
        if (answer) answer.soundedAtMs = atMs - this.#heardBeforeMs(answer.responseId);
        break;
      }
      case 'output_audio_buffer.stopped':
      case 'output_audio_buffer.cleared':
        this.#sounded(event.response_id, event.type === 'output_audio_buffer.stopped', atMs);
        break;
      case 'antiphon.cost':
        this.usage = sum(this.usage, costOf(event));
        break;
      case 'response.done':
        if (event.response.usage) this.usage = sum(this.usage, usageOf(event.response.usage));
        this.#done(event.response.id, event.response.status === 'cancelled', atMs);
        break;
    }
  }

  #done(responseId: string, isCancelled: boolean, atMs: number): void {
    const answer = this.#answer(responseId);
    if (!answer) return;
    answer.isDone = true;
    let waits = false;
    for (const itemId of answer.itemIds) {
      const message = this.#message(itemId);
      if (message?.source !== 'spoken') continue;
      const pushedMs = this.#pushedMs(itemId);
      const isWaiting =
        pushedMs === null ? !isCancelled || answer.soundedAtMs !== null : pushedMs > 0;
      waits ||= isWaiting;
      // The player will say so in a moment; nobody is listening to the user's silence meanwhile.
      if (pushedMs) this.activity = { ...this.activity, isAudible: true };
      if (isWaiting) continue;
      // Nothing of it will sound any more.
      this.items = isCancelled
        ? interruptedAt(this.items, itemId, message.heard.length)
        : heardWhole(this.items, itemId);
    }
    const isHeard = !waits && !isCancelled && answer.itemIds.length > 0;
    if (isHeard) this.turns = marked(this.turns, byResponse(responseId), 'heard', atMs);
  }

  /** The server has played an answer, or cut it off. */
  #sounded(responseId: string, isWhole: boolean, atMs: number): void {
    const answer = this.#answer(responseId);
    if (!answer) return;
    for (const itemId of answer.itemIds) {
      const message = this.#message(itemId);
      if (!message || message.source === 'typed') continue;
      this.items = isWhole
        ? heardWhole(this.items, itemId)
        : interruptedAt(this.items, itemId, message.heard.length);
    }
    if (answer.soundedAtMs !== null) {
      this.#addOutputSeconds(responseId, (atMs - answer.soundedAtMs) / 1000);
    }
    this.#answers = this.#answers.filter((other) => other !== answer);
    // What it was announced behind is heard only now.
    const next = this.#sounding;
    if (next) next.soundedAtMs = atMs;
  }

  /** What did not come is not heard, unless it comes after all. */
  #stall(answer: Answer, isStalled: boolean, atMs: number): void {
    if (isStalled === this.isStalled) return;
    this.stalledSinceMs = isStalled ? atMs : null;
    for (const itemId of answer.itemIds) {
      const message = this.#message(itemId);
      if (!message || message.source === 'typed') continue;
      if (!isStalled) this.items = resumed(this.items, itemId);
      else if (message.heard.length < message.text.length) {
        this.items = interruptedAt(this.items, itemId, message.heard.length);
      }
    }
  }

  /** By another connection the agent goes on from where its sound was lost. */
  #back(atMs: number): void {
    const answer = this.#sounding;
    if (answer?.soundedAtMs == null || this.stalledSinceMs === null) return;
    answer.soundedAtMs += atMs - this.stalledSinceMs + STALLED_MS;
  }

  #estimate(answer: Answer, elapsedMs: number): void {
    let leftMs = elapsedMs;
    for (const itemId of answer.itemIds) {
      const message = this.#message(itemId);
      if (!message || leftMs <= 0) return;
      const length = wordEnd(message.text, lengthIn(leftMs, this.#speed));
      this.items = heardUpTo(this.items, itemId, length);
      leftMs -= msOf(message.text.length, this.#speed);
    }
  }

  #arrived(itemId: string): void {
    const pushedMs = this.#pushedMs(itemId);
    const message = this.#message(itemId);
    if (pushedMs === null || !message) return;
    const pace = this.#paces.get(itemId) ?? new CaptionPace(this.#speed);
    this.#paces.set(itemId, pace);
    pace.arrived(message.text.length, pushedMs);
  }

  #lengthAt(itemId: string, heardMs: number): number | null {
    const message = this.#message(itemId);
    if (!message) return null;
    return this.#paces.get(itemId)?.lengthAt(message.text, heardMs) ?? null;
  }

  #addSpeech(itemId: string, endMs: number): void {
    if (this.#speechStartMs === null) return;
    const inputAudioSeconds = Math.max(0, endMs - this.#speechStartMs) / 1000;
    this.#speechStartMs = null;
    this.usage = sum(this.usage, { inputAudioSeconds });
    this.turns = used(this.turns, byId(itemId), { inputAudioSeconds });
  }

  #addOutputSeconds(responseId: string | undefined, outputAudioSeconds: number): void {
    this.usage = sum(this.usage, { outputAudioSeconds });
    if (responseId) this.turns = used(this.turns, byResponse(responseId), { outputAudioSeconds });
  }

  get #speed(): number {
    return this.session?.audio?.output?.speed ?? 1;
  }

  #answer(responseId: string): Answer | undefined {
    return this.#answers.find((answer) => answer.responseId === responseId);
  }

  /** What the server plays now: the first of those that it has announced. */
  get #sounding(): Answer | undefined {
    return this.#answers.find((answer) => answer.soundedAtMs !== null);
  }

  #answerOf(itemId: string): Answer | undefined {
    return this.#answers.find((answer) => answer.itemIds.includes(itemId));
  }

  #message(itemId: string): MessageItem | undefined {
    const item = this.items.findLast((other) => other.id === itemId);
    return item?.type === 'message' ? item : undefined;
  }

  #bound(): void {
    this.items = bounded(this.items, this.#limits.items, this.#limits.images);
    if (this.turns.length > this.#limits.turns) this.turns = this.turns.slice(-this.#limits.turns);
    if (this.#paces.size > MAX_ANSWERS) {
      const [oldest] = this.#paces.keys();
      if (oldest) this.#paces.delete(oldest);
    }
  }
}
