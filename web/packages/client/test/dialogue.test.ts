import { describe, expect, test } from 'vitest';
import { Dialogue } from '../src/dialogue';
import type { ServerEvent } from '../src/protocol';
import type { MessageItem } from '../src/snapshot';

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

  dialogue.tick(1600, null);
  expect(heard()).toEqual(['I turn the', '']);
  dialogue.receive({ type: 'output_audio_buffer.stopped', response_id: 'r1' }, 3000);
  dialogue.tick(3400, null);
  expect(heard()).toEqual(['I turn the dials. ', 'Click.']);
  dialogue.receive({ type: 'output_audio_buffer.stopped', response_id: 'r2' }, 4000);
  expect(heard()[1]).toBe('Click. Click. Click.');
  expect(dialogue.usage.outputAudioSeconds).toBe(3);
});

describe('when the sound stops coming in mid-answer', () => {
  function begun() {
    const dialogue = new Dialogue({ items: 100, turns: 100, images: 1 }, () => null);
    for (const event of spoken('r1', 'a', 'I turn the dials, one by one.')) {
      dialogue.receive(event, 1000);
    }
    const message = () => dialogue.items[0] as MessageItem;
    return { dialogue, message };
  }

  test('the words stop with it, and those that did not come are cut off', () => {
    const { dialogue, message } = begun();
    dialogue.tick(1600, 1600);
    expect(message().heard).toBe('I turn the');
    dialogue.tick(2200, 1600);
    expect(dialogue.isStalled).toBe(false);
    expect(message()).toMatchObject({ heard: 'I turn the', unheard: '' });
    expect(dialogue.tick(2300, 1600)).toBe(true);
    expect(dialogue.isStalled).toBe(true);
    expect(message()).toMatchObject({ heard: 'I turn the', unheard: ' dials, one by one.' });
    expect(dialogue.tick(2400, 1600)).toBe(false);
  });

  test('it goes on from there when it comes back', () => {
    const { dialogue, message } = begun();
    dialogue.tick(1600, 1600);
    dialogue.tick(2300, 1600);
    dialogue.tick(2400, 2400);
    expect(dialogue.isStalled).toBe(false);
    expect(message()).toMatchObject({ interrupted: false, unheard: '' });
    expect(message().heard).toBe('I turn the dials, one by');
  });

  test('by another connection it goes on from where it was lost', () => {
    const { dialogue, message } = begun();
    dialogue.tick(1600, 1600);
    dialogue.tick(2300, 1600);
    dialogue.receive({ type: 'session.created', session: {} } as ServerEvent, 3300);
    dialogue.tick(3300, null);
    expect(message()).toMatchObject({ interrupted: false, heard: 'I turn the' });
    dialogue.tick(4100, 4100);
    expect(message().heard).toBe('I turn the dials, one by');
  });

  test('it stays cut off when the connection is lost', () => {
    const { dialogue, message } = begun();
    dialogue.tick(1600, 1600);
    dialogue.tick(2300, 1600);
    dialogue.lost();
    expect(dialogue.isStalled).toBe(false);
    expect(message()).toMatchObject({ heard: 'I turn the', unheard: ' dials, one by one.' });
  });
});

test('"mhm" in an answer is no turn, and nobody waits for an answer to it', () => {
  const dialogue = new Dialogue({ items: 100, turns: 100, images: 1 }, () => null);
  dialogue.receive(
    {
      type: 'session.updated',
      session: { audio: { input: { turn_detection: { type: 'semantic_vad', overlap: {} } } } },
    } as ServerEvent,
    500,
  );
  for (const event of spoken('r1', 'a', 'I turn the dials. ')) dialogue.receive(event, 1000);
  const turns = dialogue.turns.length;
  const overlap = (state: 'open' | 'backchannel'): ServerEvent => ({
    type: 'antiphon.overlap',
    item_id: 'u',
    state,
  });
  dialogue.receive(overlap('open'), 1500);
  dialogue.receive(
    { type: 'input_audio_buffer.speech_started', item_id: 'u', audio_start_ms: 1400 },
    1500,
  );
  dialogue.receive(overlap('backchannel'), 2000);
  dialogue.receive(
    { type: 'input_audio_buffer.speech_stopped', item_id: 'u', audio_end_ms: 1700 },
    2000,
  );
  dialogue.receive({ type: 'input_audio_buffer.committed', item_id: 'u' }, 2000);
  expect(dialogue.activity.awaitedSinceMs).toBeNull();
  expect(dialogue.activity.userSpeaking).toBe(false);
  expect(dialogue.turns.length).toBe(turns);
});
