import type { Turn, Usage } from '@antiphon/react';
import { costOf } from './cost';

const FIGURES: [name: string, of: (usage: Usage) => string][] = [
  ['Cost', (usage) => costOf(usage) ?? '–'],
  ['Tokens in', (usage) => String(usage.inputTokens)],
  ['Audio in', (usage) => String(usage.inputAudioTokens)],
  ['Cached in', (usage) => String(usage.cachedTokens)],
  ['Tokens out', (usage) => String(usage.outputTokens)],
  ['Audio out', (usage) => String(usage.outputAudioTokens)],
  ['You spoke', (usage) => `${usage.inputAudioSeconds.toFixed(1)} s`],
  ['The agent spoke', (usage) => `${usage.outputAudioSeconds.toFixed(1)} s`],
];

/** Tokens, seconds and money: in all, and turn by turn. */
export function UsageTab({ usage, turns }: { usage: Usage; turns: readonly Turn[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="scroll" aria-label="Usage" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Turn</th>
            {FIGURES.map(([name], index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the columns never change.
              <th scope="col" key={index}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Row name="Total" usage={usage} />
          {turns
            .map((turn, index) => <Row key={turn.id} name={`${index + 1}`} usage={turn.usage} />)
            .toReversed()}
        </tbody>
      </table>
    </section>
  );
}

function Row({ name, usage }: { name: string; usage: Usage }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {FIGURES.map(([, of], index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the columns never change.
        <td key={index}>{of(usage)}</td>
      ))}
    </tr>
  );
}
