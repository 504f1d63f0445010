import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandOf, findCommand } from '../src/command';
import { type Mock, MockNotStarted, startMock } from '../src/index';

async function started(mock: Mock): Promise<{ type: string }> {
  const response = await fetch(`${mock.url}/v1/realtime/client_secrets`, {
    method: 'POST',
    headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
    body: JSON.stringify({ session: { type: 'realtime' } }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { session: { type: string } }).session;
}

describe('a mock', () => {
  let mock: Mock;

  beforeAll(async () => {
    mock = await startMock({
      script: { replies: [{ when: 'table', says: 'At what time?' }, { says: 'Good evening.' }] },
      faults: ['rate_limited', { name: 'session_expires', ms: 10 }],
    });
  });
  afterAll(() => mock.stop());

  it('answers, with any key', async () => {
    expect((await started(mock)).type).toBe('realtime');
    expect(mock.websocketUrl).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
  });

  it('is told what is to go wrong, at once or later', async () => {
    const names = async () => (await mock.faults()).armed.map((fault) => fault.name);
    expect(await names()).toEqual(['rate_limited', 'session_expires']);
    await mock.arm('done_dropped', { name: 'stall_in_audio', ms: 100 });
    expect(await names()).toHaveLength(4);
    await mock.disarm();
    expect(await names()).toEqual([]);
  });

  it('says so of a fault that it does not know', async () => {
    await expect(mock.arm('rain')).rejects.toThrow(/rain/);
  });

  it('tells what has struck', async () => {
    await mock.arm('secret_not_minted');
    const response = await fetch(`${mock.url}/v1/realtime/client_secrets`, { method: 'POST' });
    expect(response.status).toBe(500);
    const { struck } = await mock.faults();
    expect(struck.at(-1)).toEqual({ name: 'secret_not_minted', place: 'secret', number: 2 });
  });
});

it('ends with its process, and can be stopped twice', async () => {
  const mock = await startMock();
  await mock.stop();
  await mock.stop();
  await expect(fetch(mock.url)).rejects.toThrow();
});

describe('one that does not start', () => {
  it('says what is wrong with its script', async () => {
    // @ts-expect-error -- It is "says".
    const starting = startMock({ script: { replies: [{ say: 'Hello.' }] } });
    await expect(starting).rejects.toThrow(MockNotStarted);
    await expect(starting).rejects.toThrow(/`say`/);
  });

  it('says that there is no such command', async () => {
    const starting = startMock({ command: ['/nowhere/antiphon'] });
    await expect(starting).rejects.toThrow(/\/nowhere\/antiphon.*ENOENT/s);
  });

  it('is not waited for longer than is told', async () => {
    const idle = [process.execPath, '-e', 'setInterval(() => {}, 1000)', '--'];
    const starting = startMock({ command: idle, startTimeoutMs: 300 });
    await expect(starting).rejects.toThrow(/does not listen after 300 ms/);
  });

  it('ends without a fault that there is none of', async () => {
    await expect(startMock({ faults: ['rain'] })).rejects.toThrow(/rain/);
  });
});

describe('the command', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'antiphon-testing-'));
    for (const place of ['.venv/bin', 'deep/er', 'path']) {
      await mkdir(join(folder, place), { recursive: true });
    }
    await writeFile(join(folder, 'path/antiphon'), '');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is on the path, or in the nearest .venv, or as it is told', async () => {
    const deep = join(folder, 'deep/er');
    expect(findCommand(deep, { PATH: join(folder, 'path') })).toEqual([
      join(folder, 'path/antiphon'),
    ]);
    await writeFile(join(folder, '.venv/bin/antiphon'), '');
    const nearest = [join(folder, '.venv/bin/antiphon')];
    expect(existsSync(nearest[0] as string)).toBe(true);
    expect(findCommand(deep, { PATH: join(folder, 'path') })).toEqual(nearest);
    expect(findCommand(deep, { ANTIPHON_COMMAND: 'uv run antiphon' })).toEqual([
      'uv',
      'run',
      'antiphon',
    ]);
  });

  it('is told all that is asked for, and to end with this process', () => {
    const options = { command: ['antiphon'], keys: ['a'], sessionMaxSeconds: 60, lenient: true };
    expect(commandOf(options, 'desk.toml').join(' ')).toBe(
      'antiphon mock --port 0 --stop-with-stdin --script desk.toml --key a --session-max-seconds 60 --lenient',
    );
  });

  it('is missed with words that say what to do', () => {
    expect(() => findCommand(tmpdir(), { PATH: '' })).toThrow(/ANTIPHON_COMMAND/);
  });
});
