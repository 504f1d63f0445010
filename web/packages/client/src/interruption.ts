/** The agent falls silent: by the user's voice, or by hand. Of its words it keeps what was heard. */

import type { Dialogue } from './dialogue';
import type { Line } from './line';
import type { Outbox } from './outbox';
import type { SnapshotStore } from './store';

export class Interruption {
  readonly #dialogue: Dialogue;
  readonly #line: Line;
  readonly #outbox: Outbox;
  readonly #store: SnapshotStore;

  constructor(dialogue: Dialogue, line: Line, outbox: Outbox, store: SnapshotStore) {
    this.#dialogue = dialogue;
    this.#line = line;
    this.#outbox = outbox;
    this.#store = store;
  }

  /** The server hears the user begin to speak; it stops its response by itself. */
  byVoice(): void {
    const detection = this.#dialogue.session?.audio?.input?.turn_detection;
    // Over WebRTC the server does all of it by itself.
    if (!this.#playsHere || detection?.interrupt_response === false) return;
    void this.#silence();
  }

  /** A sound in an answer: as long as nobody knows what it is, the answer goes on more softly. */
  overlaps(isOpen: boolean): void {
    this.#line.connection?.duck(isOpen);
  }

  /** What is being made and what is being said, and no other answer is awaited. */
  byHand(): void {
    const { responseId } = this.#dialogue.activity;
    if (responseId) this.#outbox.sendOwn({ type: 'response.cancel', response_id: responseId });
    this.#dialogue.notAwaited();
    void this.#silence();
  }

  /** The server has cut an item: it then has the words that were heard. */
  truncated(itemId: string): void {
    this.#outbox.sendOwn({ type: 'conversation.item.retrieve', item_id: itemId });
  }

  get #playsHere(): boolean {
    return this.#line.connection?.kind === 'websocket';
  }

  /** Where this side plays, the server is told what was heard: it cannot know. */
  async #silence(): Promise<void> {
    const { connection } = this.#line;
    const heard = (await connection?.stopPlayback()) ?? [];
    this.#line.silenced();
    if (connection !== this.#line.connection) return;
    if (this.#playsHere) this.#dialogue.interrupted(heard, Date.now());
    for (const { itemId, heardMs } of heard) {
      this.#outbox.sendOwn({
        type: 'conversation.item.truncate',
        item_id: itemId,
        content_index: 0,
        audio_end_ms: Math.floor(heardMs),
      });
    }
    this.#store.update();
  }
}
