import { type RealtimeVoice, TalkButton } from '@antiphon/react';
import { AudioLines, Hand, Keyboard, Mic, MicOff, Phone, PhoneOff } from 'lucide-react';
import type { ReactNode } from 'react';
import { PictureMenu } from './picture-menu';

/** What one can do at any time, always in the same places. */
export function Controls({ voice }: { voice: RealtimeVoice }) {
  const { session, muted, microphone, mode } = voice;
  const isUp = voice.state !== 'idle' && voice.state !== 'closed';
  const isByHand = voice.serverSession?.audio?.input?.turn_detection === null;
  const isHearing = isUp && microphone === 'on';
  const isTyping = mode === 'text' || microphone === 'off';
  return (
    <fieldset className="controls" aria-label="Conversation controls">
      <Icon
        name={muted ? 'Unmute' : 'Mute'}
        isPressed={muted}
        isDisabled={!isHearing}
        onClick={() => session.setMuted(!muted)}
      >
        {muted ? <MicOff aria-hidden="true" /> : <Mic aria-hidden="true" />}
      </Icon>
      <Icon
        name={isTyping && isUp ? 'Use voice' : 'Use text'}
        isDisabled={!isUp}
        onClick={() => session.setMode(isTyping ? 'voice' : 'text').catch(() => {})}
      >
        {isTyping && isUp ? <AudioLines aria-hidden="true" /> : <Keyboard aria-hidden="true" />}
      </Icon>
      {isHearing && isByHand && <TalkButton voice={voice} />}
      <button
        type="button"
        className={isUp ? 'end' : 'start'}
        onClick={() => (isUp ? session.close() : session.connect().catch(() => {}))}
      >
        {isUp ? <PhoneOff aria-hidden="true" /> : <Phone aria-hidden="true" />}
        <span>{isUp ? 'End' : 'Start'}</span>
      </button>
      <Icon
        name="Interrupt"
        isDisabled={!isUp || voice.activity === 'listening'}
        onClick={() => session.interrupt()}
      >
        <Hand aria-hidden="true" />
      </Icon>
      <PictureMenu session={session} isDisabled={!isUp} />
    </fieldset>
  );
}

interface IconProps {
  name: string;
  isPressed?: boolean;
  isDisabled: boolean;
  onClick: () => void;
  children: ReactNode;
}

function Icon({ name, isPressed, isDisabled, onClick, children }: IconProps) {
  return (
    <button
      type="button"
      className="icon"
      title={name}
      aria-label={name}
      aria-pressed={isPressed}
      disabled={isDisabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
