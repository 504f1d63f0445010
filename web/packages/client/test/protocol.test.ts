import { describe, expect, test } from 'vitest';
import { known, type WireEvent } from '../src/protocol';

describe('what comes over the wire', () => {
  test('is an event of its type, if the type is known', () => {
    const event: WireEvent = { type: 'response.done', response: { id: 'r' } };
    expect(known(event)).toBe(event);
  });

  test.each(['brand.new', '', 'constructor', 'session.update'])('is none else: %j', (type) => {
    expect(known({ type })).toBeNull();
  });
});
