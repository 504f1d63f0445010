/** Tokens and seconds, added up. Pure. */

import type { WireUsage } from './protocol';
import type { Usage } from './snapshot';

export const NO_USAGE: Usage = Object.freeze({
  inputTokens: 0,
  outputTokens: 0,
  inputTextTokens: 0,
  inputAudioTokens: 0,
  inputImageTokens: 0,
  cachedTokens: 0,
  outputTextTokens: 0,
  outputAudioTokens: 0,
  inputAudioSeconds: 0,
  outputAudioSeconds: 0,
  costNanoUsd: 0,
  unpriced: 0,
});

export function usageOf(wire: WireUsage): Usage {
  const input = wire.input_token_details ?? {};
  const output = wire.output_token_details ?? {};
  return {
    ...NO_USAGE,
    inputTokens: wire.input_tokens ?? 0,
    outputTokens: wire.output_tokens ?? 0,
    inputTextTokens: input.text_tokens ?? 0,
    inputAudioTokens: input.audio_tokens ?? 0,
    inputImageTokens: input.image_tokens ?? 0,
    cachedTokens: input.cached_tokens ?? 0,
    outputTextTokens: output.text_tokens ?? 0,
    outputAudioTokens: output.audio_tokens ?? 0,
  };
}

export function costOf(event: { nano_usd: number; unpriced: boolean }): Partial<Usage> {
  return { costNanoUsd: event.nano_usd, unpriced: event.unpriced ? 1 : 0 };
}

export function sum(usage: Usage, more: Partial<Usage>): Usage {
  const total = { ...usage };
  for (const [name, value] of Object.entries(more) as [keyof Usage, number][]) total[name] += value;
  return total;
}
