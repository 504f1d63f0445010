import { expect, test } from 'vitest';
import { callError } from '../src/errors';

test.each([
  [401, 'secret-expired'],
  [403, 'secret-expired'],
  [400, 'protocol'],
  [404, 'no-calls'],
  [501, 'no-calls'],
  [429, 'server-busy'],
  [503, 'server-busy'],
  [502, 'server-away'],
])('a call refused with %i is %s, with the server’s own words', (status, kind) => {
  const error = callError(status, 'Its own words.', 'a_code');
  expect(error).toMatchObject({ kind, detail: 'Its own words.', code: 'a_code' });
});

test('a conversation whose last session has not ended yet is worth another try', () => {
  expect(callError(409, 'A live session has it.', 'conversation_in_use').kind).toBe('server-busy');
});

test('a page that is not let in is not asked for a key', () => {
  expect(callError(403, 'Not this page.', 'origin_not_allowed').kind).toBe('protocol');
});

test('a call that cannot be made is no trouble with the sound', () => {
  const { message, hint } = callError(501, '', null);
  expect(`${message} ${hint}`).not.toMatch(/sound|microphone/i);
});
