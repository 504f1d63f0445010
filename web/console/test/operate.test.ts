import { describe, expect, it } from 'vitest';
import type { CallQuality } from '../src/operate/api';
import { eventsIn } from '../src/operate/event-stream';
import { overheard } from '../src/operate/overheard';
import { duration, lossOf, moneyOf, percent, usedOf, wait } from '../src/operate/words';

const CALL: CallQuality = {
  packets_received: 900,
  packets_lost: 100,
  packets_sent: 1000,
  peer_packets_lost: 20,
  jitter_s: 0.004,
  peer_jitter_s: 0.002,
  rtt_s: 0.03,
};

async function read(...chunks: string[]): Promise<string[]> {
  const bytes = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(bytes.encode(chunk));
      controller.close();
    },
  });
  const found: string[] = [];
  for await (const data of eventsIn(body)) found.push(data);
  return found;
}

describe('an event stream', () => {
  it('is read however it is cut, comments passed over', async () => {
    const text = ': hello\n\ndata: {"a":1}\n\n: \n\nevent: x\ndata: b\ndata: c\n\n';
    const whole = await read(text);
    expect(whole).toEqual(['{"a":1}', 'b\nc']);
    for (let at = 1; at < text.length; at++) {
      expect(await read(text.slice(0, at), text.slice(at))).toEqual(whole);
    }
  });

  it('keeps what is not whole to itself', async () => {
    expect(await read('data: a\n\ndata: b')).toEqual(['a']);
  });
});

describe('what is overheard', () => {
  const added = {
    type: 'conversation.item.added',
    item: {
      id: 'i',
      type: 'message',
      role: 'assistant',
      status: 'in_progress',
      content: [{ type: 'output_audio', transcript: '' }],
    },
  } as const;
  const delta = {
    type: 'response.output_audio_transcript.delta',
    item_id: 'i',
    delta: 'Good morning to you.',
  } as const;

  it('counts as heard when it is sent, until the server says where it was cut off', () => {
    let items = [added, delta].reduce(
      (all, event) => overheard(all, event as never, 0),
      [] as ReturnType<typeof overheard>,
    );
    expect(items[0]).toMatchObject({ heard: 'Good morning to you.', unheard: '' });
    const cut = { type: 'conversation.item.truncated', item_id: 'i' };
    const item = {
      ...added.item,
      status: 'incomplete',
      content: [{ type: 'output_audio', transcript: 'Good morning' }],
    };
    items = overheard(items, cut as never, 0);
    items = overheard(items, { type: 'conversation.item.retrieved', item } as never, 0);
    expect(items[0]).toMatchObject({ heard: 'Good morning', unheard: ' to you.' });
  });
});

describe('figures', () => {
  it('are of the worse direction, and of what happened since the look before', () => {
    expect(lossOf(CALL)).toBe(0.1);
    expect(lossOf(CALL, CALL)).toBe(0);
    const later = { ...CALL, packets_received: 1000, packets_sent: 1100, peer_packets_lost: 70 };
    expect(lossOf(later, CALL)).toBe(0.5);
    expect(lossOf({ ...CALL, packets_received: 0, packets_lost: 0, packets_sent: 0 })).toBe(0);
  });

  it('are short', () => {
    expect([percent(0), percent(0.004), percent(0.5)]).toEqual(['0 %', '0.4 %', '50 %']);
    expect([wait(340.4), wait(1234)]).toEqual(['340 ms', '1.2 s']);
    expect([duration(42.9), duration(3723), duration(-1)]).toEqual(['0:42', '1:02:03', '0:00']);
    expect(moneyOf(null)).toBe('–');
    expect(moneyOf({ nano_usd: 0, unpriced_lines: 2 })).toBe('no price known');
    expect(moneyOf({ nano_usd: 16_000_000, unpriced_lines: 1 })).toBe('$0.016 and more');
    expect(usedOf({ what: 'sessions_at_once', used: 2, limit: 3 })).toBe('2 of 3');
    expect(usedOf({ what: 'tenant_day', used: 0.0316, limit: 2 })).toBe('$0.032 of $2.00');
  });
});
