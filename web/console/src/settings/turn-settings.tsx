import { type Chosen, Select, Slider, Switch } from './fields';

const TURNS = [
  ['semantic_vad', 'When I have finished my sentence'],
  ['server_vad', 'After a pause'],
  ['push_to_talk', 'Push to talk'],
] as const;
const EAGERNESS = [
  ['auto', 'Balanced'],
  ['low', 'Patient'],
  ['medium', 'Medium'],
  ['high', 'Quick'],
] as const;

export function TurnSettings({ preferences, change }: Chosen) {
  const { turns } = preferences;
  return (
    <fieldset>
      <legend>Taking turns</legend>
      <Select
        label="When the agent answers"
        api="turn_detection"
        value={turns}
        options={TURNS}
        onChange={(chosen) => change({ turns: chosen })}
      />
      {turns === 'server_vad' && (
        <>
          <Slider
            label="Pause that ends a turn"
            api="silence_duration_ms"
            unit=" ms"
            value={preferences.silenceMs}
            min={200}
            max={2000}
            step={50}
            onChange={(silenceMs) => change({ silenceMs })}
          />
          <Slider
            label="Speech threshold"
            api="threshold"
            value={preferences.threshold}
            min={0.1}
            max={0.95}
            step={0.05}
            onChange={(threshold) => change({ threshold })}
          />
          <Slider
            label="Audio kept from before I speak"
            api="prefix_padding_ms"
            unit=" ms"
            value={preferences.paddingMs}
            min={0}
            max={1000}
            step={50}
            onChange={(paddingMs) => change({ paddingMs })}
          />
        </>
      )}
      {turns === 'semantic_vad' && (
        <Select
          label="Eagerness"
          api="eagerness"
          value={preferences.eagerness}
          options={EAGERNESS}
          onChange={(eagerness) => change({ eagerness })}
        />
      )}
      {turns === 'push_to_talk' ? (
        <p className="quiet">Hold Space or the button while you speak.</p>
      ) : (
        <Switch
          label="I can interrupt the agent"
          api="interrupt_response"
          isOn={preferences.interruptible}
          onChange={(interruptible) => change({ interruptible })}
        />
      )}
      <Switch
        label="Show my words while I speak"
        api="transcription"
        isOn={preferences.showsPartials}
        onChange={(showsPartials) => change({ showsPartials })}
      />
    </fieldset>
  );
}
