import { Captions } from '@antiphon/react';
import { ArrowLeft, Play, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { SaveTranscript } from '../panels/save-transcript';
import { spanOf } from './date-of';
import { titleOf } from './past-items';
import { Recordings } from './recordings';
import type { Past } from './use-conversations';

interface PastConversationProps {
  past: Past;
  url: string;
  serverKey: string;
  isLive: boolean;
  goOn: () => void;
  erase: () => void;
  close: () => void;
}

/** What was said, and what can be done with it. */
export function PastConversation(props: PastConversationProps) {
  const { past, url, serverKey, isLive, goOn, erase, close } = props;
  const [isSure, setSure] = useState(false);
  const items = past.items ?? [];
  return (
    <section className="antiphon-panel stage past" aria-labelledby="past-title">
      <header className="panel-head">
        <button type="button" className="icon back" aria-label="Back to the list" onClick={close}>
          <ArrowLeft aria-hidden="true" />
        </button>
        <h2 id="past-title" className="title">
          {titleOf(items)}
        </h2>
        <SaveTranscript items={items} />
        <button
          type="button"
          className="icon"
          title="Erase"
          aria-label="Erase"
          disabled={isLive || isSure}
          onClick={() => setSure(true)}
        >
          <Trash2 aria-hidden="true" />
        </button>
      </header>
      <p className="quiet about">
        {spanOf(past.began_at, past.changed_at)}, {past.engine}, {past.transport}
        {past.end_user_id && `, ${past.end_user_id}`}
        <br />
        <code>{past.id}</code>
      </p>
      {isSure && (
        <p className="row sure" role="alert">
          Erase it for good?
          <button type="button" className="end" onClick={erase}>
            Erase it
          </button>
          <button type="button" onClick={() => setSure(false)}>
            Keep it
          </button>
        </p>
      )}
      <Recordings url={url} serverKey={serverKey} conversationId={past.id} />
      <Captions items={items} />
      <div className="controls">
        <button type="button" className="start" disabled={isLive} onClick={goOn}>
          <Play aria-hidden="true" />
          <span>{isLive ? 'Live now' : 'Go on from here'}</span>
        </button>
      </div>
    </section>
  );
}
