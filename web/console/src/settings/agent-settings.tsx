import { Draft } from './draft';
import type { Chosen } from './fields';

export function AgentSettings({ preferences, change }: Chosen) {
  return (
    <fieldset>
      <legend>Agent</legend>
      <Draft
        label="Instructions"
        lines={6}
        value={preferences.instructions}
        placeholder="Who the agent is, and what it shall do. The offline engine takes “Say exactly: …”, or a script."
        onDone={(instructions) => change({ instructions })}
      />
    </fieldset>
  );
}
