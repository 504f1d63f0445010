import type { ConversationItem } from '@antiphon/react';
import { Empty } from './empty';

/** Calls of functions: their arguments as they stream in, and their results. */
export function ToolsTab({ items }: { items: readonly ConversationItem[] }) {
  const calls = items.filter((item) => item.type === 'tool_call').toReversed();
  if (!calls.length)
    return (
      <Empty>
        When the agent calls a function, its arguments and result appear here. Add functions under
        Settings.
      </Empty>
    );
  return (
    <ol className="calls">
      {calls.map((call) => (
        <li key={call.id}>
          <header>
            <code>{call.name}</code>
            <span className="chip" data-failed={call.failed || undefined}>
              {stage(call)}
            </span>
            <time>{new Date(call.atMs).toLocaleTimeString()}</time>
          </header>
          <pre>{indented(call.arguments) || '…'}</pre>
          {call.output !== null && <pre className="output">{indented(call.output)}</pre>}
        </li>
      ))}
    </ol>
  );
}

function stage(call: Extract<ConversationItem, { type: 'tool_call' }>): string {
  if (call.failed) return 'failed';
  if (call.output !== null) return 'answered';
  return call.status === 'in_progress' ? 'calling' : 'running';
}

function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // Still on its way, or plain text.
  }
}
