import { describe, expect, test } from 'vitest';
import {
  afterEvent,
  afterLoss,
  bounded,
  heardUpTo,
  heardWhole,
  type Items,
} from '../src/conversation';
import type { ServerEvent } from '../src/protocol';
import type { MessageItem } from '../src/snapshot';

const after = (events: ServerEvent[], items: Items = []) =>
  events.reduce((all, event) => afterEvent(all, event, 1000), items);

const message = (items: Items, id: string) =>
  items.find((item) => item.id === id && item.type === 'message') as MessageItem;

const assistant = (id: string, previous?: string): ServerEvent => ({
  type: 'conversation.item.added',
  ...(previous ? { previous_item_id: previous } : {}),
  item: { id, type: 'message', role: 'assistant', status: 'in_progress', content: [] },
});

const spoken = (id: string, ...deltas: string[]): ServerEvent[] => [
  assistant(id),
  {
    type: 'response.content_part.added',
    response_id: 'r',
    item_id: id,
    part: { type: 'audio', transcript: '' },
  },
  ...deltas.map(
    (delta): ServerEvent => ({
      type: 'response.output_audio_transcript.delta',
      response_id: 'r',
      item_id: id,
      delta,
    }),
  ),
];

describe('the user', () => {
  const turn: ServerEvent[] = [
    { type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'u' },
    { type: 'input_audio_buffer.speech_stopped', audio_end_ms: 900, item_id: 'u' },
    { type: 'input_audio_buffer.committed', item_id: 'u', previous_item_id: null },
    {
      type: 'conversation.item.added',
      previous_item_id: null,
      item: {
        id: 'u',
        type: 'message',
        role: 'user',
        status: 'completed',
        content: [{ type: 'input_audio', transcript: null }],
      },
    },
  ];

  test('is waited for, then read word by word', () => {
    let items = after(turn);
    expect(message(items, 'u')).toMatchObject({ source: 'spoken', transcribing: true, heard: '' });
    items = after(
      [
        {
          type: 'conversation.item.input_audio_transcription.delta',
          item_id: 'u',
          delta: 'how old',
        },
      ],
      items,
    );
    expect(message(items, 'u')).toMatchObject({ heard: 'how old', transcribing: true });
    items = after(
      [
        {
          type: 'conversation.item.input_audio_transcription.completed',
          item_id: 'u',
          transcript: 'how old is it ',
        },
      ],
      items,
    );
    expect(message(items, 'u')).toMatchObject({ heard: 'how old is it', transcribing: false });
  });

  test('leaves no trace of speech that was cleared', () => {
    expect(after([turn[0] as ServerEvent, { type: 'input_audio_buffer.cleared' }])).toEqual([]);
  });

  test('stands where the server puts it', () => {
    const items = after([
      ...turn,
      assistant('a', 'u'),
      { type: 'input_audio_buffer.speech_started', audio_start_ms: 2000, item_id: 'v' },
      assistant('b', 'a'),
      { type: 'input_audio_buffer.committed', item_id: 'v', previous_item_id: 'b' },
    ]);
    expect(items.map(({ id }) => id)).toEqual(['u', 'a', 'b', 'v']);
  });
});

