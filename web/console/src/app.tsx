import { Code } from './code/code';
import { Conversations } from './conversations/conversations';
import { Inspector } from './inspect/inspector';
import { useQualityHistory } from './inspect/use-quality-history';
import { useRecordings } from './inspect/use-recordings';
import { Operate } from './operate/operate';
import { Drawer } from './panels/drawer';
import { useIsWide } from './panels/use-is-wide';
import { type Panel, usePanels } from './panels/use-panels';
import { apiBeside } from './preferences';
import { Settings, type SettingsProps } from './settings/settings';
import { Header } from './shell/header';
import { useShortcuts } from './shell/shortcuts';
import { goTo, usePage } from './shell/use-page';
import { Stage } from './stage/stage';
import { useModels } from './use-models';
import { useKey, usePreferences } from './use-preferences';
import { beginAnew, goOn, useVoice } from './use-voice';

export function App() {
  const [preferences, change] = usePreferences();
  const [key, setKey] = useKey();
  const voice = useVoice(preferences, key);
  useShortcuts(voice);
  const url = preferences.url || apiBeside(document.baseURI);
  const models = useModels(url, key);
  const engine = models.find(({ id }) => id === preferences.model) ?? models[0];
  const panels = usePanels(voice.error?.kind === 'key-refused');
  // Kept while the panel that shows them is closed.
  const history = useQualityHistory(voice.quality);
  const recordings = useRecordings(voice);

  const page = usePage();
  const canDock = useIsWide() && page === 'talk';
  const isDocked = canDock && preferences.showsDetails;
  const toggle = (panel: Panel) => {
    if (panel === 'details' && canDock) change({ showsDetails: !preferences.showsDetails });
    else panels.toggle(panel);
  };
  const shown = panels.open === 'details' && isDocked ? null : panels.open;
  const drawer = (panel: Panel) => ({ isOpen: shown === panel, onClose: panels.close });
  const details = <Inspector voice={voice} history={history} recordings={recordings} />;
  const settings: SettingsProps = {
    ...{ preferences, change, models, apiKey: key, setApiKey: setKey },
    isHearing: voice.microphone === 'on',
    wantsKey: panels.wantsKey,
  };

  return (
    <>
      <Header {...{ voice, preferences, change, shown, page, toggle }} hasDetails={isDocked} />
      <main data-page={page} data-docked={isDocked || undefined}>
        {page === 'talk' ? (
          <Stage
            voice={voice}
            engine={engine?.description ?? null}
            beginAnew={() => beginAnew(voice)}
          />
        ) : page === 'operate' ? (
          <Operate url={url} apiKey={key} models={models} enterKey={panels.enterKey} />
        ) : (
          <Conversations
            url={url}
            apiKey={key}
            enterKey={panels.enterKey}
            goOn={(id) => {
              goOn(voice, id);
              goTo('talk');
            }}
          />
        )}
        {isDocked && (
          <section className="panel" aria-label="Details">
            {details}
          </section>
        )}
        <Drawer title="Settings" {...drawer('settings')}>
          <Settings {...settings} />
        </Drawer>
        <Drawer title="Code" isBroad {...drawer('code')}>
          <Code preferences={preferences} model={models[0]?.id ?? 'gpt-realtime'} />
        </Drawer>
        <Drawer title="Details" {...drawer('details')}>
          {details}
        </Drawer>
      </main>
    </>
  );
}
