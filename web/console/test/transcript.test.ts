import type { ConversationItem } from '@antiphon/react';
import { expect, it } from 'vitest';
import { asJson, asText } from '../src/transcript';

const message = {
  type: 'message',
  images: [],
  status: 'completed',
  transcribing: false,
  atMs: 1000,
} as const;
const ITEMS: ConversationItem[] = [
  {
    ...message,
    id: 'item_1',
    role: 'user',
    source: 'typed',
    text: 'A story?',
    heard: 'A story?',
    unheard: '',
    interrupted: false,
    images: ['data:image/png;base64,'],
  },
  {
    type: 'tool_call',
    id: 'item_2',
    callId: 'call_1',
    name: 'look',
    arguments: '{}',
    output: 'a ship',
    failed: false,
    status: 'completed',
    atMs: 0,
  },
  {
    ...message,
    id: 'item_3',
    role: 'assistant',
    source: 'spoken',
    text: 'Two ships sailed.',
    heard: 'Two ships',
    unheard: ' sailed.',
    interrupted: true,
  },
];

it('reads as it was heard', async () => {
  expect(await asText(ITEMS).text()).toBe(
    'You: [picture] A story?\nTool: look({}) → a ship\nAgent: Two ships [not heard: sailed.]\n',
  );
});

it('as JSON keeps what was cut off, and when', async () => {
  const [first, call, last] = JSON.parse(await asJson(ITEMS).text());
  expect(first).toMatchObject({ role: 'user', at: '1970-01-01T00:00:01.000Z' });
  expect(call).toMatchObject({ type: 'tool_call', name: 'look', output: 'a ship' });
  expect(last).toMatchObject({ text: 'Two ships sailed.', heard: 'Two ships', interrupted: true });
});
