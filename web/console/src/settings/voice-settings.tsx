import { VOICES } from '../preferences';
import { type Chosen, Select, Slider } from './fields';
import { PreviewButton } from './preview-button';

const VOICE_OPTIONS = VOICES.map((voice) => [voice, voice] as const);

export function VoiceSettings({ preferences, change, apiKey }: Chosen & { apiKey: string }) {
  return (
    <fieldset>
      <legend>Voice</legend>
      <Select
        label="Voice"
        api="voice"
        value={preferences.voice}
        options={VOICE_OPTIONS}
        onChange={(voice) => change({ voice })}
      >
        <PreviewButton preferences={preferences} apiKey={apiKey} />
      </Select>
      <Slider
        label="Speed"
        api="speed"
        unit="×"
        value={preferences.speed}
        min={0.25}
        max={1.5}
        step={0.05}
        onChange={(speed) => change({ speed })}
      />
    </fieldset>
  );
}
