import { useState } from 'react';
import { Empty } from '../inspect/empty';
import { Listing } from '../listing';
import { dateOf } from './date-of';
import { LiveSessions } from './live-sessions';
import { PastConversation } from './past-conversation';
import { titleOf, wordsOf } from './past-items';
import { type Past, useConversations } from './use-conversations';

interface ConversationsProps {
  url: string;
  apiKey: string;
  /** Opens the settings, where the key's field is. */
  enterKey: () => void;
  goOn: (id: string) => void;
}

/** All that the server has: who talks now, and what was said. */
export function Conversations({ url, apiKey, enterKey, goOn }: ConversationsProps) {
  const found = useConversations(url, apiKey);
  const [words, setWords] = useState('');
  const [chosenId, choose] = useState<string | null>(null);
  const { live, past, problem, isReading } = found;
  const fitting = past.filter((one) => matches(one, words));
  const chosen = past.find(({ id }) => id === chosenId);
  return (
    <>
      <Listing
        title="Conversations"
        isBehind={chosen !== undefined}
        refresh={() => void found.refresh()}
        {...{ isReading, problem, enterKey }}
      >
        {live && <LiveSessions sessions={live} />}
        <h3>Kept</h3>
        <input
          type="search"
          aria-label="Search"
          placeholder="Search: words, model, user…"
          value={words}
          onChange={({ currentTarget }) => setWords(currentTarget.value)}
        />
        {!past.length && !problem && (
          <Empty>
            {isReading ? 'Reading…' : 'Conversations appear here once something was said.'}
          </Empty>
        )}
        {past.length > 0 && !fitting.length && (
          <Empty>Nothing that was read has these words.</Empty>
        )}
        <ol className="kept">
          {fitting.map((one) => (
            <li key={one.id}>
              <button
                type="button"
                aria-current={one.id === chosenId || undefined}
                onClick={() => choose(one.id)}
              >
                <span className="title">{one.items ? titleOf(one.items) : '…'}</span>
                <span className="quiet">
                  {dateOf(one.changed_at)}, {one.engine}, {one.transport}
                </span>
              </button>
            </li>
          ))}
        </ol>
        {found.hasMore && (
          <button type="button" disabled={isReading} onClick={() => void found.more()}>
            Show older ones
          </button>
        )}
      </Listing>
      {chosen ? (
        <PastConversation
          key={chosen.id}
          past={chosen}
          url={url}
          serverKey={apiKey}
          isLive={live?.some((session) => session.conversation_id === chosen.id) ?? false}
          goOn={() => goOn(chosen.id)}
          erase={() => void found.erase(chosen.id)}
          close={() => choose(null)}
        />
      ) : (
        <section className="panel placeholder" aria-label="Conversation">
          <Empty>Choose a conversation to read it, or to go on with it.</Empty>
        </section>
      )}
    </>
  );
}

function matches({ id, model, engine, end_user_id, items }: Past, words: string): boolean {
  const wanted = words.trim().toLowerCase();
  const text = [id, model, engine, end_user_id, items && wordsOf(items)].join('\n');
  return !wanted || text.toLowerCase().includes(wanted);
}
