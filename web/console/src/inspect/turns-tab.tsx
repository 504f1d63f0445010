import type { Turn } from '@antiphon/react';
import { costOf } from './cost';
import { Empty } from './empty';
import { answeredAfterMs, beginOf, type Step, scaleMs, stepsOf } from './waterfall';

const CAUSES: Record<Turn['cause'], string> = {
  speech: 'Spoken',
  text: 'Typed',
  tool: 'After a tool',
  agent: 'The agent began',
};
const SHOWN = 20;

/** What each answer waited for: newest first, all on one scale. */
export function TurnsTab({ turns }: { turns: readonly Turn[] }) {
  if (!turns.length)
    return (
      <Empty>
        Each turn appears here step by step: from your last word to the first sound of the answer.
      </Empty>
    );
  const nowMs = Date.now();
  const shown = turns.slice(-SHOWN).toReversed();
  const scale = scaleMs(shown, nowMs);
  return (
    <ol className="turns">
      {shown.map((turn) => (
        <li key={turn.id}>
          <header>
            <strong>{CAUSES[turn.cause]}</strong>
            <Outcome turn={turn} />
          </header>
          <div className="waterfall">
            {stepsOf(turn, nowMs).map((step) => (
              <Bar key={step.name} step={step} scaleMs={scale} />
            ))}
          </div>
        </li>
      ))}
    </ol>
  );
}

function Outcome({ turn }: { turn: Turn }) {
  const { inputTokens, outputTokens, inputAudioSeconds, outputAudioSeconds } = turn.usage;
  const cost = costOf(turn.usage);
  return (
    <>
      <span className="figure">{answer(turn)}</span>
      {turn.marks.interrupted !== undefined && <span className="chip">interrupted</span>}
      <time>{new Date(beginOf(turn)).toLocaleTimeString()}</time>
      <span className="tokens">
        {inputTokens} + {outputTokens} tokens, {(inputAudioSeconds + outputAudioSeconds).toFixed(1)}{' '}
        s of speech{cost && `, ${cost}`}
      </span>
    </>
  );
}

function answer(turn: Turn): string {
  const after = answeredAfterMs(turn);
  if (after === null) return turn.marks.responseDone === undefined ? '…' : 'answered without words';
  const what = turn.marks.firstAudio === undefined ? 'first word' : 'first sound';
  if (turn.cause !== 'speech') return `${what} after ${after} ms`;
  return `${what} ${after} ms after ${turn.marks.lastWord ? 'your last word' : 'your turn ended'}`;
}

function Bar({ step, scaleMs }: { step: Step; scaleMs: number }) {
  const { name, side, fromMs, toMs } = step;
  const percent = (ms: number) => `${((ms / scaleMs) * 100).toFixed(2)}%`;
  return (
    <div className="step">
      <span className="step-name">{name}</span>
      <span className="track">
        <span
          className="bar"
          data-side={side}
          style={{ left: percent(fromMs), width: `max(2px, ${percent(toMs - fromMs)})` }}
        />
      </span>
      <span className="step-ms">{Math.round(toMs - fromMs)} ms</span>
    </div>
  );
}
