import { SHORTCUTS } from '../shell/shortcuts';
import type { Model } from '../use-models';
import { AgentSettings } from './agent-settings';
import type { Chosen } from './fields';
import { MicrophoneSettings } from './microphone-settings';
import { ServerSettings } from './server-settings';
import { ToolSettings } from './tool-settings';
import { TurnSettings } from './turn-settings';
import { VoiceSettings } from './voice-settings';

export interface SettingsProps extends Chosen {
  /** The microphone is on. */
  isHearing: boolean;
  models: readonly Model[];
  apiKey: string;
  setApiKey: (key: string) => void;
  /** The server has asked for one. */
  wantsKey: boolean;
}

/** All of it takes effect at once, even during a conversation. */
export function Settings({
  isHearing,
  models,
  apiKey,
  setApiKey,
  wantsKey,
  ...chosen
}: SettingsProps) {
  return (
    <div className="settings">
      <VoiceSettings {...chosen} apiKey={apiKey} />
      <TurnSettings {...chosen} />
      <AgentSettings {...chosen} />
      <ToolSettings {...chosen} />
      <MicrophoneSettings {...chosen} isOn={isHearing} />
      <ServerSettings
        {...chosen}
        models={models}
        apiKey={apiKey}
        setApiKey={setApiKey}
        wantsKey={wantsKey}
      />
      <fieldset>
        <legend>Keys</legend>
        <dl className="keys">
          {SHORTCUTS.map(([keys, what]) => (
            <div key={keys}>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </fieldset>
    </div>
  );
}
