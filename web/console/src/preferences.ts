/** What the person chose, how it is kept, and what it means to the client. Pure. */

import type { ClientTool, Codec, TransportKind, VoiceSessionOptions } from '@antiphon/react';

export interface Preferences {
  /** The API's base; empty: this page's own server. */
  url: string;
  model: string;
  transport: TransportKind;
  codec: Codec;
  instructions: string;
  voice: string;
  speed: number;
  turns: 'server_vad' | 'semantic_vad' | 'push_to_talk';
  threshold: number;
  silenceMs: number;
  paddingMs: number;
  eagerness: 'auto' | 'low' | 'medium' | 'high';
  interruptible: boolean;
  /** One's own words appear while one speaks, not after. */
  showsPartials: boolean;
  /** Empty: what the system prefers. */
  deviceId: string;
  noiseSuppression: boolean;
  echoCancellation: boolean;
  autoGainControl: boolean;
  noiseReduction: 'near_field' | 'far_field' | 'off';
  /** JSON as it was typed; see `readTools`. */
  tools: string;
  theme: 'system' | 'light' | 'dark';
  /** Beside the conversation, where there is room. */
  showsDetails: boolean;
}

export const VOICES = [
  ...['marin', 'cedar', 'alloy', 'ash', 'ballad'],
  ...['coral', 'echo', 'sage', 'shimmer', 'verse'],
];

/** Models that transcribe: one shows words while they are said, the other once the turn is over. */
const WHILE_SPEAKING = 'gpt-realtime-whisper';
const AFTER_SPEAKING = 'gpt-4o-mini-transcribe';

export const DEFAULTS: Preferences = {
  url: '',
  model: '',
  transport: 'webrtc',
  codec: 'opus',
  instructions: '',
  voice: 'marin',
  speed: 1,
  turns: 'semantic_vad',
  threshold: 0.5,
  silenceMs: 500,
  paddingMs: 300,
  eagerness: 'auto',
  interruptible: true,
  showsPartials: true,
  deviceId: '',
  noiseSuppression: true,
  echoCancellation: true,
  autoGainControl: true,
  noiseReduction: 'off',
  tools: '',
  theme: 'system',
  showsDetails: true,
};

const NAME = 'antiphon-console';

/** What was kept, as far as it still fits. */
export function load(storage: Pick<Storage, 'getItem'>): Preferences {
  try {
    const kept: unknown = JSON.parse(storage.getItem(NAME) ?? '{}');
    const known = Object.entries(kept as object).filter(
      ([name, value]) => typeof value === typeof DEFAULTS[name as keyof Preferences],
    );
    return { ...DEFAULTS, ...Object.fromEntries(known) };
  } catch {
    return DEFAULTS;
  }
}

/** A storage that is full or forbidden keeps nothing: the page works all the same. */
export function save(storage: Pick<Storage, 'setItem'>, preferences: Preferences): void {
  try {
    storage.setItem(NAME, JSON.stringify(preferences));
  } catch {}
}

/** The API of the server that served a page: beside it, also where a proxy serves both under a path. */
export function apiBeside(page: string): string {
  return page.startsWith('http') ? new URL('v1', page).pathname : '/v1';
}

/** What the client is told. `key`: of a server that wants one. */
export function optionsOf(preferences: Preferences, key: string): VoiceSessionOptions {
  const { url, model, transport, codec, instructions, voice, speed } = preferences;
  return {
    url: url || apiBeside(document.baseURI),
    transport,
    codec,
    session: {
      instructions,
      voice,
      speed,
      turnDetection: turnDetectionOf(preferences),
      transcription: { model: preferences.showsPartials ? WHILE_SPEAKING : AFTER_SPEAKING },
      noiseReduction: preferences.noiseReduction === 'off' ? null : preferences.noiseReduction,
      // Another vendor's server refuses what it does not know.
      ...(url ? {} : { wire: { antiphon: { cost: true, timeline: true } } }),
    },
    tools: readTools(preferences.tools).tools,
    microphone: microphoneOf(preferences),
    rememberAs: 'console',
    ...(model ? { model } : {}),
    ...(key ? { key } : {}),
  };
}

export function microphoneOf({
  deviceId,
  noiseSuppression,
  echoCancellation,
  autoGainControl,
}: Preferences) {
  const processing = { noiseSuppression, echoCancellation, autoGainControl };
  return deviceId ? { deviceId, ...processing } : processing;
}

function turnDetectionOf({ turns, ...chosen }: Preferences) {
  switch (turns) {
    case 'push_to_talk':
      return null;
    case 'semantic_vad':
      return {
        type: turns,
        eagerness: chosen.eagerness,
        interrupt_response: chosen.interruptible,
        ...(chosen.interruptible ? { overlap: {} } : {}),
      } as const;
    case 'server_vad':
      return {
        type: turns,
        threshold: chosen.threshold,
        silence_duration_ms: chosen.silenceMs,
        prefix_padding_ms: chosen.paddingMs,
        interrupt_response: chosen.interruptible,
      } as const;
  }
}

export const TOOLS_EXAMPLE = `[
  {
    "name": "opening_hours",
    "description": "Tell the opening hours.",
    "parameters": { "type": "object", "properties": {} },
    "result": "Nine to five."
  }
]`;

/** The tools that a text describes, each with the result it always gives. */
export function readTools(text: string): { tools: ClientTool[]; problem: string | null } {
  const none = (problem: string | null) => ({ tools: [], problem });
  if (!text.trim()) return none(null);
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    return none(`This is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!Array.isArray(list)) return none('Tools must be a list: [ { "name": … } ]');
  const tools: ClientTool[] = [];
  for (const [index, tool] of list.entries()) {
    const problem = problemOf(tool);
    if (problem) return none(`Tool ${index + 1}: ${problem}`);
    const { result, name, description, parameters } = tool;
    tools.push({ name, description, parameters, run: () => result ?? 'done' });
  }
  return { tools, problem: null };
}

function problemOf(tool: unknown): string | null {
  if (typeof tool !== 'object' || tool === null) return 'it is not an object';
  const { name, description = '', parameters = {} } = tool as Record<string, unknown>;
  if (typeof name !== 'string' || !/^[\w-]{1,64}$/.test(name)) {
    return '"name" must be 1 to 64 letters, digits, _ or -';
  }
  if (typeof description !== 'string') return '"description" must be text';
  if (typeof parameters !== 'object' || parameters === null)
    return '"parameters" must be a JSON schema';
  return null;
}
