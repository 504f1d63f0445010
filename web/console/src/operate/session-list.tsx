import { MicOff } from 'lucide-react';
import { Empty } from '../inspect/empty';
import type { CallQuality, SupervisedSession } from './api';
import { duration, lossOf, moneyOf, nameOf, percent, stateOf, wait } from './words';

interface SessionListProps {
  sessions: readonly SupervisedSession[] | null;
  before: ReadonlyMap<string, CallQuality>;
  chosenId: string | null;
  choose: (id: string) => void;
}

export function SessionList({ sessions, before, chosenId, choose }: SessionListProps) {
  if (!sessions) return <Empty>Looking…</Empty>;
  if (!sessions.length) return <p className="quiet">Nobody is connected.</p>;
  return (
    <ol className="sessions">
      {sessions.map((session) => (
        <li key={session.id}>
          <button
            type="button"
            aria-current={session.id === chosenId || undefined}
            onClick={() => choose(session.id)}
          >
            <span className="row">
              <strong className="title">{nameOf(session)}</strong>
              <span className="chip" data-state={session.state}>
                {stateOf(session)}
              </span>
              {session.muted && <MicOff aria-label="muted" />}
              <time>{duration(Date.now() / 1000 - session.began_at)}</time>
            </span>
            <span className="quiet">{about(session, before.get(session.id) ?? null)}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function about(session: SupervisedSession, before: CallQuality | null): string {
  const { engine, model, tenant, quality, cost } = session;
  const { latency_ms: latency, call } = quality;
  return [
    model && model !== engine ? `${model} (${engine})` : engine,
    nameOf(session) !== tenant && tenant,
    latency !== null && `answered in ${wait(latency)}`,
    call && `${percent(lossOf(call, before))} lost`,
    cost && (cost.nano_usd || cost.unpriced_lines) ? moneyOf(cost) : null,
  ]
    .filter(Boolean)
    .join(', ');
}
