import { describe, expect, it } from 'vitest';
import {
  apiBeside,
  DEFAULTS,
  load,
  optionsOf,
  readTools,
  save,
  TOOLS_EXAMPLE,
} from '../src/preferences';

class Kept {
  text: string | null = null;
  getItem = () => this.text;
  setItem = (_: string, text: string) => {
    this.text = text;
  };
}

describe('preferences', () => {
  it('are there again', () => {
    const kept = new Kept();
    save(kept, { ...DEFAULTS, voice: 'ash', silenceMs: 800 });
    expect(load(kept)).toEqual({ ...DEFAULTS, voice: 'ash', silenceMs: 800 });
  });

  it.each(['', 'nonsense', 'null', '[]', '{"silenceMs":"long","voice":7,"unknown":1}'])(
    'that do not fit any more are the defaults: %s',
    (text) => {
      const kept = new Kept();
      kept.text = text;
      expect(load(kept)).toEqual(DEFAULTS);
    },
  );

  it('that cannot be kept disturb nobody', () => {
    const full = {
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    };
    expect(() => save(full, DEFAULTS)).not.toThrow();
  });

  it('ask for words while they are said, or after', () => {
    const model = (showsPartials: boolean) =>
      optionsOf({ ...DEFAULTS, showsPartials }, '').session?.transcription?.model;
    expect(model(true)).toBe('gpt-realtime-whisper');
    expect(model(false)).toBe('gpt-4o-mini-transcribe');
  });

  it('say how turns are taken', () => {
    const turnDetection = (part: Partial<typeof DEFAULTS>) =>
      optionsOf({ ...DEFAULTS, ...part }, '').session?.turnDetection;
    expect(turnDetection({ turns: 'server_vad', silenceMs: 900, interruptible: false })).toEqual({
      type: 'server_vad',
      threshold: 0.5,
      silence_duration_ms: 900,
      prefix_padding_ms: 300,
      interrupt_response: false,
    });
    expect(turnDetection({ turns: 'semantic_vad', eagerness: 'low' })).toEqual({
      type: 'semantic_vad',
      eagerness: 'low',
      interrupt_response: true,
      overlap: {},
    });
    expect(turnDetection({ turns: 'semantic_vad', interruptible: false })).not.toHaveProperty(
      'overlap',
    );
    expect(turnDetection({ turns: 'push_to_talk' })).toBeNull();
  });

  it('name a key, a model and a device only where they are chosen', () => {
    expect(optionsOf(DEFAULTS, '')).not.toHaveProperty('key');
    expect(optionsOf(DEFAULTS, '').session?.wire).toEqual({
      antiphon: { cost: true, timeline: true },
    });
    const elsewhere = optionsOf({ ...DEFAULTS, url: 'https://elsewhere.example/v1' }, '');
    expect(elsewhere.session).not.toHaveProperty('wire');
    expect(optionsOf(DEFAULTS, '')).not.toHaveProperty('model');
    expect(optionsOf(DEFAULTS, '').microphone).not.toHaveProperty('deviceId');
    const chosen = optionsOf({ ...DEFAULTS, model: 'm', deviceId: 'd' }, 'k');
    expect([chosen.key, chosen.model, chosen.microphone?.deviceId]).toEqual(['k', 'm', 'd']);
  });
});

describe('tools', () => {
  it('give the result that was typed', async () => {
    const { tools, problem } = readTools(TOOLS_EXAMPLE);
    expect(problem).toBeNull();
    const [tool] = tools;
    expect(tool?.name).toBe('opening_hours');
    const call = { callId: 'c', signal: new AbortController().signal };
    expect(await tool?.run?.({}, call)).toBe('Nine to five.');
  });

  it.each([
    ['[', /not JSON/],
    ['{}', /list/],
    ['[1]', /Tool 1: .*object/],
    ['[{"name": "a"}, {"name": "no spaces"}]', /Tool 2: "name"/],
    ['[{"name": "a", "parameters": 1}]', /"parameters"/],
    ['[{"name": "a", "description": 1}]', /"description"/],
  ])('that are wrong say where: %s', (text, problem) => {
    expect(readTools(text).problem).toMatch(problem);
    expect(readTools(text).tools).toEqual([]);
  });

  it('may be none', () => {
    expect(readTools('  ')).toEqual({ tools: [], problem: null });
  });
});

describe('the API of the server that served the page', () => {
  it.each([
    ['http://127.0.0.1:8080/', '/v1'],
    ['https://example.com/voice/', '/voice/v1'],
    ['https://example.com/a/voice/index.html', '/a/voice/v1'],
    ['about:blank', '/v1'],
  ])('beside %s it is %s', (page, api) => {
    expect(apiBeside(page)).toBe(api);
  });
});
