/** What an example program is told of the settings. Pure. */

import { type ClientTool, firstSession, type WireSession } from '@antiphon/react';
import { optionsOf, type Preferences } from '../preferences';

export interface Setup {
  /** As `http://127.0.0.1:8080/v1`. */
  url: string;
  model: string;
  /** The session object, as the protocol spells it. */
  session: WireSession;
  tools: ExampleTool[];
}

export interface ExampleTool {
  name: string;
  description: string;
  parameters: object;
  /** What it always returns. */
  result: string;
}

/** What the program says, so that there is an answer to hear. */
export const FIRST_WORDS = 'What can you do?';

export function setupOf(preferences: Preferences, model: string, page: string): Setup {
  const { url, session, tools = [], codec = 'opus' } = optionsOf(preferences, '');
  return {
    url: new URL(url ?? '/v1', page).href,
    model: preferences.model || model,
    session: {
      type: 'realtime',
      ...firstSession(session ?? {}, { tools, codec, transport: 'websocket' }),
    },
    tools: tools.map(exampleOf),
  };
}

function exampleOf({ name, description = '', parameters = {}, run }: ClientTool): ExampleTool {
  const result = run?.({}, { callId: '', signal: new AbortController().signal });
  const text = typeof result === 'string' ? result : JSON.stringify(result);
  return { name, description, parameters, result: text };
}
