import type { InspectorProps } from '../inspect/inspector';
import { SHORTCUTS } from '../shell/shortcuts';
import { AgentSettings } from './agent-settings';
import { MicrophoneSettings } from './microphone-settings';
import { ServerSettings } from './server-settings';
import { ToolSettings } from './tool-settings';
import { TurnSettings } from './turn-settings';
import { VoiceSettings } from './voice-settings';

/** All of it takes effect at once, in mid-conversation too. */
export function Settings({ voice, preferences, change, apiKey, setApiKey }: InspectorProps) {
  const chosen = { preferences, change };
  return (
    <div className="settings">
      <VoiceSettings {...chosen} apiKey={apiKey} />
      <TurnSettings {...chosen} />
      <AgentSettings {...chosen} />
      <ToolSettings {...chosen} />
      <MicrophoneSettings {...chosen} isOn={voice.microphone === 'on'} />
      <ServerSettings {...chosen} apiKey={apiKey} setApiKey={setApiKey} />
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
