/** A conversation as a file that one keeps. Pure. */

import type { ConversationItem } from '@antiphon/react';

const WHO = { user: 'You', assistant: 'Agent', system: 'Note' } as const;

export function asText(items: readonly ConversationItem[]): Blob {
  const lines = items.map((item) => {
    if (item.type === 'tool_call') {
      return `Tool: ${item.name}(${item.arguments}) → ${item.output ?? '…'}`;
    }
    const unheard = item.unheard.trim() ? ` [not heard: ${item.unheard.trim()}]` : '';
    const images = item.images.length ? ' [picture]' : '';
    return `${WHO[item.role]}:${images} ${item.heard}${unheard}`;
  });
  return new Blob([lines.map((line) => `${line}\n`).join('')], { type: 'text/plain' });
}

export function asJson(items: readonly ConversationItem[]): Blob {
  const list = items.map((item) => {
    // When what was kept was said is not known.
    const at = item.atMs ? new Date(item.atMs).toISOString() : undefined;
    if (item.type === 'tool_call') {
      const { id, name, arguments: args, output, failed } = item;
      return { id, type: 'tool_call', name, arguments: args, output, failed, at };
    }
    const { id, role, source, text, heard, interrupted, images } = item;
    return { id, type: 'message', role, source, text, heard, interrupted, images, at };
  });
  return new Blob([`${JSON.stringify(list, null, 2)}\n`], { type: 'application/json' });
}
