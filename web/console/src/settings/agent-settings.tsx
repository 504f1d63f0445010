import { Draft } from './draft';
import type { Chosen } from './fields';

export function AgentSettings({ preferences, change }: Chosen) {
  return (
    <fieldset>
      <legend>Agent</legend>
      <Draft
        label="Instructions"
        api="instructions"
        lines={6}
        value={preferences.instructions}
        placeholder="Who the agent is and what it should do. The offline engine understands “Say exactly: …”, or a script."
        onDone={(instructions) => change({ instructions })}
      />
    </fieldset>
  );
}
