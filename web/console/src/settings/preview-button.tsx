import { RealtimeVoiceSession, VoiceError } from '@antiphon/react';
import { useEffect, useRef, useState } from 'react';
import { optionsOf, type Preferences } from '../preferences';

/** Says a sentence in the chosen voice, in a session of its own. */
export function PreviewButton({
  preferences,
  apiKey,
}: {
  preferences: Preferences;
  apiKey: string;
}) {
  const [problem, setProblem] = useState('');
  const [isPlaying, setPlaying] = useState(false);
  const running = useRef<RealtimeVoiceSession | null>(null);
  useEffect(() => () => running.current?.close(), []);

  const play = async () => {
    running.current?.close();
    setProblem('');
    setPlaying(true);
    const session = new RealtimeVoiceSession({
      ...optionsOf({ ...preferences, tools: '' }, apiKey),
      transport: 'websocket',
      mode: 'text',
      reconnect: false,
    });
    running.current = session;
    try {
      await session.connect();
      session.respond({
        output_modalities: ['audio'],
        instructions: `Say exactly: "Hello, I am ${preferences.voice}. This is how I sound."`,
      });
      await heard(session);
    } catch (error) {
      setProblem(error instanceof VoiceError ? `${error.message} ${error.detail}` : String(error));
    } finally {
      session.close();
      // Another voice may be playing by now.
      if (running.current === session) setPlaying(false);
    }
  };

  return (
    <>
      <button type="button" onClick={() => void play()}>
        {isPlaying ? 'Playing…' : 'Preview'}
      </button>
      {problem && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}

/** Until the answer was heard, or cannot be. */
function heard(session: RealtimeVoiceSession): Promise<void> {
  return new Promise((resolve, reject) => {
    session.on('change', ({ state, error, turns }) => {
      if (error) reject(error);
      if (state === 'closed' || turns.some(({ marks }) => marks.heard !== undefined)) resolve();
    });
  });
}
