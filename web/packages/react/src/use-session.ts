import {
  type ClientTool,
  RealtimeVoiceSession,
  type Snapshot,
  type VoiceSessionOptions,
} from '@antiphon/client';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

/** The snapshot of this render, and the session whose methods change it. */
export type RealtimeVoice = Snapshot & { session: RealtimeVoiceSession };

/**
 * One conversation for as long as the component lives. It begins with `session.connect()`.
 *
 * Options may change at any render: functions are always the latest ones, settings and tools go to
 * the server when they change, and another `url`, `model`, `transport` or `codec` connects anew with the same
 * conversation. `mode` and `limits` count once, at the start.
 */
export function useRealtimeVoiceSession(options: VoiceSessionOptions = {}): RealtimeVoice {
  const latest = useRef(options);
  latest.current = options;
  const [session] = useState(() => new RealtimeVoiceSession(following(latest)));
  const snapshot = useSyncExternalStore(
    session.subscribe,
    session.getSnapshot,
    session.getSnapshot,
  );

  useEffect(() => () => session.close(), [session]);

  const { url, model, transport, codec, iceServers, session: settings, tools = [] } = options;
  useOnChange({ url, model, transport, codec, iceServers }, (changed) => {
    // A failure is in the snapshot.
    session.reconfigure(defined(changed)).catch(() => {});
  });
  useOnChange(settings ?? {}, (changed) => session.updateSession(changed));
  useOnChange(
    tools.map(({ name, description, parameters, run }) => [name, description, parameters, !!run]),
    () => session.setTools(followingTools(latest)),
  );

  return { ...snapshot, session };
}

/** Options whose functions are those of the latest render. */
function following(latest: { current: VoiceSessionOptions }): VoiceSessionOptions {
  const options = { ...latest.current, tools: followingTools(latest) };
  if (options.getSecret) {
    options.getSecret = async () => (await latest.current.getSecret?.()) ?? '';
  }
  return options;
}

function followingTools(latest: { current: VoiceSessionOptions }): ClientTool[] {
  return (latest.current.tools ?? []).map((tool) => {
    if (!tool.run) return tool;
    const run: ClientTool['run'] = (args, call) =>
      latest.current.tools?.find(({ name }) => name === tool.name)?.run?.(args, call);
    return { ...tool, run };
  });
}

/** Calls `act` when `value` is another one than at the render before, but not at the first. */
function useOnChange<Value>(value: Value, act: (value: Value) => void): void {
  const key = JSON.stringify(value);
  const known = useRef(key);
  useEffect(() => {
    if (known.current === key) return;
    known.current = key;
    act(value);
  });
}

type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<Fields>;
}
