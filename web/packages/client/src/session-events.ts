/** What a page can listen to. */

import type { VoiceError } from './errors';
import type { LogEntry } from './log';
import type { Snapshot, ToolCallItem } from './snapshot';

export interface SessionEvents {
  change: Snapshot;
  event: LogEntry;
  error: VoiceError;
  /** A call with all its arguments, whether or not a tool here runs. */
  toolCall: ToolCallItem;
}
