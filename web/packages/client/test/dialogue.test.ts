import { expect, test } from 'vitest';
import { Dialogue } from '../src/dialogue';
import type { ServerEvent } from '../src/protocol';

const spoken = (response: string, item: string, text: string): ServerEvent[] => [
  { type: 'response.created', response: { id: response, conversation_id: 'conv' } },
  {
    type: 'response.output_item.added',
    response_id: response,
    item: { id: item, type: 'message', role: 'assistant', content: [] },
  },
  {
    type: 'conversation.item.added',
    item: { id: item, type: 'message', role: 'assistant', status: 'in_progress', content: [] },
  },
  {
    type: 'response.content_part.added',
    response_id: response,
    item_id: item,
    part: { type: 'audio', transcript: '' },
  },
  { type: 'output_audio_buffer.started', response_id: response },
  {
    type: 'response.output_audio_transcript.delta',
    response_id: response,
    item_id: item,
    delta: text,
  },
  {
    type: 'response.done',
    response: { id: response, status: 'completed', conversation_id: 'conv' },
  },
];

test('where the server plays, an answer behind another is heard only after it', () => {
  const dialogue = new Dialogue({ items: 100, turns: 100, images: 1 }, () => null);
  const heard = () =>
    dialogue.items.map((item) => (item.type === 'message' ? item.heard : undefined));
  for (const event of spoken('r1', 'a', 'I turn the dials. ')) dialogue.receive(event, 1000);
  for (const event of spoken('r2', 'b', 'Click. Click. Click.')) dialogue.receive(event, 1000);

  dialogue.tick(1600);
  expect(heard()).toEqual(['I turn the', '']);
  dialogue.receive({ type: 'output_audio_buffer.stopped', response_id: 'r1' }, 3000);
  dialogue.tick(3400);
  expect(heard()).toEqual(['I turn the dials. ', 'Click.']);
  dialogue.receive({ type: 'output_audio_buffer.stopped', response_id: 'r2' }, 4000);
  expect(heard()[1]).toBe('Click. Click. Click.');
  expect(dialogue.usage.outputAudioSeconds).toBe(3);
});
