/** What this side sends: messages, requests for answers, interruptions. */

import type { Connection } from './connection/connection';
import type { Dialogue } from './dialogue';
import { newId } from './ids';
import type { WireContent, WireError, WireEvent } from './protocol';
import type { ToolOutput } from './tools';

/** The events that we send on our own account; their refusal is nobody's concern. */
const OWN = 'own_';
const ANSWER = 'answer_';

export interface ExchangeOwner {
  connection(): Connection | null;
  /** The connection has been told all, and takes requests. */
  isOpen(): boolean;
  /** Answers are wanted in writing. */
  isText(): boolean;
  sent(event: WireEvent): void;
  changed(): void;
}

export class Exchange {
  /** An answer is to be asked for as soon as that is possible. */
  owesAnswer = false;
  readonly #dialogue: Dialogue;
  readonly #owner: ExchangeOwner;

  constructor(dialogue: Dialogue, owner: ExchangeOwner) {
    this.#dialogue = dialogue;
    this.#owner = owner;
  }

  send(event: WireEvent): void {
    const connection = this.#owner.connection();
    if (!connection) return;
    this.#owner.sent(event);
    connection.send(event);
  }

  /** Sends what may be refused without a word to anybody. */
  sendOwn(event: WireEvent): void {
    this.send({ event_id: newId(`${OWN}event`), ...event });
  }

  isOwn(error: WireError): boolean {
    return error.event_id?.startsWith(OWN) ?? false;
  }

  say(content: WireContent[], respond: boolean): void {
    const { isAudible, responseId } = this.#dialogue.activity;
    if (respond && (isAudible || responseId)) this.interrupt();
    const item = { id: newId('msg'), type: 'message', role: 'user' as const, content };
    this.#dialogue.add(item, Date.now());
    this.send({ type: 'conversation.item.create', item });
    if (respond) this.ask(null);
    this.#owner.changed();
  }

  answerTool(output: ToolOutput): void {
    this.#dialogue.answeredTool(output);
    const { callId, output: text } = output;
    const item = { type: 'function_call_output', call_id: callId, output: text };
    this.send({ type: 'conversation.item.create', item });
    this.#owner.changed();
  }

  /** An answer, now or when what is being said has ended. */
  ask(cause: 'tool' | null): void {
    if (cause) this.#dialogue.asked(cause, newId(cause), Date.now());
    this.owesAnswer = true;
    this.settle();
  }

  /** Asks for the answer that is owed, if that is possible now. */
  settle(): void {
    const isFree = this.#owner.isOpen() && !this.#dialogue.activity.responseId;
    if (this.owesAnswer && isFree) this.respond({});
  }

  respond(response: Record<string, unknown>): void {
    const modalities = this.#owner.isText() ? { output_modalities: ['text'] } : {};
    this.owesAnswer = false;
    this.#dialogue.asked(null, '', Date.now());
    this.send({
      type: 'response.create',
      event_id: newId(`${ANSWER}request`),
      response: { ...modalities, ...response },
    });
    this.#owner.changed();
  }

  /** A request was refused. */
  refused({ code, event_id }: WireError): void {
    if (event_id?.startsWith(ANSWER)) this.#dialogue.notAwaited();
    // It is asked for again when the one that runs is done.
    if (code === 'conversation_already_has_active_response') this.owesAnswer = true;
  }

  interrupt(): void {
    const { responseId } = this.#dialogue.activity;
    if (responseId) this.sendOwn({ type: 'response.cancel', response_id: responseId });
    this.#dialogue.notAwaited();
    this.owesAnswer = false;
    void this.stopPlayback();
  }

  /** Silence; and where this side plays, the server is told what was heard. */
  async stopPlayback(): Promise<void> {
    const connection = this.#owner.connection();
    const heard = (await connection?.stopPlayback()) ?? [];
    if (connection !== this.#owner.connection()) return;
    if (connection?.kind === 'websocket') this.#dialogue.playbackStopped(heard, Date.now());
    for (const { itemId, heardMs } of heard) {
      this.sendOwn({
        type: 'conversation.item.truncate',
        item_id: itemId,
        content_index: 0,
        audio_end_ms: Math.floor(heardMs),
      });
    }
    this.#owner.changed();
  }
}
