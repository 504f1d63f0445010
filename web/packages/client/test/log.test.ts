import { expect, test } from 'vitest';
import { EventLog } from '../src/log';

test('the newest events are kept, with their numbers', async () => {
  const log = new EventLog(3);
  for (let index = 0; index < 10; index++) log.add('sent', { type: `e${index}` }, index);
  expect(log.entries().map(({ index }) => index)).toEqual([7, 8, 9]);
  const lines = (await log.export().text()).trim().split('\n');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ direction: 'sent', event: { type: 'e7' } });
});

test('sound and pictures are counted, not kept', () => {
  const log = new EventLog(10);
  const audio = 'A'.repeat(5000);
  for (let index = 0; index < 5; index++) {
    log.add('received', { type: 'response.output_audio.delta', delta: audio }, 0);
  }
  log.add('sent', { type: 'x', item: { content: [{ image_url: audio, text: 'look' }] } }, 0);
  const [sound, picture] = log.entries();
  expect(sound).toMatchObject({ count: 5, event: { delta: '<5000 characters>' } });
  expect(picture?.event).toMatchObject({
    item: { content: [{ image_url: '<5000 characters>', text: 'look' }] },
  });
});
