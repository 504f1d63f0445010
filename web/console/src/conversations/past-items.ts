/** Kept items as the page shows those of a conversation that goes on. Pure. */

import { afterEvent, type ConversationItem, type WireItem } from '@antiphon/react';

/** When each was said is not kept. */
export const UNKNOWN_MS = 0;

export function pastItems(wire: readonly WireItem[]): readonly ConversationItem[] {
  return wire.reduce<readonly ConversationItem[]>(
    (items, item) => afterEvent(items, { type: 'conversation.item.added', item }, UNKNOWN_MS),
    [],
  );
}

/** All that was said, for a search. */
export function wordsOf(items: readonly ConversationItem[]): string {
  return items
    .map((item) => (item.type === 'message' ? item.text : `${item.name} ${item.output ?? ''}`))
    .join('\n');
}

/** What names it in a list: the first words that somebody said. */
export function titleOf(items: readonly ConversationItem[]): string {
  const said = items.filter((item) => item.type === 'message').filter(({ text }) => text.trim());
  const first = said.find(({ role }) => role === 'user') ?? said[0];
  return first?.text.trim() ?? 'Nothing was said';
}
