import { Captions } from '@antiphon/react';
import { ArrowLeft, Ear, EarOff, Mic, MicOff, PhoneOff } from 'lucide-react';
import { useState } from 'react';
import { Empty } from '../inspect/empty';
import type { Model } from '../use-models';
import type { CallQuality, OperateApi, SupervisedSession } from './api';
import { Facts } from './facts';
import { Instruct } from './instruct';
import { useCaptions } from './use-captions';
import { nameOf, stateOf } from './words';

interface SupervisedProps {
  session: SupervisedSession;
  isLive: boolean;
  before: CallQuality | null;
  models: readonly Model[];
  api: OperateApi;
  refresh: () => void;
  close: () => void;
}

const WHO = { user: 'User' };

/** One session, and what an operator can do with it. */
export function Supervised(props: SupervisedProps) {
  const { session, isLive, before, models, api, refresh, close } = props;
  const { id, muted } = session;
  const [listens, setListens] = useState(false);
  const [isSure, setSure] = useState(false);
  const [told, setTold] = useState({ text: '', isBad: false });
  const captions = useCaptions(api, id, listens && isLive, () => setListens(false));

  /** Does it, and tells what came of it. */
  async function act(deed: () => Promise<string>) {
    try {
      setTold({ text: await deed(), isBad: false });
    } catch (error) {
      setTold({ text: error instanceof Error ? error.message : String(error), isBad: true });
    }
    refresh();
  }

  const hangUp = () =>
    act(async () => {
      setSure(false);
      await api.hangUp(id);
      return 'The session was ended.';
    });
  const mute = () =>
    act(async () => {
      await api.mute(id, !muted);
      return muted ? 'The user is heard again.' : 'The user is not heard any more.';
    });
  const move = (model: string) =>
    act(async () => `${(await api.move(id, model)).engine} goes on with it.`);

  return (
    <section className="antiphon-panel stage past supervised" aria-labelledby="supervised-title">
      <header className="panel-head">
        <button type="button" className="icon back" aria-label="Back to the list" onClick={close}>
          <ArrowLeft aria-hidden="true" />
        </button>
        <h2 id="supervised-title" className="title">
          {nameOf(session)}
        </h2>
        <span className="chip" data-state={session.state}>
          {isLive ? stateOf(session) : 'ended'}
        </span>
      </header>
      <Facts session={session} before={before} />
      <div className="row deeds">
        <button
          type="button"
          disabled={!isLive}
          aria-pressed={listens}
          onClick={() => setListens(!listens)}
        >
          {listens ? <EarOff aria-hidden="true" /> : <Ear aria-hidden="true" />}
          {listens ? 'Stop listening' : 'Listen'}
        </button>
        <button type="button" disabled={!isLive} onClick={() => void mute()}>
          {muted ? <Mic aria-hidden="true" /> : <MicOff aria-hidden="true" />}
          {muted ? 'Unmute the user' : 'Mute the user'}
        </button>
        <select
          aria-label="Move to another model"
          disabled={!isLive || session.type !== 'realtime'}
          value=""
          onChange={({ currentTarget }) => void move(currentTarget.value)}
        >
          <option value="">Move to…</option>
          {models.map((model) => (
            <option key={model.id}>{model.id}</option>
          ))}
        </select>
        {isSure ? (
          <>
            <button type="button" className="end" onClick={() => void hangUp()}>
              End it for all
            </button>
            <button type="button" onClick={() => setSure(false)}>
              Let it go on
            </button>
          </>
        ) : (
          <button type="button" disabled={!isLive} onClick={() => setSure(true)}>
            <PhoneOff aria-hidden="true" />
            Hang up
          </button>
        )}
      </div>
      <p className={told.isBad ? 'told problem' : 'told quiet'} role="status">
        {told.text || captions.notice}
      </p>
      {captions.items.length ? (
        <Captions items={captions.items} who={WHO} />
      ) : (
        <Empty>
          {listens
            ? 'Nothing was said yet.'
            : 'Listen to read what is said, as it is said. Nobody in the session can tell; the audit log can.'}
        </Empty>
      )}
      <Instruct
        isDisabled={!isLive}
        send={(text, answer) => act(() => instruct(api, id, text, answer))}
      />
    </section>
  );
}

async function instruct(api: OperateApi, id: string, text: string, wantsAnswer: boolean) {
  const { answers } = await api.instruct(id, text, wantsAnswer);
  return answers ? 'The agent answers with it now.' : 'It counts from the next answer on.';
}
