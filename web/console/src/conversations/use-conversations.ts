import type { ConversationItem } from '@antiphon/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Refusal } from '../server-api';
import { ConversationsApi, type Kept, type LiveSession } from './api';
import { pastItems } from './past-items';

export interface Past extends Kept {
  /** Null while they are read. */
  items: readonly ConversationItem[] | null;
}

export interface Conversations {
  /** Null while it is not known. */
  live: readonly LiveSession[] | null;
  past: readonly Past[];
  hasMore: boolean;
  isReading: boolean;
  problem: Refusal | null;
  refresh: () => Promise<void>;
  more: () => Promise<void>;
  erase: (id: string) => Promise<void>;
}

/** Whole conversations that are read at once. */
const READERS = 4;

export function useConversations(url: string, key: string): Conversations {
  const [live, setLive] = useState<readonly LiveSession[] | null>(null);
  const [past, setPast] = useState<readonly Past[]>([]);
  const [hasMore, setHasMore] = useState(false);
  const [isReading, setReading] = useState(true);
  const [problem, setProblem] = useState<Refusal | null>(null);
  /** Grows with each look at another server, or anew: what an older one finds counts no more. */
  const look = useRef(0);

  const attempt = useCallback(async (act: (isLatest: () => boolean) => Promise<void>) => {
    const mine = look.current;
    setReading(true);
    setProblem(null);
    try {
      await act(() => mine === look.current);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(String(error));
      if (mine === look.current) setProblem(refusal);
    }
    if (mine === look.current) setReading(false);
  }, []);

  const read = useCallback(
    (after: string | null) =>
      attempt(async (isLatest) => {
        const api = new ConversationsApi(url, key);
        if (after === null) {
          const sessions = await api.live();
          if (isLatest()) setLive(sessions);
        }
        const page = await api.kept(after);
        if (!isLatest()) return;
        const fresh = page.data.map((kept) => ({ ...kept, items: null }));
        setPast((all) => (after === null ? fresh : [...all, ...fresh]));
        setHasMore(page.has_more);
        const queue = [...page.data];
        const readNext = async () => {
          for (let next = queue.shift(); next && isLatest(); next = queue.shift()) {
            const { id } = next;
            const items = await api.whole(id).then((whole) => pastItems(whole.items));
            if (isLatest()) {
              setPast((all) => all.map((one) => (one.id === id ? { ...one, items } : one)));
            }
          }
        };
        await Promise.all(Array.from({ length: READERS }, readNext));
      }),
    [url, key, attempt],
  );
  const refresh = useCallback(() => {
    look.current += 1;
    return read(null);
  }, [read]);

  useEffect(() => {
    void refresh();
    return () => {
      look.current += 1;
    };
  }, [refresh]);

  const erase = (id: string) =>
    attempt(async () => {
      await new ConversationsApi(url, key).erase(id);
      setPast((all) => all.filter((one) => one.id !== id));
    });

  const more = () => read(past.at(-1)?.id ?? null);
  return { live, past, hasMore, isReading, problem, refresh, more, erase };
}
