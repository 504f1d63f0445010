/** How often to try again, and what to tell the server then. Pure. */

import type { ReconnectOptions } from './options';
import type { WireEvent } from './protocol';
import type { ConversationItem, MessageItem } from './snapshot';

export const RECONNECT: ReconnectOptions = { maxAttempts: 8, baseDelayMs: 500, maxDelayMs: 10_000 };

/** The wait before an attempt (from 0): doubled each time, and half of it by chance. */
export function delayMs(attempt: number, options: ReconnectOptions, random: number): number {
  const full = Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** attempt);
  return full * (0.5 + 0.5 * random);
}

/** A server can be told of it: something of it was said, or called. */
export function isTellable(item: ConversationItem): boolean {
  return wireItems(item).length > 0;
}

/**
 * The conversation so far as `conversation.item.create` events, in order, by their old ids. Pictures
 * longer than `maxLength` characters are left out.
 */
export function restoring(items: readonly ConversationItem[], maxLength: number): WireEvent[] {
  const events: WireEvent[] = [];
  let previous = 'root';
  for (const item of items) {
    for (const wire of wireItems(item, maxLength)) {
      events.push({ type: 'conversation.item.create', previous_item_id: previous, item: wire });
      previous = wire.id;
    }
  }
  return events;
}

/** What was said here and the server has not told of yet, as events that may be refused. */
export function unsent(
  items: readonly ConversationItem[],
  announced: ReadonlySet<string>,
  maxLength: number,
): WireEvent[] {
  return items
    .filter(
      (item) => item.type === 'tool_call' || (item.role === 'user' && item.source === 'typed'),
    )
    .flatMap((item) => wireItems(item, maxLength))
    .filter((wire) => wire.type !== 'function_call' && !announced.has(wire.id))
    .map((item) => ({ type: 'conversation.item.create', item }));
}

interface CreatedItem {
  id: string;
  type: string;
  [field: string]: unknown;
}

function wireItems(item: ConversationItem, maxLength = Number.POSITIVE_INFINITY): CreatedItem[] {
  if (item.type === 'message') return wireMessage(item, maxLength);
  // Half a call means nothing to a model.
  if (item.status !== 'completed') return [];
  const { id, callId, name } = item;
  const call = {
    id,
    type: 'function_call',
    call_id: callId,
    name,
    arguments: item.arguments,
  };
  if (item.output === null) return [call];
  return [
    call,
    { id: outputId(id), type: 'function_call_output', call_id: callId, output: item.output },
  ];
}

/** Ids may have 32 characters. */
function outputId(callItemId: string): string {
  return `out_${callItemId}`.slice(0, 32);
}

function wireMessage(item: MessageItem, maxLength: number): CreatedItem[] {
  const text = item.interrupted ? item.heard : item.text;
  const type = item.role === 'assistant' ? 'output_text' : 'input_text';
  const content: object[] = text.trim() ? [{ type, text }] : [];
  for (const image of item.images) {
    if (image && image.length <= maxLength) content.push({ type: 'input_image', image_url: image });
  }
  return content.length ? [{ id: item.id, type: 'message', role: item.role, content }] : [];
}
