import { expect, test } from 'vitest';
import { servedBy } from '../src/served';

test('a server may say what really answers', () => {
  const antiphon = { engine: 'offline', voice: 'en-gb' };
  expect(servedBy({ model: 'gpt-realtime', antiphon })).toEqual({
    engine: 'offline',
    voice: 'en-gb',
  });
});

test.each([null, {}, { antiphon: null }, { antiphon: { engine: 7 } }, { antiphon: 'x' }])(
  'and others do not: %j',
  (session) => {
    expect(servedBy(session as never)).toEqual({ engine: null, voice: null });
  },
);
