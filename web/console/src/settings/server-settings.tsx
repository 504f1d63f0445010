import { useEffect, useState } from 'react';
import { apiBeside } from '../preferences';
import { Draft } from './draft';
import { type Chosen, Select } from './fields';

const TRANSPORTS = [
  ['webrtc', 'WebRTC'],
  ['websocket', 'WebSocket'],
] as const;
const CODECS = [
  ['opus', 'Opus'],
  ['pcmu', 'PCMU (telephone)'],
  ['pcma', 'PCMA (telephone)'],
] as const;

interface ServerSettingsProps extends Chosen {
  apiKey: string;
  setApiKey: (key: string) => void;
  /** The server has asked for it. */
  wantsKey: boolean;
}

export function ServerSettings(props: ServerSettingsProps) {
  const { preferences, change, apiKey, setApiKey, wantsKey } = props;
  const models = useModels(preferences.url || apiBeside(document.baseURI), apiKey);
  return (
    <fieldset>
      <legend>Server</legend>
      <Select
        label="Model"
        value={preferences.model}
        options={[
          ['', 'Server default'],
          ...[...new Set([...models, preferences.model])]
            .filter(Boolean)
            .map((model) => [model, model] as const),
        ]}
        onChange={(model) => change({ model })}
      />
      <Select
        label="Transport"
        value={preferences.transport}
        options={TRANSPORTS}
        onChange={(transport) => change({ transport })}
      />
      <Select
        label="Codec"
        value={preferences.codec}
        options={
          preferences.transport === 'webrtc' ? CODECS : [['opus', 'PCM'], ...CODECS.slice(1)]
        }
        onChange={(codec) => change({ codec })}
      />
      <Draft
        label="Address"
        type="url"
        placeholder="this server"
        value={preferences.url}
        onDone={(url) => change({ url: url.trim().replace(/\/+$/, '') })}
      />
      <Draft
        label="Key, if the server wants one"
        type="password"
        isWanted={wantsKey}
        placeholder="kept until this tab is closed"
        value={apiKey}
        onDone={(key) => setApiKey(key.trim())}
      />
    </fieldset>
  );
}

/** Those that the server tells of; none where it does not. */
function useModels(url: string, key: string): string[] {
  const [models, setModels] = useState<string[]>([]);
  useEffect(() => {
    const life = new AbortController();
    const headers: HeadersInit = key ? { Authorization: `Bearer ${key}` } : {};
    fetch(`${url}/models`, { headers, signal: life.signal })
      .then((answer) => (answer.ok ? answer.json() : { data: [] }))
      .then(({ data }) => setModels(data.map(({ id }: { id: string }) => id)))
      .catch(() => {});
    return () => life.abort();
  }, [url, key]);
  return models;
}
