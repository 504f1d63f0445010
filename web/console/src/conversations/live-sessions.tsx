import type { LiveSession } from './api';

/** Who talks now, in this page or elsewhere. */
export function LiveSessions({ sessions }: { sessions: readonly LiveSession[] }) {
  return (
    <>
      <h3>Live now</h3>
      {!sessions.length && <p className="quiet">Nobody is connected.</p>}
      <ul className="live">
        {sessions.map((session) => (
          <li key={session.id}>
            <div className="row">
              <strong>{session.engine}</strong>
              <span className="chip">{session.state}</span>
              <time>{new Date(session.began_at * 1000).toLocaleTimeString()}</time>
            </div>
            <p className="quiet">
              {[session.transport, session.model, session.end_user_id, connected(session)]
                .filter(Boolean)
                .join(', ')}
            </p>
            <code>{session.id}</code>
          </li>
        ))}
      </ul>
    </>
  );
}

function connected({ connections }: LiveSession): string {
  const { length } = connections;
  return length === 1 ? '1 connection' : `${length} connections`;
}
