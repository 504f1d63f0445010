import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandOf, type MockOptions, started } from './command';
import type { Fault } from './script';

/** A fault that struck, and the number of the connection, turn or response. */
export interface Struck {
  name: string;
  place: 'secret' | 'connection' | 'turn' | 'response';
  number: number;
}

export interface ArmedFaults {
  /** Those that are not spent. */
  armed: Fault[];
  struck: Struck[];
}

const STOP_TIMEOUT_MS = 5_000;

/**
 * Start `antiphon mock` in a process of its own, on a free port of this machine.
 *
 * Rejects with `MockNotStarted`.
 */
export async function startMock(options: MockOptions = {}): Promise<Mock> {
  const script = await scriptFile(options.script);
  try {
    const { url, process } = await started(commandOf(options, script.path), options.startTimeoutMs);
    const mock = new Mock(url, process, script.remove);
    try {
      if (options.faults?.length) await mock.arm(...options.faults);
    } catch (error) {
      await mock.stop();
      throw error;
    }
    return mock;
  } catch (error) {
    await script.remove();
    throw error;
  }
}

/** A mock that answers. */
export class Mock {
  readonly #process: ChildProcess;
  readonly #cleanUp: () => Promise<void>;

  constructor(
    /** As `http://127.0.0.1:41234`. */
    readonly url: string,
    process: ChildProcess,
    cleanUp: () => Promise<void>,
  ) {
    this.#process = process;
    this.#cleanUp = cleanUp;
  }

  /** As `ws://127.0.0.1:41234`. */
  get websocketUrl(): string {
    return this.url.replace('http', 'ws');
  }

  /** Let these happen, each by its name alone or as it is told: all of them or none. */
  async arm(...faults: readonly (string | Fault)[]): Promise<ArmedFaults> {
    const body = faults.map((fault) => (typeof fault === 'string' ? { name: fault } : fault));
    return this.#faults('POST', JSON.stringify(body));
  }

  /** What is armed, and what has struck. */
  async faults(): Promise<ArmedFaults> {
    return this.#faults('GET');
  }

  /** Disarm all; what has struck goes on. */
  async disarm(): Promise<ArmedFaults> {
    return this.#faults('DELETE');
  }

  /** End it, and all its sessions with it. A second time nothing happens. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(late);
    }
    await this.#cleanUp();
  }

  async #faults(method: string, body?: string): Promise<ArmedFaults> {
    const response = await fetch(`${this.url}/mock/faults`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    const told = (await response.json()) as ArmedFaults & { error?: { message: string } };
    if (!response.ok) throw new Error(told.error?.message ?? `HTTP ${response.status}`);
    return { armed: told.armed, struck: told.struck };
  }
}

async function scriptFile(script: MockOptions['script']) {
  if (script === undefined || typeof script === 'string') {
    return { path: script ?? null, remove: async () => {} };
  }
  const folder = await mkdtemp(join(tmpdir(), 'antiphon-mock-'));
  const path = join(folder, 'script.json');
  await writeFile(path, JSON.stringify(script));
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}
