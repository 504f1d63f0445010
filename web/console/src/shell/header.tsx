import { type RealtimeVoice, servedBy } from '@antiphon/react';
import {
  ChartNoAxesGantt,
  CodeXml,
  Headset,
  History,
  type LucideIcon,
  Moon,
  Settings2,
  Sun,
  SunMoon,
} from 'lucide-react';
import type { Panel } from '../panels/use-panels';
import type { Preferences } from '../preferences';
import type { Change } from '../use-preferences';
import { Mark } from './mark';
import { goTo, type PageName } from './use-page';

type Theme = Preferences['theme'];

const THEMES: Record<Theme, { name: string; Icon: LucideIcon; next: Theme }> = {
  system: { name: 'Automatic colours', Icon: SunMoon, next: 'light' },
  light: { name: 'Light colours', Icon: Sun, next: 'dark' },
  dark: { name: 'Dark colours', Icon: Moon, next: 'system' },
};

const PAGES: { name: PageName; title: string; Icon: LucideIcon }[] = [
  { name: 'conversations', title: 'Conversations', Icon: History },
  { name: 'operate', title: 'Operate', Icon: Headset },
];

const PANELS: { panel: Panel; name: string; Icon: LucideIcon }[] = [
  { panel: 'details', name: 'Details', Icon: ChartNoAxesGantt },
  { panel: 'code', name: 'Code', Icon: CodeXml },
  { panel: 'settings', name: 'Settings', Icon: Settings2 },
];

interface HeaderProps {
  voice: RealtimeVoice;
  preferences: Preferences;
  change: Change;
  /** The drawer that is open. */
  shown: Panel | null;
  /** They are beside the conversation. */
  hasDetails: boolean;
  page: PageName;
  toggle: (panel: Panel) => void;
}

export function Header({
  voice,
  preferences,
  change,
  shown,
  hasDetails,
  page,
  toggle,
}: HeaderProps) {
  const theme = THEMES[preferences.theme];
  return (
    <header className="top">
      <h1>
        <Mark />
        Antiphon
      </h1>
      <Connection voice={voice} />
      <nav className="tools" aria-label="Panels">
        <button
          type="button"
          className="icon"
          title={theme.name}
          aria-label={theme.name}
          onClick={() => change({ theme: theme.next })}
        >
          <theme.Icon aria-hidden="true" />
        </button>
        {PAGES.map(({ name, title, Icon }) => (
          <button
            key={name}
            type="button"
            className="icon named"
            aria-label={title}
            title={title}
            aria-pressed={page === name}
            onClick={() => goTo(page === name ? 'talk' : name)}
          >
            <Icon aria-hidden="true" />
            <span>{title}</span>
          </button>
        ))}
        {PANELS.map(({ panel, name, Icon }) => (
          <button
            key={panel}
            type="button"
            className="icon named"
            aria-label={name}
            title={name}
            aria-expanded={shown === panel || (panel === 'details' && hasDetails)}
            onClick={() => toggle(panel)}
          >
            <Icon aria-hidden="true" />
            <span>{name}</span>
          </button>
        ))}
      </nav>
    </header>
  );
}

function Connection({
  voice: { quality, transport, error, serverSession },
}: Pick<HeaderProps, 'voice'>) {
  const isUnsure = error?.kind === 'connection-unsure';
  const { engine, voice } = servedBy(serverSession);
  return (
    <p className="connection" role="status">
      {transport && engine && (
        <span className="served" title="The engine and the voice that answer">
          {voice ? `${engine}, ${voice}` : engine}
        </span>
      )}
      {transport && <span>{transport === 'webrtc' ? 'WebRTC' : 'WebSocket'}</span>}
      {quality && !isUnsure && (
        <span className="verdict" data-verdict={quality.verdict} title={quality.reason}>
          <span className="verdict-word">{quality.verdict} connection</span>
        </span>
      )}
    </p>
  );
}
