/** The conversation's items, from the events that tell of them. Pure. */

import { heardLength } from './captions';
import type { ServerEvent, WireItem } from './protocol';
import { isTellable } from './reconnect';
import type { ConversationItem, MessageItem, ToolCallItem } from './snapshot';

export type Items = readonly ConversationItem[];

/** The items after a server event; the same array where it changes none. */
export function afterEvent(items: Items, event: ServerEvent, atMs: number): Items {
  switch (event.type) {
    case 'input_audio_buffer.speech_started':
      return placed(items, spokenByUser(event.item_id, atMs));
    case 'input_audio_buffer.committed':
      return placed(items, spokenByUser(event.item_id, atMs), event.previous_item_id);
    case 'input_audio_buffer.cleared':
      // Speech that never became a turn.
      return items.filter((item) => !isOpenSpeech(item));
    case 'conversation.item.added':
    case 'conversation.item.done':
      return withItem(items, event.item, event.previous_item_id, atMs);
    case 'conversation.item.deleted':
      return items.filter((item) => item.id !== event.item_id);
    case 'conversation.item.input_audio_transcription.delta':
      return message(items, event.item_id, (item) => withText(item, item.text + event.delta));
    case 'conversation.item.input_audio_transcription.completed':
      return message(items, event.item_id, (item) => ({
        ...withText(item, event.transcript.trim()),
        transcribing: false,
      }));
    case 'conversation.item.input_audio_transcription.failed':
      return message(items, event.item_id, (item) => ({ ...item, transcribing: false }));
    case 'response.content_part.added':
      return message(items, event.item_id, (item) => ({
        ...item,
        source: event.part.type.endsWith('audio') ? 'spoken' : 'typed',
      }));
    case 'response.output_text.delta':
    case 'response.output_audio_transcript.delta':
      return message(items, event.item_id, (item) => withText(item, item.text + event.delta));
    case 'response.output_text.done':
      return message(items, event.item_id, (item) => withText(item, event.text));
    case 'response.output_audio_transcript.done':
      return message(items, event.item_id, (item) =>
        event.transcript.length >= item.text.length ? withText(item, event.transcript) : item,
      );
    case 'response.function_call_arguments.delta':
      return toolCall(items, event.item_id, (call) => ({
        ...call,
        arguments: call.arguments + event.delta,
      }));
    case 'response.function_call_arguments.done':
      return toolCall(items, event.item_id, (call) => ({ ...call, arguments: event.arguments }));
    case 'response.output_item.done':
      return items.some((item) => item.id === event.item.id)
        ? withItem(items, event.item, undefined, atMs)
        : items;
    case 'conversation.item.truncated':
      return message(items, event.item_id, (item) => cutAt(item, item.heard.length));
    case 'conversation.item.retrieved':
      return retrieved(items, event.item);
    default:
      return items;
  }
}

/** The item was heard this far. */
export function heardUpTo(items: Items, itemId: string, length: number): Items {
  return message(items, itemId, (item) => {
    if (item.interrupted || item.source === 'typed' || length <= item.heard.length) return item;
    return { ...item, heard: item.text.slice(0, length) };
  });
}

/** All of it was heard, unless it was cut off. */
export function heardWhole(items: Items, itemId: string): Items {
  return heardUpTo(items, itemId, Number.POSITIVE_INFINITY);
}

/** The user, or an interruption of the page, cut it off after `length` characters. */
export function interruptedAt(items: Items, itemId: string, length: number): Items {
  return message(items, itemId, (item) => cutAt(item, length));
}

/** It goes on after all, from where it was cut off. */
export function resumed(items: Items, itemId: string): Items {
  return message(items, itemId, (item) => ({ ...item, interrupted: false, unheard: '' }));
}

export function withToolOutput(
  items: Items,
  callId: string,
  output: string,
  failed: boolean,
): Items {
  return replaced(
    items,
    (item) => item.type === 'tool_call' && item.callId === callId,
    (item) => ({ ...(item as ToolCallItem), output, failed }),
  );
}

/** What the connection left open when it was lost is closed as it is. */
export function afterLoss(items: Items): Items {
  return items
    .filter((item) => !isOpenSpeech(item))
    .map((item) => {
      if (item.type === 'tool_call') {
        return item.status === 'in_progress' ? { ...item, status: 'incomplete' as const } : item;
      }
      const closed: MessageItem =
        item.status === 'in_progress' ? { ...item, status: 'incomplete' } : item;
      const unsaid = closed.source === 'spoken' && closed.heard.length < closed.text.length;
      const cut = closed.role === 'assistant' && unsaid;
      return { ...(cut ? cutAt(closed, closed.heard.length) : closed), transcribing: false };
    });
}

/** The newest `limit` items, and of them only the newest `images` with their pictures. */
export function bounded(items: Items, limit: number, images: number): Items {
  const kept = items.length > limit ? items.slice(-limit) : items;
  let pictures = 0;
  for (const item of kept) {
    if (item.type === 'message') pictures += item.images.filter(Boolean).length;
  }
  if (pictures <= images) return kept;
  return kept.map((item) => {
    if (item.type !== 'message' || pictures <= images) return item;
    const seen = item.images.filter(Boolean).length;
    if (!seen) return item;
    pictures -= seen;
    return { ...item, images: item.images.map(() => '') };
  });
}

function spokenByUser(id: string, atMs: number): MessageItem {
  return { ...blank(id, 'user', atMs), source: 'spoken', transcribing: true };
}

function blank(id: string, role: MessageItem['role'], atMs: number): MessageItem {
  return {
    type: 'message',
    id,
    role,
    source: 'typed',
    text: '',
    heard: '',
    unheard: '',
    interrupted: false,
    images: [],
    status: 'in_progress',
    transcribing: false,
    atMs,
  };
}

