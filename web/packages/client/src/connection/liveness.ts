/** Whether the other end of a WebSocket still answers: browsers do not tell of a lost one. Pure. */

/** So long nothing comes before the server is asked for something. */
const QUIET_MS = 350;
/** And so long it may take to answer. */
const ANSWER_MS = 450;

export class Liveness {
  #heardAtMs = 0;
  #askedAtMs: number | null = null;
  /** It has answered before: not every server does. */
  #answers = false;

  /** Anything came. */
  heard(atMs: number): void {
    this.#heardAtMs = atMs;
    this.#askedAtMs = null;
  }

  /** What was asked for came. */
  answered(atMs: number): void {
    this.#answers = true;
    this.heard(atMs);
  }

  /** True: it is to be asked now. */
  isDue(atMs: number): boolean {
    if (this.#askedAtMs !== null || atMs - this.#heardAtMs < QUIET_MS) return false;
    this.#askedAtMs = atMs;
    return true;
  }

  /** For how long it has owed an answer; 0: it owes none. */
  overdueMs(atMs: number): number {
    if (!this.#answers || this.#askedAtMs === null) return 0;
    return Math.max(0, atMs - this.#askedAtMs - ANSWER_MS);
  }
}
