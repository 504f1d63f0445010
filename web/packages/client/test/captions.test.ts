import { expect, test } from 'vitest';
import { CaptionPace, heardLength, wordEnd } from '../src/captions';

test('only whole words are shown', () => {
  expect([0, 3, 4, 8, 12, 99].map((length) => wordEnd('Good morning', length))).toEqual([
    0, 0, 4, 4, 12, 12,
  ]);
});

test('the heard part is found by its words', () => {
  expect(heardLength('One two three', 'One two')).toBe(7);
  expect(heardLength('One, two three', 'one two')).toBe(8);
  expect(heardLength('One', 'one two three')).toBe(3);
});

test('words are shown when their sound is played, not when they come', () => {
  const pace = new CaptionPace(1);
  const text = 'First words. Later words.';
  pace.arrived(12, 0);
  pace.arrived(text.length, 2000);
  expect(text.slice(0, pace.lengthAt(text, 1900))).toBe('First words.');
  expect(text.slice(0, pace.lengthAt(text, 2100))).toBe(text);
});

test('words that all came ahead of their sound are paced', () => {
  const pace = new CaptionPace(1);
  const text = 'A sentence that was there before any of its sound.';
  pace.arrived(text.length, 0);
  expect(pace.lengthAt(text, 500)).toBeLessThan(12);
  expect(pace.lengthAt(text, 60_000)).toBe(text.length);
});
