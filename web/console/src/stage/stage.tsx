import {
  Captions,
  Composer,
  Notice,
  type RealtimeVoice,
  type SessionState,
  servedBy,
} from '@antiphon/react';
import { MessageSquarePlus } from 'lucide-react';
import { SaveTranscript } from '../panels/save-transcript';
import { Controls } from './controls';
import { Opening } from './opening';
import { Voices } from './voices';

const STATES: Record<SessionState, string> = {
  idle: 'Ready',
  connecting: 'Connecting…',
  listening: 'Listening',
  thinking: 'Thinking…',
  speaking: 'Speaking',
  reconnecting: 'Reconnecting…',
  'text-only': 'Text only',
  closed: 'Ended',
};

interface StageProps {
  voice: RealtimeVoice;
  /** What the server says of the engine behind the chosen model. */
  engine: string | null;
  beginAnew: () => void;
}

/** The conversation itself. */
export function Stage({ voice, engine, beginAnew }: StageProps) {
  const { session, state, items } = voice;
  const isUp = state !== 'idle' && state !== 'closed';
  const served = servedBy(voice.serverSession);

  const sayTyped = (text: string) => {
    session.sendText(text);
    if (isUp) return;
    // One who types may not want the microphone.
    const start = voice.mode === 'text' ? session.connect() : typed(session);
    start.catch(() => {});
  };
  const sayAloud = (text: string) => {
    session.sendText(text);
    if (!isUp) session.connect().catch(() => {});
  };

  return (
    <section
      className="antiphon-panel stage"
      data-state={state}
      aria-labelledby="stage-title"
      onKeyDown={({ key }) => {
        // Also from where one types.
        if (key === 'Escape' && voice.activity !== 'listening') session.interrupt();
      }}
    >
      <header className="panel-head">
        <h2 id="stage-title" className="hidden">
          Conversation
        </h2>
        <span className="antiphon-state" role="status">
          {stateOf(voice)}
        </span>
        <button
          type="button"
          className="icon"
          title="New conversation"
          aria-label="New conversation"
          disabled={!items.length}
          onClick={beginAnew}
        >
          <MessageSquarePlus aria-hidden="true" />
        </button>
        <SaveTranscript items={items} />
      </header>
      <Voices session={session} />
      <Notice voice={voice} />
      <div className="words">
        {items.length ? (
          <Captions items={items} />
        ) : (
          <Opening
            engine={engine ?? served.engine}
            voice={served.voice}
            isUp={isUp}
            say={sayAloud}
          />
        )}
      </div>
      <Composer onSend={sayTyped} />
      <Controls voice={voice} />
    </section>
  );
}

function stateOf({ state, userSpeaking, error, items }: RealtimeVoice): string {
  if (error?.kind === 'connection-unsure') return 'No connection?';
  if (state === 'closed' && !items.length) return STATES.idle;
  return userSpeaking ? 'Hearing you' : STATES[state];
}

async function typed(session: RealtimeVoice['session']): Promise<void> {
  await session.setMode('text');
  await session.connect();
}
