/** Tests of the restaurant's phone: no key and no network. */
import { fileURLToPath } from 'node:url';
import { type Mock, startMock } from '@antiphon/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Call } from './restaurant';

const MENU = 'Tonight we have onion soup, then trout with almonds or a risotto, and plum cake.';
const PATIENCE = { timeout: 20_000 };
vi.setConfig({ testTimeout: 30_000 });

let mock: Mock;
let call: Call;

beforeAll(async () => {
  mock = await startMock({ script: fileURLToPath(new URL('../restaurant.toml', import.meta.url)) });
}, 30_000);
afterAll(() => mock.stop());
beforeEach(async () => {
  call = await Call.answer(`${mock.websocketUrl}/v1/realtime?model=any`);
});
afterEach(async () => {
  call.session.close();
  await mock.disarm();
});

/** 200 Hz, loud enough for a voice; what is understood of it is in the script. */
function speak(ms: number): void {
  const pcm = Int16Array.from({ length: 24 * ms }, (_, at) => (at % 120 < 60 ? 8000 : -8000));
  call.session.sendAudio(pcm.buffer);
  call.session.sendAudio(new Int16Array(24 * 1000).buffer);
}

test('it answers', async () => {
  call.session.sendMessage('Hello?');
  await vi.waitFor(() => expect(call.said).toEqual(['Good evening.']), PATIENCE);
});

test('it books a table', async () => {
  speak(1500);
  const booked = ['Your table for two at eight is booked.'];
  await vi.waitFor(() => expect(call.said).toEqual(booked), PATIENCE);
});

test('who is interrupted keeps what was heard', async () => {
  call.session.sendMessage('What is on the menu?');
  await new Promise((resolve) => call.session.once('audio_start', resolve));
  await new Promise((resolve) => setTimeout(resolve, 700));
  speak(1000);
  await vi.waitFor(() => {
    const [asked, heard = '', spoken, booked] = call.lines;
    expect(asked).toBe('What is on the menu?');
    expect(MENU.startsWith(heard)).toBe(true);
    expect(heard.length).toBeGreaterThan(5);
    expect(heard.length).toBeLessThan(40);
    expect(spoken).toBe('A table for two at eight, please.');
    expect(booked).toBe('Your table for two at eight is booked.');
  }, PATIENCE);
});

test('it asks again when there are too many requests', async () => {
  await mock.arm('rate_limited');
  call.session.sendMessage('Hello?');
  await vi.waitFor(() => expect(call.said.at(-1)).toBe('Good evening.'), PATIENCE);
  expect(call.failures).toEqual(['rate_limit_exceeded']);
});

test('it gives up in the end', async () => {
  await mock.arm({ name: 'rate_limited', times: null });
  call.session.sendMessage('Hello?');
  const failures = ['rate_limit_exceeded', 'rate_limit_exceeded'];
  await vi.waitFor(() => expect(call.failures).toEqual(failures), PATIENCE);
});
