import type { RecentError, SupervisedSession } from './api';

interface ErrorsProps {
  errors: readonly RecentError[];
  live: readonly SupervisedSession[];
  choose: (id: string) => void;
}

/** What went wrong last; of sessions that are live, one can look at the session. */
export function Errors({ errors, live, choose }: ErrorsProps) {
  return (
    <>
      <h3>Last errors</h3>
      {!errors.length && <p className="quiet">None.</p>}
      <ol className="errors">
        {errors.map((error, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: several may be alike; they never move.
          <li key={`${error.at} ${at}`} data-level={error.level}>
            <div className="row">
              <span className="chip">{error.source}</span>
              {error.tenant && <span className="quiet">{error.tenant}</span>}
              <time>{new Date(error.at * 1000).toLocaleTimeString()}</time>
            </div>
            <p>{error.message}</p>
            {live.some(({ id }) => id === error.session_id) && (
              <button type="button" onClick={() => choose(error.session_id ?? '')}>
                Look at the session
              </button>
            )}
          </li>
        ))}
      </ol>
    </>
  );
}
