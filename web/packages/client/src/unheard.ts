/** From where a page that is loaded anew must be told: what it was telling was not heard to its end. Pure. */

import type { Heard } from './audio/player';
import type { WireEvent } from './protocol';

/** Answers whose sound may still be on its way. */
const MAX_ANSWERS = 16;

interface Answer {
  responseId: string;
  /** The last event before it. */
  before: string;
  /** Its items that sound, and have not ended, with how much of each was heard. */
  heardMs: Map<string, number>;
  isDone: boolean;
  /** When the server began to play it (WebRTC). */
  soundedAtMs: number | null;
}

/** What was heard already of what will be told again. */
export interface HeardBefore {
  /** By item: where this side plays. */
  items: Record<string, number>;
  /** By response: where the server plays. */
  responses: Record<string, number>;
}

export class Unheard {
  #answers: Answer[] = [];

  /** `after`: the event before this one. `isOurs`: this side plays. */
  received(event: WireEvent, after: string, isOurs: boolean, atMs: number): void {
    switch (event.type) {
      case 'response.created':
        this.#begin(responseIdOf(event), after);
        break;
      case 'response.output_audio.delta':
        if (isOurs) this.#sounds(event);
        break;
      case 'output_audio_buffer.started': {
        const answer = this.#answer(event.response_id);
        if (answer) answer.soundedAtMs ??= atMs;
        break;
      }
      case 'output_audio_buffer.stopped':
      case 'output_audio_buffer.cleared':
        this.#drop((answer) => answer.responseId === event.response_id);
        break;
      case 'response.done': {
        const answer = this.#answer(responseIdOf(event));
        if (answer) answer.isDone = true;
        this.#drop((other) => other === answer && isOver(other));
        break;
      }
    }
  }

  heard({ itemId, heardMs }: Heard): void {
    for (const answer of this.#answers) {
      if (answer.heardMs.has(itemId)) answer.heardMs.set(itemId, Math.floor(heardMs));
    }
  }

  ended(itemId: string): void {
    for (const answer of this.#answers) answer.heardMs.delete(itemId);
    this.#drop(isOver);
  }

  /** Playback was stopped: the rest is not meant to be heard. */
  silenced(): void {
    this.#answers = [];
  }

  /** The last event before the first answer that was not heard to its end; null: all were. */
  get cursor(): string | null {
    return this.#answers[0]?.before ?? null;
  }

  heardBefore(atMs: number): HeardBefore {
    const items: Record<string, number> = {};
    const responses: Record<string, number> = {};
    for (const { responseId, heardMs, soundedAtMs } of this.#answers) {
      for (const [itemId, ms] of heardMs) items[itemId] = ms;
      if (soundedAtMs !== null) responses[responseId] = Math.max(0, atMs - soundedAtMs);
    }
    return { items, responses };
  }

  #begin(responseId: string | undefined, before: string): void {
    if (!responseId || this.#answer(responseId)) return;
    this.#answers.push({
      responseId,
      before,
      heardMs: new Map(),
      isDone: false,
      soundedAtMs: null,
    });
    this.#answers = this.#answers.slice(-MAX_ANSWERS);
  }

  #sounds(event: WireEvent): void {
    const answer = this.#answer(event.response_id);
    const itemId = event.item_id as string;
    if (answer && !answer.heardMs.has(itemId)) answer.heardMs.set(itemId, 0);
  }

  #answer(responseId: unknown): Answer | undefined {
    return this.#answers.find((answer) => answer.responseId === responseId);
  }

  #drop(isMeant: (answer: Answer) => boolean): void {
    this.#answers = this.#answers.filter((answer) => !isMeant(answer));
  }
}

function responseIdOf({ response }: WireEvent): string | undefined {
  return (response as { id?: string } | undefined)?.id;
}

/** Nothing more of it comes, or sounds. What the server plays ends by an event of its own. */
function isOver({ isDone, heardMs, soundedAtMs }: Answer): boolean {
  return isDone && heardMs.size === 0 && soundedAtMs === null;
}
