import type { ConversationItem, MessageItem } from '@antiphon/client';
import { useEffect, useRef } from 'react';

/** What each side is called. */
type Names = Record<MessageItem['role'], string>;
const WHO: Names = { user: 'You', assistant: 'Agent', system: 'Note' };
/** So near to the end the list follows what is new. */
const NEAR_PX = 60;

/** What was said, word by word; what was cut off is struck through. */
export function Captions({
  items,
  who = {},
}: {
  items: readonly ConversationItem[];
  who?: Partial<Names>;
}) {
  const list = useRef<HTMLOListElement>(null);
  const follows = useRef(true);
  const names = { ...WHO, ...who };

  // biome-ignore lint/correctness/useExhaustiveDependencies: it scrolls because of new words.
  useEffect(() => {
    const element = list.current;
    if (element && follows.current) element.scrollTop = element.scrollHeight;
  }, [items]);

  return (
    <>
      <ol
        ref={list}
        className="antiphon-captions"
        aria-label="Conversation"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
        tabIndex={0}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          follows.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
        }}
      >
        {items.map((item) => (
          <li
            key={item.id}
            data-role={item.type === 'message' ? item.role : 'tool'}
            data-partial={(item.type === 'message' && item.transcribing) || undefined}
          >
            {item.type === 'message' ? (
              <Message item={item} name={names[item.role]} />
            ) : (
              <ToolCall item={item} />
            )}
          </li>
        ))}
      </ol>
      {/* Word by word would be read out over and over. */}
      <p className="antiphon-hidden" aria-live="polite">
        {latestWhole(items, names)}
      </p>
    </>
  );
}

function Message({ item, name }: { item: MessageItem; name: string }) {
  const isBlank = !item.heard && !item.unheard && !item.images.length;
  return (
    <>
      <span className="antiphon-who">{name}</span>
      {item.images.map((image, index) =>
        // biome-ignore lint/suspicious/noArrayIndexKey: the pictures of an item never change.
        image ? <img key={index} src={image} alt="What was shown to the agent" /> : null,
      )}
      <span className="antiphon-words">
        {isBlank ? <em>{whyBlank(item)}</em> : item.heard}
        {item.unheard && <s title="Not heard">{item.unheard}</s>}
      </span>
    </>
  );
}

function whyBlank({ role, text, transcribing, status }: MessageItem): string {
  // Of a system message some pages are told no more than that there is one.
  if (transcribing || text || status === 'in_progress' || role === 'system') return '…';
  return role === 'user' ? 'Not understood' : 'Not heard';
}

function ToolCall({ item }: { item: Extract<ConversationItem, { type: 'tool_call' }> }) {
  return (
    <>
      <span className="antiphon-who">Tool</span>
      <code>
        {item.name}({item.arguments})
      </code>
      {item.output !== null && <code data-failed={item.failed || undefined}>→ {item.output}</code>}
    </>
  );
}

function latestWhole(items: readonly ConversationItem[], names: Names): string {
  const item = items.findLast(
    (other) =>
      other.type === 'message' &&
      other.status !== 'in_progress' &&
      !other.transcribing &&
      (other.interrupted || other.heard.length === other.text.length),
  );
  return item?.type === 'message' && item.heard ? `${names[item.role]}: ${item.heard}` : '';
}
