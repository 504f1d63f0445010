import { type RealtimeVoice, servedBy } from '@antiphon/react';
import { ChartNoAxesGantt, type LucideIcon, Moon, Settings2, Sun, SunMoon } from 'lucide-react';
import type { Panel } from '../app';
import type { Preferences } from '../preferences';
import type { Change } from '../use-preferences';
import { Mark } from './mark';

type Theme = Preferences['theme'];

const THEMES: Record<Theme, { name: string; Icon: LucideIcon; next: Theme }> = {
  system: { name: 'Automatic colours', Icon: SunMoon, next: 'light' },
  light: { name: 'Light colours', Icon: Sun, next: 'dark' },
  dark: { name: 'Dark colours', Icon: Moon, next: 'system' },
};

interface HeaderProps {
  voice: RealtimeVoice;
  preferences: Preferences;
  change: Change;
  shown: Record<Panel, boolean>;
  toggle: (panel: Panel) => void;
}

export function Header({ voice, preferences, change, shown, toggle }: HeaderProps) {
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
        <button
          type="button"
          className="icon named"
          aria-label="Details"
          title="Details"
          aria-pressed={shown.details}
          onClick={() => toggle('details')}
        >
          <ChartNoAxesGantt aria-hidden="true" />
          <span>Details</span>
        </button>
        <button
          type="button"
          className="icon named"
          aria-label="Settings"
          title="Settings"
          aria-expanded={shown.settings}
          onClick={() => toggle('settings')}
        >
          <Settings2 aria-hidden="true" />
          <span>Settings</span>
        </button>
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
          {quality.verdict}
          <span className="verdict-word"> connection</span>
        </span>
      )}
    </p>
  );
}
