import { type RealtimeVoice, servedBy } from '@antiphon/react';
import type { Preferences } from '../preferences';
import type { Change } from '../use-preferences';

const THEMES: Record<Preferences['theme'], string> = {
  system: 'Auto',
  light: 'Light',
  dark: 'Dark',
};

interface HeaderProps {
  voice: RealtimeVoice;
  preferences: Preferences;
  change: Change;
}

export function Header({ voice, preferences, change }: HeaderProps) {
  const { quality, transport, error } = voice;
  const isUnsure = error?.kind === 'connection-unsure';
  const { engine } = servedBy(voice.serverSession);
  return (
    <header className="top">
      <h1>
        <Mark />
        Antiphon
      </h1>
      <p className="connection" role="status">
        {transport && <span>{transport === 'webrtc' ? 'WebRTC' : 'WebSocket'}</span>}
        {transport && engine && <span title="The engine that answers">{engine}</span>}
        {quality && !isUnsure && (
          <span className="verdict" data-verdict={quality.verdict} title={quality.reason}>
            {quality.verdict}
            <span className="verdict-word"> connection</span>
          </span>
        )}
      </p>
      <label className="theme">
        <span className="hidden">Colours</span>
        <select
          value={preferences.theme}
          onChange={({ currentTarget }) =>
            change({ theme: currentTarget.value as Preferences['theme'] })
          }
        >
          {Object.entries(THEMES).map(([theme, name]) => (
            <option key={theme} value={theme}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </header>
  );
}

/** Two voices that answer each other. */
function Mark() {
  return (
    <svg viewBox="0 0 28 28" width="28" height="28" aria-hidden="true" className="mark">
      <path className="mark-user" d="M4 11v6M9 7v14" />
      <path d="M14 3v22" />
      <path className="mark-agent" d="M19 7v14M24 11v6" />
    </svg>
  );
}
