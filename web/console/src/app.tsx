import { useRealtimeVoiceSession } from '@antiphon/react';
import { useCallback, useEffect, useState } from 'react';
import { Code } from './code/code';
import { Conversations } from './conversations/conversations';
import { Inspector } from './inspect/inspector';
import { useQualityHistory } from './inspect/use-quality-history';
import { useRecordings } from './inspect/use-recordings';
import { Drawer } from './panels/drawer';
import { useIsWide } from './panels/use-is-wide';
import { apiBeside, microphoneOf, optionsOf, type Preferences } from './preferences';
import { Settings } from './settings/settings';
import { Header } from './shell/header';
import { useShortcuts } from './shell/shortcuts';
import { goTo, usePage } from './shell/use-page';
import { Stage } from './stage/stage';
import { useModels } from './use-models';
import { useKey, usePreferences } from './use-preferences';

export type Panel = 'settings' | 'details' | 'code';

export function App() {
  const [preferences, change] = usePreferences();
  const [key, setKey] = useKey();
  const voice = useRealtimeVoiceSession(optionsOf(preferences, key));
  const { session } = voice;
  const [panel, setPanel] = useState<Panel | null>(null);
  const [wantsKey, setWantsKey] = useState(false);
  const page = usePage();
  const url = preferences.url || apiBeside(document.baseURI);
  const models = useModels(url, key);
  const isWide = useIsWide();
  // Kept while the panel that shows them is closed.
  const history = useQualityHistory(voice.quality);
  const recordings = useRecordings(voice);
  useMicrophone(preferences, (options) => session.setMicrophone(options));
  useEffect(() => {
    session.reconfigure({ key }).catch(() => {});
  }, [session, key]);
  useShortcuts(voice);
  const enterKey = useCallback(() => {
    setWantsKey(true);
    setPanel('settings');
  }, []);
  const isRefused = voice.error?.kind === 'key-refused';
  useEffect(() => {
    if (isRefused) enterKey();
  }, [isRefused, enterKey]);

  /** Another conversation in place of this one: a new one, or one that the server has kept. */
  const begin = (conversationId?: string) => {
    session.close();
    session.clearConversation();
    session.reconfigure({ conversationId }).catch(() => {});
  };
  const beginAnew = () => {
    const wasUp = voice.state !== 'idle' && voice.state !== 'closed';
    begin();
    if (wasUp) session.connect().catch(() => {});
  };
  const goOn = (conversationId: string) => {
    begin(conversationId);
    goTo('talk');
    session.connect().catch(() => {});
  };
  const isDocked = page === 'talk' && isWide && preferences.showsDetails;
  const details = <Inspector voice={voice} history={history} recordings={recordings} />;
  const toggle = (wanted: Panel) => {
    if (wanted === 'details' && isWide && page === 'talk')
      change({ showsDetails: !preferences.showsDetails });
    else setPanel(panel === wanted ? null : wanted);
  };
  const engine = models.find(({ id }) => id === preferences.model) ?? models[0];

  return (
    <>
      <Header
        voice={voice}
        preferences={preferences}
        change={change}
        shown={panel === 'details' && isDocked ? null : panel}
        hasDetails={isDocked}
        page={page}
        toggle={toggle}
      />
      <main data-page={page} data-docked={isDocked || undefined}>
        {page === 'talk' ? (
          <Stage voice={voice} engine={engine?.description ?? null} beginAnew={beginAnew} />
        ) : (
          <Conversations url={url} apiKey={key} enterKey={enterKey} goOn={goOn} />
        )}
        {isDocked && (
          <section className="panel" aria-label="Details">
            {details}
          </section>
        )}
        <Drawer
          title="Settings"
          isOpen={panel === 'settings'}
          onClose={() => {
            setWantsKey(false);
            setPanel(null);
          }}
        >
          <Settings
            preferences={preferences}
            change={change}
            isHearing={voice.microphone === 'on'}
            models={models}
            apiKey={key}
            setApiKey={setKey}
            wantsKey={wantsKey}
          />
        </Drawer>
        <Drawer title="Code" isOpen={panel === 'code'} isBroad onClose={() => setPanel(null)}>
          <Code preferences={preferences} model={models[0]?.id ?? 'gpt-realtime'} />
        </Drawer>
        <Drawer
          title="Details"
          isOpen={panel === 'details' && !isDocked}
          onClose={() => setPanel(null)}
        >
          {details}
        </Drawer>
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
