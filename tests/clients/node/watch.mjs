// What came from the server, in order, and waiting for what is to come.

import { readFileSync } from "node:fs";

const TIMEOUT_MS = 60_000; // For one event: a busy machine is no failure.
const BYTES_PER_MS = 48; // PCM, 16 bits, 24 kHz.

export class Watch {
  #events = [];
  #next = 0;
  #wake = () => {};

  push(event) {
    this.#events.push(event);
    this.#wake();
  }

  get seen() {
    return this.#events;
  }

  /** The next event of this type; an `error` that nobody waits for fails. */
  async until(type, holds = () => true) {
    for (;;) {
      while (this.#next < this.#events.length) {
        const event = this.#events[this.#next++];
        if (event.type === type && holds(event)) return event;
        if (event.type === "error") throw new Error(JSON.stringify(event));
      }
      await this.#another(type);
    }
  }

  #another(type) {
    return new Promise((resolve, reject) => {
      const lost = setTimeout(() => {
        const types = this.#events.map((event) => event.type).join(" ");
        reject(new Error(`no ${type} came; there were: ${types}`));
      }, TIMEOUT_MS);
      this.#wake = () => {
        clearTimeout(lost);
        resolve();
      };
    });
  }
}

const LEAD_MS = 300;
const TAIL_MS = 5000; // Whatever is thought of the words, semantic_vad waits no longer.

/** A person's recorded words (a file of bare PCM), between silences, in pieces of 100 ms. */
export function* speech(path) {
  const [lead, tail] = [LEAD_MS, TAIL_MS].map((ms) => Buffer.alloc(ms * BYTES_PER_MS));
  const pcm = Buffer.concat([lead, readFileSync(path), tail]);
  const size = 100 * BYTES_PER_MS;
  for (let at = 0; at < pcm.length; at += size) yield pcm.subarray(at, at + size);
}

export const environment = {
  url: process.env.ANTIPHON_URL, // As https://127.0.0.1:8080.
  order: process.env.SPEECH_BOOK_A_ROOM,
  yes: process.env.SPEECH_YES,
};
