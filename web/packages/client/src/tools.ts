/** Runs the page's functions when the model calls them. */

import type { ClientTool } from './options';
import type { ServerEvent, WireItem } from './protocol';

export interface ToolOutput {
  callId: string;
  output: string;
  failed: boolean;
}

interface Round {
  running: number;
  /** How many of its calls were answered here. */
  answered: number;
  isDone: boolean;
}

/**
 * Args:
 *   answer: Sends one output.
 *   proceed: All outputs of a response are sent: ask the model to go on.
 */
export class ToolRunner {
  #tools = new Map<string, ClientTool>();
  readonly #rounds = new Map<string, Round>();
  readonly #answer: (output: ToolOutput) => void;
  readonly #proceed: () => void;
  #abort = new AbortController();

  constructor(answer: (output: ToolOutput) => void, proceed: () => void) {
    this.#answer = answer;
    this.#proceed = proceed;
  }

  setTools(tools: readonly ClientTool[]): void {
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
  }

  receive(event: ServerEvent): void {
    if (event.type === 'response.output_item.done') {
      const { item } = event;
      if (item.type !== 'function_call' || item.status !== 'completed') return;
      void this.#run(event.response_id, item);
    } else if (event.type === 'response.done') {
      const round = this.#rounds.get(event.response.id);
      if (!round) return;
      round.isDone = true;
      this.#settle(event.response.id, round);
    }
  }

  /** Results of calls that still run are dropped. */
  stop(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#rounds.clear();
  }

  /** The connection is gone: nobody will say that its responses are done. Their tools run on. */
  release(): void {
    for (const [id, round] of this.#rounds) {
      round.isDone = true;
      this.#settle(id, round);
    }
  }

  async #run(responseId: string, call: WireItem): Promise<void> {
    const tool = this.#tools.get(call.name ?? '');
    if (!tool?.run) return;
    const round = this.#rounds.get(responseId) ?? { running: 0, answered: 0, isDone: false };
    this.#rounds.set(responseId, round);
    round.running++;
    const { signal } = this.#abort;
    const callId = call.call_id ?? '';
    const { output, failed } = await outcome(tool, call.arguments ?? '', { callId, signal });
    if (signal.aborted) return;
    round.running--;
    round.answered++;
    this.#answer({ callId, output, failed });
    this.#settle(responseId, round);
  }

  #settle(responseId: string, round: Round): void {
    if (!round.isDone || round.running) return;
    this.#rounds.delete(responseId);
    if (round.answered) this.#proceed();
  }
}

async function outcome(
  tool: ClientTool,
  json: string,
  context: { callId: string; signal: AbortSignal },
): Promise<{ output: string; failed: boolean }> {
  try {
    const result = await tool.run?.(argumentsOf(json), context);
    const output = typeof result === 'string' ? result : (JSON.stringify(result) ?? 'done');
    return { output, failed: false };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { output: JSON.stringify({ error: reason || 'The tool failed.' }), failed: true };
  }
}

function argumentsOf(json: string): Record<string, unknown> {
  const value: unknown = json.trim() ? JSON.parse(json) : {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('The arguments are not an object.');
  }
  return value as Record<string, unknown>;
}
