import type { Model } from '../use-models';
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
  models: readonly Model[];
  apiKey: string;
  setApiKey: (key: string) => void;
  /** The server has asked for it. */
  wantsKey: boolean;
}

export function ServerSettings(props: ServerSettingsProps) {
  const { preferences, change, models, apiKey, setApiKey, wantsKey } = props;
  return (
    <fieldset>
      <legend>Server</legend>
      <Select
        label="Model"
        api="model"
        value={preferences.model}
        options={[
          ['', 'Server default'],
          ...[...new Set([...models.map(({ id }) => id), preferences.model])]
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
        api="format"
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
