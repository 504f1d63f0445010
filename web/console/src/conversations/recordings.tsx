import { Headphones } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { Refusal } from '../server-api';
import { ConversationsApi } from './api';

interface RecordingsProps {
  url: string;
  serverKey: string;
  conversationId: string;
}

/** The sound of a conversation's sessions, where it was recorded: the user left, the agent right. */
export function Recordings({ url, serverKey, conversationId }: RecordingsProps) {
  const api = useMemo(() => new ConversationsApi(url, serverKey), [url, serverKey]);
  const [sessions, setSessions] = useState<readonly string[]>([]);
  const [sound, setSound] = useState<{ sessionId: string; url: string } | null>(null);
  const [problem, setProblem] = useState('');

  useEffect(() => {
    let isLatest = true;
    setSessions([]);
    setSound(null);
    setProblem('');
    api.recorded(conversationId).then(
      (found) => isLatest && setSessions(found),
      () => {}, // The conversation itself tells what is wrong.
    );
    return () => {
      isLatest = false;
    };
  }, [api, conversationId]);

  useEffect(() => () => URL.revokeObjectURL(sound?.url ?? ''), [sound]);

  async function listen(sessionId: string) {
    setProblem('');
    try {
      const blob = await api.recording(conversationId, sessionId);
      setSound({ sessionId, url: URL.createObjectURL(blob) });
    } catch (error) {
      setProblem(error instanceof Refusal ? error.message : String(error));
    }
  }

  if (!sessions.length) return null;
  return (
    <section className="sound" aria-label="Recordings">
      {sessions.map((sessionId, at) =>
        sound?.sessionId === sessionId ? (
          // biome-ignore lint/a11y/useMediaCaption: its captions are the transcript below.
          <audio key={sessionId} src={sound.url} controls autoPlay />
        ) : (
          <button key={sessionId} type="button" onClick={() => void listen(sessionId)}>
            <Headphones aria-hidden="true" />
            <span>{sessions.length > 1 ? `Listen to part ${at + 1}` : 'Listen'}</span>
          </button>
        ),
      )}
      {sound && <p className="quiet">The user is on the left, the agent on the right.</p>}
      {problem && <p role="alert">{problem}</p>}
    </section>
  );
}
