import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Fault, MockScript } from './script';

export interface MockOptions {
  /** What it says: a script, or the path of one. Without one, it says that it hears you. */
  script?: MockScript | string;
  /** Armed before anybody comes, beside those of the script. */
  faults?: readonly (string | Fault)[];
  /** The only keys that it accepts. Without any, it accepts all. */
  keys?: readonly string[];
  /** A session's longest time; an hour, where it is not told. */
  sessionMaxSeconds?: number;
  /** Take unknown session fields, which OpenAI refuses. */
  lenient?: boolean;
  /**
   * What starts Antiphon, as `['uv', 'run', 'antiphon']`. Where it is not told: the environment's
   * `ANTIPHON_COMMAND`; `.venv/bin/antiphon` here or in a folder above; `antiphon` on the path.
   */
  command?: readonly string[];
  /** How long it may take until it listens; 30 s. */
  startTimeoutMs?: number;
}

/** The mock did not start; the message says why, and what to do. */
export class MockNotStarted extends Error {
  override name = 'MockNotStarted';
}

const START_TIMEOUT_MS = 30_000;
/** Of what it says on standard error; the oldest goes. */
const MAX_COMPLAINT_LETTERS = 20_000;

/** Raises {@link MockNotStarted}: Antiphon is nowhere. */
export function findCommand(
  folder: string = process.cwd(),
  environment: NodeJS.ProcessEnv = process.env,
): readonly string[] {
  const told = environment.ANTIPHON_COMMAND?.trim();
  if (told) return told.split(/\s+/);
  const script = process.platform === 'win32' ? 'Scripts/antiphon.exe' : 'bin/antiphon';
  for (let at = folder; ; at = dirname(at)) {
    const here = join(at, '.venv', script);
    if (existsSync(here)) return [here];
    if (at === dirname(at)) break;
  }
  for (const at of (environment.PATH ?? '').split(delimiter)) {
    const here = join(at, process.platform === 'win32' ? 'antiphon.exe' : 'antiphon');
    if (at && existsSync(here)) return [here];
  }
  throw new MockNotStarted(
    "There is no 'antiphon' in a .venv above this folder or on the path: install it, " +
      "or name what starts it by the option 'command' or by ANTIPHON_COMMAND.",
  );
}

/** `antiphon mock` and what it is told, but for its script and its faults with more than a name. */
export function commandOf(options: MockOptions, scriptPath: string | null): string[] {
  const command = [
    ...(options.command ?? findCommand()),
    'mock',
    '--port',
    '0',
    '--stop-with-stdin',
  ];
  if (scriptPath !== null) command.push('--script', scriptPath);
  for (const key of options.keys ?? []) command.push('--key', key);
  if (options.sessionMaxSeconds !== undefined) {
    command.push('--session-max-seconds', String(options.sessionMaxSeconds));
  }
  if (options.lenient) command.push('--lenient');
  return command;
}

export interface Running {
  url: string;
  process: ChildProcess;
}

/** Start a command, and wait until it tells its URL. Rejects with {@link MockNotStarted}. */
export function started(
  command: readonly string[],
  timeoutMs = START_TIMEOUT_MS,
): Promise<Running> {
  const [program = '', ...args] = command;
  // Its standard input ends with this process, however that ends, and so does the mock.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '';
    let complaint = '';
    const fail = (why: string) => {
      clearTimeout(late);
      child.kill('SIGKILL');
      reject(new MockNotStarted(`${command.join(' ')}: ${why}\n${complaint || said}`.trim()));
    };
    const late = setTimeout(() => fail(`it does not listen after ${timeoutMs} ms`), timeoutMs);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-MAX_COMPLAINT_LETTERS);
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-MAX_COMPLAINT_LETTERS);
      const url = /listens on (https?:\/\/\S+)\s/.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(late);
      resolve({ url, process: child });
    });
    child.once('error', (error) => fail(error.message));
    child.once('close', (code) => fail(`it ended with ${code}`));
  });
}
