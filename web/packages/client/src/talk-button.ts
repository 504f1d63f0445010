/** Push to talk: one turn of the user, from the press of a button to its release. */

import type { Dialogue } from './dialogue';
import type { Exchange } from './exchange';
import type { Line } from './line';
import type { Outbox } from './outbox';
import type { SnapshotStore } from './store';
import type { VoiceInput } from './voice-input';

/** Speech is on its way for so long when the button is let go (WebRTC). */
const RELEASE_MS = 150;
/** A shorter press was a slip: the server wants 100 ms of speech. */
const SHORTEST_PRESS_MS = 150;

export class TalkButton {
  readonly #dialogue: Dialogue;
  readonly #line: Line;
  readonly #outbox: Outbox;
  readonly #store: SnapshotStore;
  readonly #exchange: Exchange;
  readonly #input: VoiceInput;
  /** Null once all that was said is on its way. */
  #pressedAtMs: number | null = null;

  constructor(
    dialogue: Dialogue,
    line: Line,
    outbox: Outbox,
    store: SnapshotStore,
    exchange: Exchange,
    input: VoiceInput,
  ) {
    this.#dialogue = dialogue;
    this.#line = line;
    this.#outbox = outbox;
    this.#store = store;
    this.#exchange = exchange;
    this.#input = input;
  }

  press(): void {
    if (this.#pressedAtMs !== null || this.#store.own.phase !== 'open') return;
    this.#pressedAtMs = Date.now();
    this.#input.isPressed = true;
    this.#exchange.interruptIfBusy();
    this.#outbox.send({ type: 'input_audio_buffer.clear' });
    this.#dialogue.setUserSpeaking(true);
    this.#store.update({ pressed: true });
    this.#input.gate();
  }

  release(): void {
    if (this.#pressedAtMs === null) return;
    const heldMs = Date.now() - this.#pressedAtMs;
    const isSlip = heldMs < SHORTEST_PRESS_MS;
    this.#dialogue.setUserSpeaking(false);
    if (!isSlip) this.#dialogue.addInputSeconds(heldMs / 1000);
    this.#store.update({ pressed: false });
    const finish = () => this.#finish(isSlip);
    if (this.#line.connection?.kind === 'webrtc') void this.#line.pause(RELEASE_MS).then(finish);
    else finish();
  }

  /** The connection is gone, and with it what was said. */
  drop(): void {
    this.#pressedAtMs = null;
    this.#input.isPressed = false;
  }

  #finish(isSlip: boolean): void {
    // The connection was lost meanwhile.
    if (this.#pressedAtMs === null) return;
    this.#pressedAtMs = null;
    this.#input.isPressed = false;
    const type = isSlip ? 'input_audio_buffer.clear' : 'input_audio_buffer.commit';
    this.#outbox.sendOwn({ type });
    this.#input.gate();
    if (!isSlip) this.#exchange.ask(null);
  }
}
