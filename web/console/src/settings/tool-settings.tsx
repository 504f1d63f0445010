import { readTools, TOOLS_EXAMPLE } from '../preferences';
import { Draft } from './draft';
import type { Chosen } from './fields';

export function ToolSettings({ preferences, change }: Chosen) {
  return (
    <fieldset>
      <legend>Tools</legend>
      <Draft
        label="Functions, each with the result it returns (JSON)"
        api="tools"
        lines={8}
        value={preferences.tools}
        placeholder={TOOLS_EXAMPLE}
        onDone={(tools) => change({ tools })}
      >
        {(draft) => <Verdict text={draft} />}
      </Draft>
      {!preferences.tools && (
        <button type="button" onClick={() => change({ tools: TOOLS_EXAMPLE })}>
          Use the example
        </button>
      )}
    </fieldset>
  );
}

function Verdict({ text }: { text: string }) {
  const { tools, problem } = readTools(text);
  if (problem) {
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  }
  return tools.length ? <p className="quiet">{tools.map(({ name }) => name).join(', ')}</p> : null;
}
