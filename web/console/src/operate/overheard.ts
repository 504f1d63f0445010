/** A conversation that somebody else has, from the events that tell of it. Pure. */

import { afterEvent, type ConversationItem, type ServerEvent } from '@antiphon/react';

/** As a page keeps of its own conversation. */
const MAX_ITEMS = 500;

/**
 * Where the words are played is elsewhere: all that was sent counts as heard, until the server says
 * where it was cut off.
 */
export function overheard(
  items: readonly ConversationItem[],
  event: ServerEvent,
  atMs: number,
): readonly ConversationItem[] {
  return afterEvent(items, event, atMs)
    .slice(-MAX_ITEMS)
    .map((item) =>
      item.type === 'message' && !item.interrupted && item.heard !== item.text
        ? { ...item, heard: item.text }
        : item,
    );
}
