import type { SessionState, VoiceSessionOptions } from '@antiphon/client';
import { type KeyboardEvent, type ReactNode, useId } from 'react';
import { Captions } from './captions';
import { Composer } from './composer';
import { Notice } from './notice';
import { TalkButton } from './talk-button';
import { type RealtimeVoice, useRealtimeVoiceSession } from './use-session';
import { Visualizer } from './visualizer';

export interface VoicePanelProps {
  /** How to connect, where the panel keeps the session itself. */
  options?: VoiceSessionOptions;
  /** A session that the page keeps with `useRealtimeVoiceSession`; `options` are not used then. */
  voice?: RealtimeVoice;
  title?: string;
  className?: string;
  /** More buttons, beside the panel's own, while there is a conversation. */
  actions?: ReactNode;
}

const STATES: Record<SessionState, string> = {
  idle: 'Ready',
  connecting: 'Connecting…',
  listening: 'Listening',
  thinking: 'Thinking…',
  speaking: 'Speaking',
  reconnecting: 'Reconnecting…',
  'text-only': 'Text only',
  closed: 'Ended',
};

/** A whole conversation: talk, type, read along. Needs `@antiphon/react/voice-panel.css`. */
export function VoicePanel({ voice, options, ...shown }: VoicePanelProps) {
  return voice ? (
    <Panel voice={voice} {...shown} />
  ) : (
    <OwnPanel options={options ?? {}} {...shown} />
  );
}

function OwnPanel({ options, ...shown }: VoicePanelProps & { options: VoiceSessionOptions }) {
  return <Panel voice={useRealtimeVoiceSession(options)} {...shown} />;
}

function Panel({
  voice,
  title = 'Talk',
  className = '',
  actions,
}: Omit<VoicePanelProps, 'voice' | 'options'> & { voice: RealtimeVoice }) {
  const { session, state, mode, muted, microphone } = voice;
  const titleId = useId();
  const isUp = state !== 'idle' && state !== 'closed';
  const isByHand = voice.serverSession?.audio?.input?.turn_detection === null;

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && voice.activity !== 'listening') session.interrupt();
  };

  return (
    <section
      className={`antiphon-panel ${className}`}
      data-state={state}
      aria-labelledby={titleId}
      onKeyDown={onKeyDown}
    >
      <header className="antiphon-header">
        <h2 id={titleId}>{title}</h2>
        <span className="antiphon-state" role="status">
          {stateOf(voice)}
        </span>
      </header>
      <div className="antiphon-sound" aria-hidden={!isUp}>
        <Visualizer
          className="antiphon-user"
          label="Your voice"
          analyser={() => session.inputAnalyser}
        />
        <Visualizer
          className="antiphon-agent"
          label="The agent’s voice"
          analyser={() => session.outputAnalyser}
        />
      </div>
      <Notice voice={voice} />
      <Captions items={voice.items} />
      <div className="antiphon-controls">
        <button
          type="button"
          className="antiphon-main"
          onClick={() => (isUp ? session.close() : session.connect().catch(() => {}))}
        >
          {isUp ? 'End' : 'Start'}
        </button>
        {isUp && isByHand && microphone === 'on' && <TalkButton voice={voice} />}
        {isUp && microphone === 'on' && (
          <button type="button" aria-pressed={muted} onClick={() => session.setMuted(!muted)}>
            {muted ? 'Unmute' : 'Mute'}
          </button>
        )}
        {isUp && voice.activity !== 'listening' && (
          <button type="button" onClick={() => session.interrupt()}>
            Interrupt
          </button>
        )}
        {isUp && (
          <button
            type="button"
            onClick={() => session.setMode(isTyping(voice) ? 'voice' : 'text').catch(() => {})}
          >
            {isTyping(voice) ? 'Use voice' : 'Use text'}
          </button>
        )}
        {isUp && actions}
      </div>
      <Composer
        onSend={(text) => {
          session.sendText(text);
          if (!isUp) {
            // One who types may not want the microphone.
            const start = mode === 'text' ? session.connect() : typed(voice);
            start.catch(() => {});
          }
        }}
      />
    </section>
  );
}

function stateOf({ state, userSpeaking, error }: RealtimeVoice): string {
  if (error?.kind === 'connection-unsure') return 'No connection?';
  return userSpeaking ? 'Hearing you' : STATES[state];
}

function isTyping({ mode, microphone }: RealtimeVoice): boolean {
  return mode === 'text' || microphone === 'off';
}

async function typed({ session }: RealtimeVoice): Promise<void> {
  await session.setMode('text');
  await session.connect();
}
