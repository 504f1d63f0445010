import { useEffect, useState } from 'react';
import { Empty } from '../inspect/empty';
import { Listing } from '../listing';
import type { Model } from '../use-models';
import type { Health, SupervisedSession } from './api';
import { Errors } from './errors';
import { SessionList } from './session-list';
import { Supervised } from './supervised';
import { Tenants } from './tenants';
import { useDesk } from './use-desk';
import { wait } from './words';

interface OperateProps {
  url: string;
  apiKey: string;
  models: readonly Model[];
  /** Opens the settings, where the key's field is. */
  enterKey: () => void;
}

/** The operator's desk: who is live, what can be done, who spends what, what went wrong. */
export function Operate({ url, apiKey, models, enterKey }: OperateProps) {
  const desk = useDesk(url, apiKey);
  const [chosenId, choose] = useState<string | null>(null);
  const [chosen, setChosen] = useState<SupervisedSession | null>(null);
  const { sessions, tenants, errors, health, before, problem } = desk;
  const found = sessions?.find(({ id }) => id === chosenId) ?? null;
  // One that has ended stays until another is chosen, so that its captions can be read.
  useEffect(() => {
    if (found) setChosen(found);
  }, [found]);
  const shown = chosen?.id === chosenId ? chosen : found;
  return (
    <>
      <Listing
        title="Operate"
        isBehind={shown !== null}
        refresh={desk.refresh}
        {...{ problem, enterKey }}
      >
        {!problem?.wantsKey && (
          <>
            <h3>Sessions</h3>
            {health && <ServerLine health={health} />}
            <SessionList {...{ sessions, before, chosenId, choose }} />
            {tenants && <Tenants tenants={tenants} />}
            <Errors errors={errors} choose={choose} live={sessions ?? []} />
          </>
        )}
      </Listing>
      {shown ? (
        <Supervised
          key={shown.id}
          session={shown}
          isLive={found !== null}
          before={before.get(shown.id) ?? null}
          models={models}
          api={desk.api}
          refresh={desk.refresh}
          close={() => choose(null)}
        />
      ) : (
        <section className="panel placeholder" aria-label="Session">
          {!problem && (
            <Empty>Choose a session to listen to it, to instruct its agent, or to end it.</Empty>
          )}
        </section>
      )}
    </>
  );
}

function ServerLine({ health }: { health: Health }) {
  const { sessions, max_sessions: most, lateness_ms: late, version, status } = health;
  return (
    <p className="quiet">
      {sessions} of {most} in use, sound {wait(late)} late, version {version}
      {status === 'draining' && <strong className="drains"> It drains: none are opened.</strong>}
    </p>
  );
}
