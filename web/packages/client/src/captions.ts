/** Which words of the agent have been heard: by the player's count, or by an estimate. */

/** Faster than this nobody speaks: words that came ahead of their sound are not shown at once. */
const CHARACTERS_PER_SECOND = 19;

/** How many characters are said in a time, and how long so many take: an estimate. */
export const lengthIn = (ms: number, speed: number) =>
  Math.ceil((ms / 1000) * CHARACTERS_PER_SECOND * speed);
export const msOf = (length: number, speed: number) =>
  (length * 1000) / (CHARACTERS_PER_SECOND * speed);

/** The end of the last whole word within the first `length` characters. */
export function wordEnd(text: string, length: number): number {
  if (length >= text.length) return text.length;
  let end = Math.max(0, length);
  while (end > 0 && !/\s/.test(text[end] ?? ' ')) end--;
  return end;
}

/**
 * How much of `text` the server's transcript of the heard part is: that many characters, or where
 * the server spells it otherwise, that many words.
 */
export function heardLength(text: string, transcript: string): number {
  const heard = transcript.trimEnd();
  if (text.startsWith(heard)) return heard.length;
  const words = heard.split(/\s+/).filter(Boolean).length;
  const pattern = /\S+/g;
  let end = 0;
  for (let word = 0; word < words; word++) {
    const match = pattern.exec(text);
    if (!match) return text.length;
    end = match.index + match[0].length;
  }
  return end;
}

/** When the words of one item are heard, from when they came among its audio. */
export class CaptionPace {
  readonly #speed: number;
  readonly #marks: { audioMs: number; length: number }[] = [];

  constructor(speed: number) {
    this.#speed = speed;
  }

  /** The text is `length` characters long now, and `audioMs` of its sound came before. */
  arrived(length: number, audioMs: number): void {
    const last = this.#marks.at(-1);
    if (last?.audioMs === audioMs) last.length = length;
    else this.#marks.push({ audioMs, length });
  }

  /** How many characters of `text` have been said after `heardMs` of its sound. */
  lengthAt(text: string, heardMs: number): number {
    let known = 0;
    for (const mark of this.#marks) {
      if (mark.audioMs > heardMs) break;
      known = mark.length;
    }
    return wordEnd(text, Math.min(lengthIn(heardMs, this.#speed), known));
  }
}
