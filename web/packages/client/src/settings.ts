/** A page's settings as the protocol's session object. Pure. */

import type { ClientTool, Codec, SessionSettings, TransportKind } from './options';
import type { AudioFormat, WireSession, WireTool } from './protocol';

const FORMATS: Record<Codec, AudioFormat> = {
  opus: { type: 'audio/pcm', rate: 24_000 },
  pcmu: { type: 'audio/pcmu' },
  pcma: { type: 'audio/pcma' },
};

/** The part of the session that the settings speak of, and nothing else. */
export function sessionOf(settings: SessionSettings): WireSession {
  const { instructions, voice, speed, turnDetection, transcription, noiseReduction } = settings;
  const input = defined({
    turn_detection: turnDetection,
    transcription,
    noise_reduction: noiseReduction && { type: noiseReduction },
  });
  if (noiseReduction === null) input.noise_reduction = null;
  const output = defined({ voice, speed });
  const audio = defined({ input: filled(input), output: filled(output) });
  return merge(
    defined({
      instructions,
      tool_choice: settings.toolChoice,
      max_output_tokens: settings.maxOutputTokens,
      audio: filled(audio),
    }),
    settings.wire ?? {},
  ) as WireSession;
}

/** The first `session.update` of a connection. */
export function firstSession(
  settings: SessionSettings,
  {
    tools,
    codec,
    transport,
  }: { tools: readonly ClientTool[]; codec: Codec; transport: TransportKind },
): WireSession {
  let session = sessionOf({ transcription: { model: 'gpt-4o-mini-transcribe' }, ...settings });
  if (tools.length) session.tools = wireTools(tools);
  if (transport === 'websocket') {
    const format = FORMATS[codec];
    session = merge({ audio: { input: { format }, output: { format } } }, session) as WireSession;
  }
  return session;
}

export function wireTools(tools: readonly ClientTool[]): WireTool[] {
  return tools.map(({ name, description, parameters }) => ({
    type: 'function',
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
  }));
}

type Fields = Record<string, unknown>;

/** `over` wins; objects are merged field by field, as the server does it. */
export function merge(under: object, over: object): Fields {
  const result: Fields = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const old = result[name];
    result[name] = isObject(old) && isObject(value) ? merge(old, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function defined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function filled(fields: Fields): Fields | undefined {
  return Object.keys(fields).length ? fields : undefined;
}