function isOpenSpeech(item: ConversationItem): boolean {
  return (
    item.type === 'message' &&
    item.role === 'user' &&
    item.source === 'spoken' &&
    item.status === 'in_progress' &&
    !item.text
  );
}

function withText(item: MessageItem, text: string): MessageItem {
  if (item.interrupted) {
    return { ...item, text, unheard: text.slice(item.heard.length) };
  }
  const isHeard = item.role !== 'assistant' || item.source === 'typed';
  return { ...item, text, heard: isHeard ? text : text.slice(0, item.heard.length) };
}

function cutAt(item: MessageItem, length: number): MessageItem {
  if (item.role !== 'assistant') return item;
  return {
    ...item,
    interrupted: true,
    heard: item.text.slice(0, length),
    unheard: item.text.slice(length),
  };
}

/** After a truncation the server tells the words that were heard; some servers forget them all. */
function retrieved(items: Items, wire: WireItem): Items {
  const transcript = wire.content?.find((part) => typeof part.transcript === 'string')?.transcript;
  if (!wire.id || typeof transcript !== 'string') return items;
  return message(items, wire.id, (item) => {
    if (!item.interrupted) return item;
    const cut = cutAt(item, heardLength(item.text, transcript));
    return cut.unheard.trim() ? cut : { ...cut, interrupted: false, unheard: '' };
  });
}

function withItem(
  items: Items,
  wire: WireItem,
  previousId: string | null | undefined,
  atMs: number,
): Items {
  if (wire.type === 'function_call_output') {
    const call = items.find((i) => i.type === 'tool_call' && i.callId === wire.call_id);
    const isKnown = call?.type === 'tool_call' && call.output !== null;
    return isKnown ? items : withToolOutput(items, wire.call_id ?? '', wire.output ?? '', false);
  }
  if (!wire.id) return items;
  if (wire.type === 'function_call') {
    return placed(items, toolCallOf(wire, wire.id, atMs), previousId);
  }
  if (wire.type !== 'message') return items;
  return placed(items, messageOf(wire, wire.id, atMs), previousId);
}

function toolCallOf(wire: WireItem, id: string, atMs: number): ToolCallItem {
  return {
    type: 'tool_call',
    id,
    callId: wire.call_id ?? '',
    name: wire.name ?? '',
    arguments: wire.arguments ?? '',
    output: null,
    failed: false,
    status: wire.status ?? 'completed',
    atMs,
  };
}

function messageOf(wire: WireItem, id: string, atMs: number): MessageItem {
  const content = wire.content ?? [];
  const text = content.map((part) => part.text ?? part.transcript ?? '').join('');
  const isSpoken = content.some((part) => part.type.endsWith('audio'));
  const isWaiting = content.some((part) => part.type === 'input_audio' && part.transcript == null);
  const message: MessageItem = {
    ...blank(id, wire.role ?? 'user', atMs),
    source: isSpoken ? 'spoken' : 'typed',
  };
  return {
    ...withText(message, text),
    // What is over when one first hears of it was heard, as far as it is told.
    ...(wire.status === 'in_progress' ? {} : { heard: text }),
    images: content.flatMap((part) => (part.image_url ? [part.image_url] : [])),
    status: wire.status ?? 'completed',
    transcribing: isWaiting,
  };
}

/**
 * Puts a new item in its place, or brings a known one up to date. A known one moves only if it stood
 * before the one that it follows.
 */
function placed(
  items: Items,
  item: ConversationItem,
  previousId?: string | null | undefined,
): Items {
  const known = items.findIndex((other) => other.id === item.id);
  const previous = previousId ? items.findIndex((other) => other.id === previousId) : -1;
  const current = items[known];
  const fresh = current ? merged(current, item) : item;
  if (current && known > previous) return fresh === current ? items : items.with(known, fresh);
  if (!current && previousId === null) return [fresh, ...items];
  // After one that is not shown here (a tool's output, say) it goes to the end.
  let at = previous >= 0 ? previous + 1 : items.length;
  // What a new connection could not be told of stays where it was.
  for (let next = items[at]; next && !isTellable(next); next = items[at]) at++;
  return [...items.slice(0, at), fresh, ...items.slice(at)].filter((other) => other !== current);
}

/** A known item keeps what only we know of it: its words' course, its picture, its kind. */
function merged(current: ConversationItem, fresh: ConversationItem): ConversationItem {
  if (current.type === 'tool_call') {
    if (fresh.type !== 'tool_call') return current;
    return {
      ...current,
      status: fresh.status,
      arguments: fresh.arguments || current.arguments,
    };
  }
  if (fresh.type !== 'message') return current;
  const status = later(current.status, fresh.status);
  const text = current.text || fresh.text;
  return {
    ...withText({ ...current, source: current.text ? current.source : fresh.source }, text),
    status,
  };
}

function later(current: MessageItem['status'], fresh: MessageItem['status']) {
  return current === 'incomplete' || fresh === 'in_progress' ? current : fresh;
}

function message(items: Items, id: string, change: (item: MessageItem) => MessageItem): Items {
  return replaced(
    items,
    (item) => item.id === id && item.type === 'message',
    (item) => change(item as MessageItem),
  );
}

function toolCall(items: Items, id: string, change: (call: ToolCallItem) => ToolCallItem): Items {
  return replaced(
    items,
    (item) => item.id === id && item.type === 'tool_call',
    (item) => change(item as ToolCallItem),
  );
}

function replaced(
  items: Items,
  matches: (item: ConversationItem) => boolean,
  change: (item: ConversationItem) => ConversationItem,
): Items {
  const at = items.findLastIndex(matches);
  const current = items[at];
  if (!current) return items;
  const fresh = change(current);
  return fresh === current ? items : items.with(at, fresh);
}
