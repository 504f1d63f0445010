import type { Quality, RealtimeVoice } from '@antiphon/react';
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { Settings, type SettingsProps } from '../settings/settings';
import { ConnectionTab } from './connection-tab';
import { EventsTab } from './events-tab';
import { RecordingTab } from './recording-tab';
import { ToolsTab } from './tools-tab';
import { TurnsTab } from './turns-tab';
import { UsageTab } from './usage-tab';
import { useQualityHistory } from './use-quality-history';
import { type Recordings, useRecordings } from './use-recordings';

export interface InspectorProps extends Omit<SettingsProps, 'isHearing' | 'wantsKey'> {
  voice: RealtimeVoice;
}

interface TabProps extends InspectorProps {
  history: readonly Quality[];
  recordings: Recordings;
}

const TABS: [name: string, show: (props: TabProps) => ReactNode][] = [
  [
    'Settings',
    ({ voice, ...chosen }) => (
      <Settings {...chosen} isHearing={voice.microphone === 'on'} wantsKey={wantsKey(voice)} />
    ),
  ],
  ['Turns', ({ voice }) => <TurnsTab turns={voice.turns} />],
  ['Events', ({ voice }) => <EventsTab session={voice.session} />],
  ['Tools', ({ voice }) => <ToolsTab items={voice.items} />],
  ['Connection', ({ voice, history }) => <ConnectionTab voice={voice} history={history} />],
  ['Usage', ({ voice }) => <UsageTab usage={voice.usage} turns={voice.turns} />],
  [
    'Recording',
    ({ voice, recordings }) => <RecordingTab isOn={voice.recording} recordings={recordings} />,
  ],
];

const SETTINGS = 0;

function wantsKey({ error }: RealtimeVoice): boolean {
  return error?.kind === 'key-refused';
}

/** What can be chosen and seen beside the conversation. */
export function Inspector(props: InspectorProps) {
  const [chosen, choose] = useState(0);
  // Kept while other tabs are open.
  const history = useQualityHistory(props.voice.quality);
  const recordings = useRecordings(props.voice);
  const list = useRef<HTMLDivElement>(null);
  const isAboutKey = wantsKey(props.voice);
  useEffect(() => {
    // The key's field is there.
    if (isAboutKey) choose(SETTINGS);
  }, [isAboutKey]);
  const [, show] = TABS[chosen] ?? TABS[0] ?? [];

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (chosen + step + TABS.length) % TABS.length;
    choose(next);
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
    event.preventDefault();
  };

  return (
    <section className="inspector" aria-label="Settings and details">
      <div ref={list} role="tablist" aria-label="Views" onKeyDown={onKeyDown}>
        {TABS.map(([name], index) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${index}`}
            aria-selected={index === chosen}
            aria-controls="view"
            tabIndex={index === chosen ? 0 : -1}
            onClick={() => choose(index)}
          >
            {name}
          </button>
        ))}
      </div>
      <div id="view" role="tabpanel" aria-labelledby={`tab-${chosen}`}>
        {show?.({ ...props, history, recordings })}
      </div>
    </section>
  );
}
