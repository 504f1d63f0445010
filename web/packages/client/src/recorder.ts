/** Records the conversation when the page asks for it, whatever streams it has at the time. */

import type { Line } from './line';
import { Recording } from './recording';
import type { SnapshotStore } from './store';

export class Recorder {
  readonly #line: Line;
  readonly #store: SnapshotStore;
  readonly #maxSeconds: number;
  #recording: Recording | null = null;
  #user: MediaStream | null = null;

  constructor(line: Line, store: SnapshotStore, maxSeconds: number) {
    this.#line = line;
    this.#store = store;
    this.#maxSeconds = maxSeconds;
  }

  /** Throws: VoiceError `media-failed`. */
  start(): void {
    if (this.#recording && this.#store.own.recording) return;
    this.#recording = new Recording(this.#maxSeconds, () =>
      this.#store.update({ recording: false }),
    );
    this.#store.update({ recording: true });
    this.follow();
  }

  /** Null if nothing was recorded. */
  async stop(): Promise<Blob | null> {
    const recording = this.#recording;
    this.#recording = null;
    return recording ? await recording.blob() : null;
  }

  /** The session is over; `stop` still gives what was recorded. */
  finish(): void {
    this.#recording?.finish();
  }

  /** Another microphone, or none. */
  hearUser(stream: MediaStream | null): void {
    this.#user = stream;
    this.follow();
  }

  /** The agent may be heard on another stream now. */
  follow(): void {
    this.#recording?.follow(this.#user, this.#line.connection?.outputStream ?? null);
  }
}
