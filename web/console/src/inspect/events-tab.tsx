import type { LogEntry, RealtimeVoiceSession } from '@antiphon/react';
import { useEffect, useState } from 'react';
import { download } from './download';
import { Empty } from './empty';

const SHOWN = 300;
/** Events come faster than one can read. */
const REFRESH_MS = 150;

type Direction = 'both' | LogEntry['direction'];

/** Everything that went over the wire. */
export function EventsTab({ session }: { session: RealtimeVoiceSession }) {
  const [words, setWords] = useState('');
  const [direction, setDirection] = useState<Direction>('both');
  const entries = useEntries(session);
  const fitting = entries.filter(
    (entry) => (direction === 'both' || entry.direction === direction) && matches(entry, words),
  );
  const shown = fitting.slice(-SHOWN).toReversed();
  return (
    <>
      <div className="row">
        <input
          type="search"
          aria-label="Filter"
          placeholder="Filter: response, error, item_…"
          value={words}
          onChange={({ currentTarget }) => setWords(currentTarget.value)}
        />
        <select
          aria-label="Direction"
          value={direction}
          onChange={({ currentTarget }) => setDirection(currentTarget.value as Direction)}
        >
          <option value="both">Both ways</option>
          <option value="sent">Sent</option>
          <option value="received">Received</option>
        </select>
        <button
          type="button"
          disabled={!entries.length}
          onClick={() => download(session.log.export(), 'antiphon-events.jsonl')}
        >
          Export
        </button>
      </div>
      {entries.length === 0 && <Empty>Every protocol event appears here, with its payload.</Empty>}
      {entries.length > 0 && shown.length === 0 && <Empty>No event matches the filter.</Empty>}
      <ol className="events" aria-label="Events, newest first">
        {shown.map((entry) => (
          <Entry key={entry.index} entry={entry} count={entry.count} />
        ))}
      </ol>
      {fitting.length > SHOWN && (
        <p className="quiet">
          The newest {SHOWN} of {fitting.length}. The export has all of them.
        </p>
      )}
    </>
  );
}

/** `count` grows while the entry stays the same object. */
function Entry({ entry, count }: { entry: LogEntry; count: number }) {
  const [isOpen, setOpen] = useState(false);
  const { direction, event, atMs } = entry;
  return (
    <li data-direction={direction} data-error={event.type === 'error' || undefined}>
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          <span className="arrow" title={direction}>
            {direction === 'sent' ? '↑' : '↓'}
          </span>
          <span className="hidden">{direction}</span>
          <code>{event.type}</code>
          {count > 1 && <span className="quiet">×{count}</span>}
          <time>{clock(atMs)}</time>
        </summary>
        {isOpen && <pre>{JSON.stringify(event, null, 2)}</pre>}
      </details>
    </li>
  );
}

function matches({ event }: LogEntry, words: string): boolean {
  const wanted = words.trim().toLowerCase();
  return !wanted || JSON.stringify(event).toLowerCase().includes(wanted);
}

function clock(atMs: number): string {
  return new Date(atMs).toISOString().slice(14, 23);
}

function useEntries(session: RealtimeVoiceSession): readonly LogEntry[] {
  const [entries, setEntries] = useState(() => session.log.entries());
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const off = session.on('event', () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setEntries(session.log.entries());
      }, REFRESH_MS);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [session]);
  return entries;
}
