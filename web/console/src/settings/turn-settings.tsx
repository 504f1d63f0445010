import { type Chosen, Select, Slider, Switch } from './fields';

const TURNS = [
  ['server_vad', 'A pause ends my turn'],
  ['semantic_vad', 'The sense ends my turn'],
  ['push_to_talk', 'Push to talk'],
] as const;
const EAGERNESS = [
  ['auto', 'Balanced'],
  ['low', 'Lets me finish'],
  ['medium', 'Medium'],
  ['high', 'Answers quickly'],
] as const;

export function TurnSettings({ preferences, change }: Chosen) {
  const { turns } = preferences;
  return (
    <fieldset>
      <legend>Taking turns</legend>
      <Select
        label="When it is the agent’s turn"
        value={turns}
        options={TURNS}
        onChange={(chosen) => change({ turns: chosen })}
      />
      {turns === 'server_vad' && (
        <>
          <Slider
            label="Pause that ends a turn"
            unit=" ms"
            value={preferences.silenceMs}
            min={200}
            max={2000}
            step={50}
            onChange={(silenceMs) => change({ silenceMs })}
          />
          <Slider
            label="How sure it must be that I speak"
            value={preferences.threshold}
            min={0.1}
            max={0.95}
            step={0.05}
            onChange={(threshold) => change({ threshold })}
          />
          <Slider
            label="Kept from before I speak"
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
          value={preferences.eagerness}
          options={EAGERNESS}
          onChange={(eagerness) => change({ eagerness })}
        />
      )}
      {turns === 'push_to_talk' ? (
        <p className="quiet">Hold Space, or the button, while you speak.</p>
      ) : (
        <Switch
          label="Speaking interrupts the agent"
          isOn={preferences.interruptible}
          onChange={(interruptible) => change({ interruptible })}
        />
      )}
    </fieldset>
  );
}
