/** One turn as the steps that followed one another. Pure. */

import type { Turn, TurnMarks } from '@antiphon/react';

export interface Step {
  name: string;
  side: 'user' | 'server' | 'agent';
  /** Since the turn began. */
  fromMs: number;
  toMs: number;
}

type Mark = keyof TurnMarks;

/** Where a step begins, and where it ends: the first mark that there is. */
const STEPS: [name: string, side: Step['side'], from: Mark[], to: Mark[]][] = [
  ['You speak', 'user', ['speechStarted'], ['speechStopped', 'committed']],
  ['End of turn', 'server', ['speechStopped'], ['committed']],
  ['Recognising', 'server', ['committed'], ['transcribed']],
  ['Thinking', 'server', ['responseCreated'], ['firstText', 'firstAudio', 'responseDone']],
  ['Finding the voice', 'server', ['firstText'], ['firstAudio']],
  ['The agent speaks', 'agent', ['firstAudio'], ['interrupted', 'heard']],
];

export function beginOf({ marks }: Turn): number {
  return Math.min(...Object.values(marks).filter((mark) => mark !== undefined));
}

/** A step that goes on lasts until `nowMs`. */
export function stepsOf(turn: Turn, nowMs: number): Step[] {
  const begin = beginOf(turn);
  const first = (marks: Mark[]) => marks.map((mark) => turn.marks[mark]).find(isKnown);
  const isOver = turn.marks.responseDone !== undefined || turn.marks.interrupted !== undefined;
  return STEPS.flatMap(([name, side, from, to]) => {
    const start = first(from);
    const isSound = side === 'agent';
    // What a finished answer left out never comes; its sound may last longer than it.
    const end = first(to) ?? (isOver && !isSound ? undefined : nowMs);
    if (start === undefined || end === undefined || end < start) return [];
    return [{ name, side, fromMs: start - begin, toMs: end - begin }];
  });
}

/** From the end of the question to the first sound (or word) of the answer; null: not yet. */
export function answeredAfterMs({ marks }: Turn): number | null {
  const asked = marks.speechStopped ?? marks.committed ?? marks.sent;
  const answered = marks.firstAudio ?? marks.firstText;
  return asked === undefined || answered === undefined ? null : answered - asked;
}

/** A round scale that holds the longest of them. */
export function scaleMs(turns: readonly Turn[], nowMs: number): number {
  const longest = Math.max(
    1000,
    ...turns.flatMap((turn) => stepsOf(turn, nowMs)).map(({ toMs }) => toMs),
  );
  return Math.ceil(longest / 1000) * 1000;
}

function isKnown(mark: number | undefined): mark is number {
  return mark !== undefined;
}
