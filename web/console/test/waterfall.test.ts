import type { Timeline, Turn, TurnMarks } from '@antiphon/react';
import { describe, expect, it } from 'vitest';
import { loudness } from '../src/inspect/loudness';
import { answeredAfterMs, scaleMs, stepsOf } from '../src/inspect/waterfall';

function turn(marks: TurnMarks): Turn {
  return { id: 't', cause: 'speech', responseId: 'r', marks, usage: {} as Turn['usage'] };
}

const SPOKEN: TurnMarks = {
  speechStarted: 1000,
  lastWord: 1500,
  speechStopped: 2000,
  committed: 2010,
  responseCreated: 2020,
  transcribed: 2100,
  firstText: 2300,
  firstAudio: 2350,
  responseDone: 2400,
  heard: 5000,
};

/** How long the server's steps took together. */
const waited = (marks: TurnMarks, nowMs = 9000) =>
  stepsOf(turn(marks), nowMs)
    .filter(({ side }) => side === 'server')
    .reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);

describe('a turn', () => {
  it('is taken apart into its steps', () => {
    expect(stepsOf(turn(SPOKEN), 9000)).toEqual([
      { name: 'You speak', side: 'user', fromMs: 0, toMs: 500 },
      { name: 'Silence', side: 'server', fromMs: 500, toMs: 1000 },
      { name: 'Recognising', side: 'server', fromMs: 1000, toMs: 1100 },
      { name: 'Thinking', side: 'server', fromMs: 1100, toMs: 1300 },
      { name: 'Making speech', side: 'server', fromMs: 1300, toMs: 1350 },
      { name: 'The agent speaks', side: 'agent', fromMs: 1350, toMs: 4000 },
    ]);
  });

  it.each<[string, TurnMarks]>([
    ['all marks', SPOKEN],
    ['no fixed silence', { ...SPOKEN, lastWord: undefined } as never],
    ['no transcript', { ...SPOKEN, transcribed: undefined } as never],
    ['a transcript that comes late', { ...SPOKEN, transcribed: 2320 }],
    ['words that come after their sound', { ...SPOKEN, firstText: 2360 }],
    ['no words', { ...SPOKEN, firstText: undefined } as never],
    ['a typed question', { sent: 1000, responseCreated: 1010, firstText: 1200, firstAudio: 1300 }],
    ['a typed answer', { sent: 1000, firstText: 1200, responseDone: 1300 }],
  ])('has parts that sum up to the wait: %s', (_, marks) => {
    expect(waited(marks)).toBe(answeredAfterMs(turn(marks)));
  });

  it.each([
    ['the way to the ear at its end', 2500, 'On its way'],
    ['a clock that differs a little', 2300, 'Making speech'],
  ])('shows what the server measured, with %s', (_, firstAudio, last) => {
    const part = (name: string, duration_ms: number) => ({ name, duration_ms });
    const timeline: Timeline = {
      response_id: 'r',
      kind: 'spoken',
      began_ms: 4000,
      ended_ms: 4900,
      ends_with: 'sent',
      segments: [
        part('silence', 560),
        part('request', 0),
        part('recognition+thinking', 240),
        part('synthesis', 100),
      ],
    };
    const told = { ...turn({ ...SPOKEN, firstAudio }), timeline };
    const server = stepsOf(told, 9000).filter(({ side }) => side === 'server');
    expect(server.slice(0, 2)).toEqual([
      { name: 'Silence', side: 'server', fromMs: 440, toMs: 1000 },
      { name: 'Recognising + Thinking', side: 'server', fromMs: 1000, toMs: 1240 },
    ]);
    expect(server.at(-1)?.name).toBe(last);
    const sum = server.reduce((total, { fromMs, toMs }) => total + toMs - fromMs, 0);
    expect(sum).toBe(answeredAfterMs(told));
  });

  it('waits from the last word to the first sound', () => {
    expect(answeredAfterMs(turn(SPOKEN))).toBe(850);
    expect(answeredAfterMs(turn({ ...SPOKEN, lastWord: undefined } as never))).toBe(350);
  });

  it('that goes on lasts until now', () => {
    const steps = stepsOf(turn({ speechStarted: 1000 }), 1700);
    expect(steps).toEqual([{ name: 'You speak', side: 'user', fromMs: 0, toMs: 700 }]);
    expect(answeredAfterMs(turn({ speechStarted: 1000 }))).toBeNull();
    const { firstText, firstAudio, responseDone, heard, ...asked } = SPOKEN;
    expect(stepsOf(turn(asked), 2500).at(-1)).toMatchObject({ name: 'Waiting', toMs: 1500 });
    expect(answeredAfterMs(turn({ ...asked, firstText: 2300 }))).toBeNull();
  });

  it('that was interrupted ends there', () => {
    const { heard, ...marks } = SPOKEN;
    expect(stepsOf(turn({ ...marks, interrupted: 3000 }), 9000).at(-1)?.toMs).toBe(2000);
  });

  it('without a transcript does not go on recognising for ever', () => {
    const { transcribed, ...marks } = SPOKEN;
    const names = stepsOf(turn(marks), 9000).map(({ name }) => name);
    expect(names).not.toContain('Recognising');
  });

  it('is drawn on a scale that holds it', () => {
    expect(scaleMs([turn(SPOKEN)], 9000)).toBe(4000);
    expect(scaleMs([], 0)).toBe(1000);
  });
});

describe('loudness', () => {
  it('is the peak of each stretch', () => {
    const samples = new Float32Array([0, 0, 0.25, -1, 0, 0.04]);
    expect(loudness(samples, 3)).toEqual([0, 1, expect.closeTo(0.2)]);
  });
});
