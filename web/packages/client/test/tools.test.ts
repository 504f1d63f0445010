import { expect, test } from 'vitest';
import type { ClientTool } from '../src/options';
import type { ServerEvent } from '../src/protocol';
import { type ToolOutput, ToolRunner } from '../src/tools';

const call = (name: string, callId: string, args = '{}'): ServerEvent => ({
  type: 'response.output_item.done',
  response_id: 'r',
  item: {
    id: callId,
    type: 'function_call',
    status: 'completed',
    name,
    call_id: callId,
    arguments: args,
  },
});
const done: ServerEvent = { type: 'response.done', response: { id: 'r' } };

function runner(...tools: ClientTool[]) {
  const told: (ToolOutput | 'proceed')[] = [];
  let wake = () => {};
  const proceeded = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const result = new ToolRunner(
    (output) => told.push(output),
    () => {
      told.push('proceed');
      wake();
    },
  );
  result.setTools(tools);
  return { runner: result, told, proceeded };
}

test('all outputs are sent, then the model goes on, once', async () => {
  const {
    runner: tools,
    told,
    proceeded,
  } = runner(
    { name: 'add', run: ({ a, b }) => Number(a) + Number(b) },
    { name: 'greet', run: async () => 'hello' },
  );
  tools.receive(call('add', 'c1', '{"a":1,"b":2}'));
  tools.receive(call('greet', 'c2'));
  tools.receive(done);
  await proceeded;
  expect(told).toHaveLength(3);
  expect(told).toContainEqual({ callId: 'c1', output: '3', failed: false });
  expect(told).toContainEqual({ callId: 'c2', output: 'hello', failed: false });
  expect(told.at(-1)).toBe('proceed');
});

test.each([
  ['throws', '{}', /no station/],
  ['throws', '[1]', /not an object/],
  ['throws', '{"half', /JSON/],
])('a tool that fails says so to the model', async (name, args, reason) => {
  const {
    runner: tools,
    told,
    proceeded,
  } = runner({
    name: 'throws',
    run: () => {
      throw new Error('no station');
    },
  });
  tools.receive(call(name, 'c', args));
  tools.receive(done);
  await proceeded;
  expect(told[0]).toMatchObject({ callId: 'c', failed: true });
  expect((told[0] as ToolOutput).output).toMatch(reason);
});

test('a call that runs elsewhere is left to others', () => {
  const { runner: tools, told } = runner({ name: 'elsewhere' });
  tools.receive(call('elsewhere', 'c'));
  tools.receive(call('unknown', 'd'));
  tools.receive(done);
  expect(told).toEqual([]);
});

test('after a stop nothing is sent, and the tool is told', async () => {
  let finish = () => {};
  const work = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let signal: AbortSignal | null = null;
  const { runner: tools, told } = runner({
    name: 'slow',
    run: (_, context) => {
      signal = context.signal;
      return work;
    },
  });
  tools.receive(call('slow', 'c'));
  tools.receive(done);
  tools.stop();
  finish();
  await work;
  await new Promise(setImmediate);
  expect(signal).toMatchObject({ aborted: true });
  expect(told).toEqual([]);
});
