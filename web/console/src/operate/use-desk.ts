import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Refusal } from '../server-api';
import {
  type CallQuality,
  type Health,
  OperateApi,
  type RecentError,
  type SupervisedSession,
  type Tenant,
} from './api';

/** Sessions are asked for this often while the page is looked at. */
const LOOK_MS = 2_000;
/** What changes slowly, each so many looks. */
const SLOWLY = 5;

export interface Desk {
  api: OperateApi;
  /** Null while they are not known. */
  sessions: readonly SupervisedSession[] | null;
  tenants: readonly Tenant[] | null;
  errors: readonly RecentError[];
  health: Health | null;
  /** How each call was at the look before. */
  before: ReadonlyMap<string, CallQuality>;
  problem: Refusal | null;
  refresh: () => void;
}

interface Seen extends Pick<Desk, 'sessions' | 'tenants' | 'errors' | 'health' | 'before'> {}

const NOTHING: Seen = {
  sessions: null,
  tenants: null,
  errors: [],
  health: null,
  before: new Map(),
};

/** Looks again and again, one look at a time, as long as the page is shown. */
export function useDesk(url: string, key: string): Desk {
  const api = useMemo(() => new OperateApi(url, key), [url, key]);
  const [seen, setSeen] = useState(NOTHING);
  const [problem, setProblem] = useState<Refusal | null>(null);
  const lookNow = useRef(() => {});

  useEffect(() => {
    const life = new AbortController();
    const { signal } = life;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isLooking = false;
    let looks = 0;
    setSeen(NOTHING);
    setProblem(null);

    const look = async () => {
      clearTimeout(timer);
      if (isLooking || document.hidden) return;
      isLooking = true;
      try {
        const { data: sessions } = await api.sessions(signal);
        const slowly = looks % SLOWLY ? null : await slowPart(api, signal);
        looks += 1;
        setSeen((last) => ({ ...last, ...slowly, sessions, before: callsOf(last.sessions) }));
        setProblem(null);
      } catch (error) {
        if (signal.aborted) return;
        const refusal = error instanceof Refusal ? error : new Refusal(String(error));
        setProblem(refusal);
        // Asking again and again with a key that will not do would slow the right one down.
        if (refusal.wantsKey) return;
      } finally {
        isLooking = false;
      }
      timer = setTimeout(look, LOOK_MS);
    };

    lookNow.current = () => {
      looks = 0;
      void look();
    };
    const onShown = () => {
      if (!document.hidden) void look();
    };
    document.addEventListener('visibilitychange', onShown);
    void look();
    return () => {
      life.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onShown);
    };
  }, [api]);

  const refresh = useCallback(() => lookNow.current(), []);
  return { api, ...seen, problem, refresh };
}

async function slowPart(api: OperateApi, signal: AbortSignal) {
  const [tenants, errors, health] = await Promise.all([
    api.tenants(signal),
    api.errors(signal),
    api.health(signal),
  ]);
  return { tenants: tenants.data, errors: errors.data, health };
}

function callsOf(sessions: readonly SupervisedSession[] | null): Map<string, CallQuality> {
  const calls = new Map<string, CallQuality>();
  for (const { id, quality } of sessions ?? []) if (quality.call) calls.set(id, quality.call);
  return calls;
}
