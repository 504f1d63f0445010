/** One turn as the steps that followed one another. Pure. */

import type { Timeline, Turn, TurnMarks } from '@antiphon/react';

export interface Step {
  name: string;
  side: 'user' | 'server' | 'agent';
  /** Since the turn began. */
  fromMs: number;
  toMs: number;
}

type Mark = keyof TurnMarks;

/** What an answer waits for, one after the other: what ends with which mark. */
const WAITS: [name: string, to: Mark][] = [
  ['Silence', 'speechStopped'],
  ['Recognising', 'transcribed'],
  ['Thinking', 'firstText'],
  ['Making speech', 'firstAudio'],
];

/** The parts of the server's timeline. */
const PARTS: Record<string, string> = {
  silence: 'Silence',
  request: 'Asking',
  recognition: 'Recognising',
  thinking: 'Thinking',
  phrasing: 'First clause',
  tools: 'Function',
  synthesis: 'Making speech',
  sending: 'Sending',
  playback: 'Playing out',
  onset: 'Onset',
};

export function beginOf({ marks }: Turn): number {
  return Math.min(...Object.values(marks).filter((mark) => mark !== undefined));
}

/** A step that goes on lasts until `nowMs`. */
export function stepsOf(turn: Turn, nowMs: number): Step[] {
  const { marks } = turn;
  const begin = beginOf(turn);
  const step = (name: string, side: Step['side'], from: number, to: number): Step => ({
    name,
    side,
    fromMs: from - begin,
    toMs: to - begin,
  });
  const steps: Step[] = [];
  if (marks.speechStarted !== undefined) {
    steps.push(step('You speak', 'user', marks.speechStarted, askedAt(turn) ?? nowMs));
  }
  let from = askedAt(turn);
  for (const [name, to] of waitsOf(turn, nowMs)) {
    if (from !== undefined) steps.push(step(name, 'server', from, to));
    from = to;
  }
  if (marks.firstAudio !== undefined) {
    const end = marks.interrupted ?? marks.heard ?? nowMs;
    steps.push(step('The agent speaks', 'agent', marks.firstAudio, end));
  }
  return steps;
}

/**
 * From the last word to the first sound, or word where there is none; null: not yet. The sum of the
 * server's steps.
 */
export function answeredAfterMs(turn: Turn): number | null {
  const asked = askedAt(turn);
  const answered = answeredAt(turn.marks);
  return asked === undefined || answered === undefined ? null : answered - asked;
}

/** The server knows best how long it had been silent when it took the turn as ended. */
function askedAt({ marks, timeline }: Turn): number | undefined {
  const [silence] = timeline?.segments ?? [];
  if (marks.speechStopped !== undefined && silence?.name === 'silence') {
    return Math.max(marks.speechStarted ?? 0, marks.speechStopped - silence.duration_ms);
  }
  return marks.lastWord ?? marks.speechStopped ?? marks.committed ?? marks.sent;
}

function answeredAt(marks: TurnMarks): number | undefined {
  const isTyped = marks.responseDone !== undefined && marks.firstAudio === undefined;
  return marks.firstAudio ?? (isTyped ? marks.firstText : undefined);
}

function waitsOf(turn: Turn, nowMs: number): [name: string, to: number][] {
  const { marks } = turn;
  const answered = answeredAt(marks);
  const asked = askedAt(turn);
  // After a tool's result the server counts from the user's word, which was another step here.
  if (turn.timeline && turn.cause !== 'tool' && asked !== undefined && answered !== undefined) {
    return measured(turn.timeline, asked, answered);
  }
  const isOver = marks.responseDone !== undefined || marks.interrupted !== undefined;
  const waits: [name: string, to: number][] = [];
  let at = asked;
  if (at === undefined) return [];
  for (const [name, mark] of WAITS) {
    const to = marks[mark];
    // The server may tell what it recognised long after it has used it.
    if (to === undefined || to <= at || (answered !== undefined && to > answered)) continue;
    waits.push([name, to]);
    at = to;
  }
  // What a finished answer left out never comes.
  if (answered === undefined && !isOver && nowMs > at) waits.push(['Waiting', nowMs]);
  return waits;
}

/** What the server measured, and the way from there to the ear. */
function measured(timeline: Timeline, asked: number, answered: number): [string, number][] {
  const waits: [string, number][] = [];
  let at = asked;
  for (const { name, duration_ms } of timeline.segments) {
    const to = Math.min(at + duration_ms, answered);
    const shown = name.split('+').map((part) => PARTS[part] ?? part);
    if (to > at) waits.push([shown.join(' + '), to]);
    at = Math.max(at, to);
  }
  if (answered > at) waits.push(['On its way', answered]);
  return waits;
}

/** A round scale that holds the longest of them. */
export function scaleMs(turns: readonly Turn[], nowMs: number): number {
  const longest = Math.max(
    1000,
    ...turns.flatMap((turn) => stepsOf(turn, nowMs)).map(({ toMs }) => toMs),
  );
  return Math.ceil(longest / 1000) * 1000;
}
