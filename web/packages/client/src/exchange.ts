/** What is said to the agent, and the answers that it owes. */

import type { Dialogue } from './dialogue';
import { newId } from './ids';
import type { Interruption } from './interruption';
import type { Line } from './line';
import type { Outbox } from './outbox';
import type { WireContent, WireError } from './protocol';
import { outputId } from './reconnect';
import type { SnapshotStore } from './store';
import type { ToolOutput } from './tools';

const ANSWER = 'answer_';
const AGAIN = 'again';

export class Exchange {
  /** An answer is to be asked for as soon as that is possible. */
  owesAnswer = false;
  /** One was, and has not begun. */
  isRequested = false;
  readonly #dialogue: Dialogue;
  readonly #line: Line;
  readonly #outbox: Outbox;
  readonly #store: SnapshotStore;
  readonly #interruption: Interruption;

  constructor(
    dialogue: Dialogue,
    line: Line,
    outbox: Outbox,
    store: SnapshotStore,
    interruption: Interruption,
  ) {
    this.#dialogue = dialogue;
    this.#line = line;
    this.#outbox = outbox;
    this.#store = store;
    this.#interruption = interruption;
  }

  say(content: WireContent[], respond: boolean): void {
    if (respond) this.interruptIfBusy();
    const item = { id: newId('msg'), type: 'message', role: 'user' as const, content };
    this.#dialogue.add(item, Date.now());
    this.#outbox.send({ type: 'conversation.item.create', item });
    if (respond) this.ask(null);
    this.#store.update();
  }

  answerTool(output: ToolOutput): void {
    this.#dialogue.answeredTool(output);
    const { callId, output: text } = output;
    const call = this.#dialogue.items.find((i) => i.type === 'tool_call' && i.callId === callId);
    // By an id of ours, so that one that is sent again is known.
    const id = call ? { id: outputId(call.id) } : {};
    const item = { ...id, type: 'function_call_output', call_id: callId, output: text };
    this.#outbox.send({ type: 'conversation.item.create', item });
    this.#store.update();
  }

  /** An answer, now or when what is being said has ended. */
  ask(cause: 'tool' | null): void {
    if (cause) this.#dialogue.asked(cause, newId(cause), Date.now());
    this.owesAnswer = true;
    this.settle();
  }

  /** Asks for the answer that is owed, if that is possible now. */
  settle(): void {
    const isFree = this.#store.own.phase === 'open' && !this.#dialogue.activity.responseId;
    if (this.owesAnswer && isFree) this.respond({});
  }

  /** An answer that was asked for just before the connection was lost may never have been. */
  askAgain(): void {
    const { awaitedSinceMs, responseId, userSpeaking } = this.#dialogue.activity;
    if (awaitedSinceMs === null || responseId || userSpeaking) return;
    this.respond({}, AGAIN);
  }

  /** The server has begun an answer. */
  begun(): void {
    this.isRequested = false;
  }

  respond(response: Record<string, unknown>, mark = 'request'): void {
    const isText = this.#store.own.mode === 'text' || !this.#line.hasAudio;
    const modalities = isText ? { output_modalities: ['text'] } : {};
    this.owesAnswer = false;
    this.isRequested = true;
    this.#dialogue.asked(null, '', Date.now());
    this.#outbox.send({
      type: 'response.create',
      event_id: newId(ANSWER + mark),
      response: { ...modalities, ...response },
    });
    this.#store.update();
  }

  /** A request was refused. */
  refused({ code, event_id }: WireError): void {
    if (event_id?.startsWith(ANSWER)) {
      this.isRequested = false;
      this.#dialogue.notAwaited();
    }
    // The first request had arrived: it is the one that runs.
    if (event_id?.startsWith(ANSWER + AGAIN)) return;
    // It is asked for again when the one that runs is done.
    if (code === 'conversation_already_has_active_response') this.owesAnswer = true;
  }

  interrupt(): void {
    this.owesAnswer = false;
    this.#interruption.byHand();
  }

  interruptIfBusy(): void {
    const { isAudible, responseId } = this.#dialogue.activity;
    if (isAudible || responseId) this.interrupt();
  }
}
