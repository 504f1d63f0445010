import { expect, test } from 'vitest';
import { dateOf, spanOf } from '../src/conversations/date-of';

const NOON_S = Date.UTC(2026, 10, 29, 12) / 1000;

test('a span says once what both of its ends share', () => {
  const year = /2026/g;
  expect(spanOf(NOON_S, NOON_S)).toBe(dateOf(NOON_S));
  expect(spanOf(NOON_S, NOON_S + 300).match(year)).toHaveLength(1);
  expect(spanOf(NOON_S, NOON_S + 3 * 86_400)).not.toBe(dateOf(NOON_S));
});

test('a clock that was set back ends nothing before it began', () => {
  expect(spanOf(NOON_S, NOON_S - 60)).toBe(dateOf(NOON_S));
});