describe('the agent', () => {
  test('is heard as far as it was played', () => {
    let items = after(spoken('a', 'Good ', 'morning.'));
    expect(message(items, 'a')).toMatchObject({ text: 'Good morning.', heard: '', unheard: '' });
    items = heardUpTo(items, 'a', 4);
    expect(message(items, 'a').heard).toBe('Good');
    expect(message(heardUpTo(items, 'a', 2), 'a').heard).toBe('Good');
    expect(message(heardWhole(items, 'a'), 'a').heard).toBe('Good morning.');
  });

  test.each([
    ['what the server says was heard', 'Good morning,', 'Good morning,', ' dear guest.'],
    ['as many words as a server counts', 'good  MORNING', 'Good morning,', ' dear guest.'],
    ['nothing', '', '', 'Good morning, dear guest.'],
  ])('that is interrupted keeps %s', (_, transcript, heard, unheard) => {
    const items = after(
      [
        { type: 'conversation.item.truncated', item_id: 'a', content_index: 0, audio_end_ms: 300 },
        {
          type: 'conversation.item.retrieved',
          item: {
            id: 'a',
            type: 'message',
            role: 'assistant',
            content: [{ type: 'output_audio', transcript }],
          },
        },
      ],
      after(spoken('a', 'Good morning, ', 'dear guest.')),
    );
    expect(message(items, 'a')).toMatchObject({ heard, unheard, interrupted: true });
  });

  test('that a server forgets at a truncation keeps what was shown as heard', () => {
    const played = heardUpTo(after(spoken('a', 'Good morning.')), 'a', 4);
    const items = after(
      [
        { type: 'conversation.item.truncated', item_id: 'a', content_index: 0, audio_end_ms: 300 },
        {
          type: 'conversation.item.retrieved',
          item: {
            id: 'a',
            type: 'message',
            role: 'assistant',
            content: [{ type: 'output_audio' }],
          },
        },
      ],
      played,
    );
    expect(message(items, 'a')).toMatchObject({ heard: 'Good', unheard: ' morning.' });
  });

  test('was not interrupted by a truncation at its end', () => {
    const items = after(
      [
        { type: 'conversation.item.truncated', item_id: 'a', content_index: 0, audio_end_ms: 900 },
        {
          type: 'conversation.item.retrieved',
          item: {
            id: 'a',
            type: 'message',
            role: 'assistant',
            content: [{ type: 'output_audio', transcript: 'Good morning.' }],
          },
        },
      ],
      after(spoken('a', 'Good morning.')),
    );
    expect(message(items, 'a')).toMatchObject({ heard: 'Good morning.', interrupted: false });
  });

  test('writes what is heard at once', () => {
    const items = after([
      assistant('a'),
      { type: 'response.output_text.delta', response_id: 'r', item_id: 'a', delta: 'Sixty.' },
    ]);
    expect(message(items, 'a')).toMatchObject({ source: 'typed', heard: 'Sixty.' });
  });

  test('beside the conversation is not shown', () => {
    expect(
      after([
        { type: 'response.output_text.delta', response_id: 'r', item_id: 'x', delta: 'Sixty.' },
      ]),
    ).toEqual([]);
  });
});

test('what was said before one came was heard', () => {
  const [item] = after([
    {
      type: 'conversation.item.added',
      item: {
        id: 'a',
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_audio', transcript: 'Sixty.' }],
      },
    },
  ]);
  expect(item).toMatchObject({ text: 'Sixty.', heard: 'Sixty.', unheard: '', source: 'spoken' });
});

test('a tool call streams in, and has its output', () => {
  let items = after([
    {
      type: 'conversation.item.added',
      item: {
        id: 'f',
        type: 'function_call',
        name: 'now',
        call_id: 'c',
        arguments: '',
        status: 'in_progress',
      },
    },
    {
      type: 'response.function_call_arguments.delta',
      response_id: 'r',
      item_id: 'f',
      call_id: 'c',
      delta: '{"a":',
    },
  ]);
  expect(items[0]).toMatchObject({ type: 'tool_call', arguments: '{"a":', output: null });
  items = after(
    [
      {
        type: 'response.output_item.done',
        response_id: 'r',
        item: {
          id: 'f',
          type: 'function_call',
          name: 'now',
          call_id: 'c',
          arguments: '{"a":1}',
          status: 'completed',
        },
      },
      {
        type: 'conversation.item.added',
        item: { id: 'o', type: 'function_call_output', call_id: 'c', output: 'noon' },
      },
    ],
    items,
  );
  expect(items).toEqual([
    expect.objectContaining({ arguments: '{"a":1}', output: 'noon', status: 'completed' }),
  ]);
});

test('after a loss nothing waits any more', () => {
  const items = afterLoss(
    after([
      ...spoken('a', 'Good morning.'),
      { type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'u' },
    ]),
  );
  expect(items).toEqual([
    expect.objectContaining({ id: 'a', status: 'incomplete', unheard: 'Good morning.' }),
  ]);
});

test('a restored item keeps its course and its place', () => {
  const before = afterLoss(after([...spoken('a', 'Good morning.'), ...spoken('b', 'And more.')]));
  const told = heardUpTo(before, 'a', 4);
  const items = after(
    [
      {
        type: 'conversation.item.added',
        previous_item_id: null,
        item: {
          id: 'a',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Good' }],
        },
      },
      assistant('n', 'a'),
    ],
    told,
  );
  expect(items.map(({ id }) => id)).toEqual(['a', 'b', 'n']);
  expect(message(items, 'a')).toMatchObject({ source: 'spoken', text: 'Good morning.' });
});

test('there are never more items or pictures than wanted', () => {
  const picture = (id: string): ServerEvent => ({
    type: 'conversation.item.added',
    item: {
      id,
      type: 'message',
      role: 'user',
      content: [{ type: 'input_image', image_url: `data:${id}` }],
    },
  });
  const items = bounded(after([picture('1'), picture('2'), picture('3')]), 2, 1);
  expect(items.map((item) => item.type === 'message' && item.images)).toEqual([[''], ['data:3']]);
});
