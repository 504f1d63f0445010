import { expect, test } from 'vitest';
import { delayMs, RECONNECT, restoring } from '../src/reconnect';
import type { ConversationItem, MessageItem } from '../src/snapshot';

const said = (id: string, more: Partial<MessageItem>): MessageItem => ({
  type: 'message',
  id,
  role: 'user',
  source: 'typed',
  text: '',
  heard: more.text ?? '',
  unheard: '',
  interrupted: false,
  images: [],
  status: 'completed',
  transcribing: false,
  atMs: 0,
  ...more,
});

test('waits grow, to a limit, and differ by chance', () => {
  const waits = [0, 1, 2, 10].map((attempt) => delayMs(attempt, RECONNECT, 1));
  expect(waits).toEqual([500, 1000, 2000, 10_000]);
  expect(delayMs(0, RECONNECT, 0)).toBe(250);
});

test('a conversation is told in order, as far as it was heard', () => {
  const items: ConversationItem[] = [
    said('u', { text: 'how old is it', source: 'spoken' }),
    {
      type: 'tool_call',
      id: 'f',
      callId: 'c',
      name: 'age',
      arguments: '{}',
      output: '140',
      failed: false,
      status: 'completed',
      atMs: 0,
    },
    said('a', {
      role: 'assistant',
      text: 'It is old. Very.',
      heard: 'It is old.',
      unheard: ' Very.',
      interrupted: true,
    }),
    said('silent', { role: 'assistant', text: 'More', heard: '', interrupted: true }),
    said('p', { images: ['data:1', ''] }),
  ];
  expect(
    restoring(items, 100).map(({ previous_item_id, item }) => [previous_item_id, item]),
  ).toEqual([
    [
      'root',
      {
        id: 'u',
        type: 'message',
        role: 'user',
        content: [{ type: 'input_text', text: 'how old is it' }],
      },
    ],
    ['u', { id: 'f', type: 'function_call', call_id: 'c', name: 'age', arguments: '{}' }],
    ['f', { id: 'out_f', type: 'function_call_output', call_id: 'c', output: '140' }],
    [
      'out_f',
      {
        id: 'a',
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'It is old.' }],
      },
    ],
    [
      'a',
      {
        id: 'p',
        type: 'message',
        role: 'user',
        content: [{ type: 'input_image', image_url: 'data:1' }],
      },
    ],
  ]);
});

test('half a tool call, and a picture that the connection does not carry, are left out', () => {
  const call: ConversationItem = {
    type: 'tool_call',
    id: 'f',
    callId: 'c',
    name: 'age',
    arguments: '{"a',
    output: null,
    failed: false,
    status: 'incomplete',
    atMs: 0,
  };
  expect(restoring([call, said('p', { images: ['data:long'] })], 5)).toEqual([]);
});
