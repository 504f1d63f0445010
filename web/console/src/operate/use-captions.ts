import type { ConversationItem } from '@antiphon/react';
import { useEffect, useState } from 'react';
import type { CaptionsEnded, OperateApi } from './api';
import { overheard } from './overheard';

const ENDS: Record<CaptionsEnded['reason'], string> = {
  session_ended: 'The session has ended.',
  key_revoked: 'The key that was used to listen was revoked.',
  too_slow: 'This page could not keep up. Listen again to see what it missed.',
};

/** `isOn`: the captions are asked for, which the server notes; what was read stays when it ends. */
export function useCaptions(api: OperateApi, id: string, isOn: boolean, onEnd: () => void) {
  const [items, setItems] = useState<readonly ConversationItem[]>([]);
  const [notice, setNotice] = useState('');

  // biome-ignore lint/correctness/useExhaustiveDependencies: `onEnd` is another one each time.
  useEffect(() => {
    if (!isOn) return;
    const life = new AbortController();
    setItems([]);
    setNotice('');
    const listen = async () => {
      for await (const event of api.captions(id, life.signal)) {
        if (event.type === 'antiphon.captions.ended') {
          setNotice(ENDS[(event as CaptionsEnded).reason]);
          return;
        }
        setItems((all) => overheard(all, event as never, Date.now()));
      }
      setNotice('The connection to the server was lost.');
    };
    listen()
      .catch((error) => {
        if (!life.signal.aborted) setNotice(error instanceof Error ? error.message : String(error));
      })
      .finally(() => {
        if (!life.signal.aborted) onEnd();
      });
    return () => life.abort();
  }, [api, id, isOn]);

  return { items, notice };
}
