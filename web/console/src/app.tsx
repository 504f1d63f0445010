import { useRealtimeVoiceSession, VoicePanel } from '@antiphon/react';
import { useEffect } from 'react';
import { Inspector } from './inspect/inspector';
import { microphoneOf, optionsOf, type Preferences } from './preferences';
import { Header } from './shell/header';
import { ImageButtons } from './shell/image-buttons';
import { useShortcuts } from './shell/shortcuts';
import { useKey, usePreferences } from './use-preferences';

export function App() {
  const [preferences, change] = usePreferences();
  const [key, setKey] = useKey();
  const voice = useRealtimeVoiceSession(optionsOf(preferences, key));
  const { session } = voice;
  useMicrophone(preferences, (options) => session.setMicrophone(options));
  useEffect(() => {
    session.reconfigure({ key }).catch(() => {});
  }, [session, key]);
  useShortcuts(voice);

  return (
    <>
      <Header voice={voice} preferences={preferences} change={change} />
      <main>
        <VoicePanel
          voice={voice}
          title="Conversation"
          actions={<ImageButtons session={session} />}
        />
        <Inspector
          voice={voice}
          preferences={preferences}
          change={change}
          apiKey={key}
          setApiKey={setKey}
        />
      </main>
    </>
  );
}

function useMicrophone(
  preferences: Preferences,
  set: (options: ReturnType<typeof microphoneOf>) => Promise<void>,
) {
  const chosen = JSON.stringify(microphoneOf(preferences));
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what is chosen counts.
  useEffect(() => {
    // A failure is in the snapshot.
    set(JSON.parse(chosen)).catch(() => {});
  }, [chosen]);
}
