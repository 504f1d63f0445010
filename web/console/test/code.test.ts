import { describe, expect, it } from 'vitest';
import { javascriptOf } from '../src/code/javascript';
import { JAVASCRIPT, literal, PYTHON } from '../src/code/literal';
import { pythonOf } from '../src/code/python';
import { setupOf } from '../src/code/setup';
import { DEFAULTS, type Preferences, TOOLS_EXAMPLE } from '../src/preferences';

const PAGE = 'http://127.0.0.1:8080/';
const setup = (chosen: Partial<Preferences> = {}) =>
  setupOf({ ...DEFAULTS, url: '/v1', ...chosen }, 'gpt-realtime', PAGE);

describe('a literal', () => {
  it('is spelled as the language has it', () => {
    const value = { on: true, off: null, 'two words': [1, 'a "b"\n'] };
    expect(literal(value, PYTHON)).toBe(
      '{"on": True, "off": None, "two words": [1, "a \\"b\\"\\n"]}',
    );
    expect(literal(value, JAVASCRIPT)).toBe(
      '{on: true, off: null, "two words": [1, "a \\"b\\"\\n"]}',
    );
  });

  it('is broken where it is long, and what JSON leaves out is left out', () => {
    const value = { first: 'x'.repeat(60), second: { third: 'y'.repeat(20) }, gone: undefined };
    expect(literal(value, JAVASCRIPT)).toBe(
      `{\n  first: "${'x'.repeat(60)}",\n  second: {third: "${'y'.repeat(20)}"},\n}`,
    );
  });
});

describe('code for the settings', () => {
  it('has the session that the page asks for', () => {
    const { session, url, model } = setup({ voice: 'ash', silenceMs: 800, turns: 'server_vad' });
    expect(url).toBe('http://127.0.0.1:8080/v1');
    expect(model).toBe('gpt-realtime');
    expect(session.type).toBe('realtime');
    expect(session.audio?.output?.voice).toBe('ash');
    expect(session.audio?.input?.turn_detection).toMatchObject({ silence_duration_ms: 800 });
  });

  it('connects to the chosen server and model', () => {
    const chosen = setup({ url: 'https://voice.example.com/v1', model: 'my model' });
    expect(pythonOf(chosen)).toContain('base_url="https://voice.example.com/v1"');
    expect(pythonOf(chosen)).toContain('connect(model="my model")');
    expect(javascriptOf(chosen)).toContain(
      'url: "wss://voice.example.com/v1/realtime?model=my+model"',
    );
  });

  it('answers calls only where there are tools', () => {
    expect(pythonOf(setup())).not.toContain('RESULTS');
    expect(javascriptOf(setup())).not.toContain('tool(');
    const withTools = setup({ tools: TOOLS_EXAMPLE });
    expect(pythonOf(withTools)).toContain('RESULTS = {"opening_hours": "Nine to five."}');
    expect(javascriptOf(withTools)).toContain('execute: () => "Nine to five."');
  });

  it('saves telephone sound as it comes', () => {
    const telephone = pythonOf(setup({ codec: 'pcmu' }));
    expect(telephone).toContain('answer.ulaw');
    expect(telephone).not.toContain('wave');
  });
});
