import type { Quality, RealtimeVoice } from '@antiphon/react';
import { type KeyboardEvent, type ReactNode, useRef, useState } from 'react';
import { ConnectionTab } from './connection-tab';
import { EventsTab } from './events-tab';
import { RecordingTab } from './recording-tab';
import { ToolsTab } from './tools-tab';
import { TurnsTab } from './turns-tab';
import { UsageTab } from './usage-tab';
import type { Recordings } from './use-recordings';

export interface InspectorProps {
  voice: RealtimeVoice;
  history: readonly Quality[];
  recordings: Recordings;
}

const TABS: [name: string, show: (props: InspectorProps) => ReactNode][] = [
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

/** What can be seen of the conversation. */
export function Inspector(props: InspectorProps) {
  const [chosen, choose] = useState(0);
  const list = useRef<HTMLDivElement>(null);
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
    <div className="inspector">
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
        {show?.(props)}
      </div>
    </div>
  );
}
