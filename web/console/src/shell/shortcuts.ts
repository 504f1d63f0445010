import type { RealtimeVoice } from '@antiphon/react';
import { useEffect, useRef } from 'react';

export const SHORTCUTS: [keys: string, what: string][] = [
  ['T', 'start or end the conversation'],
  ['Space', 'hold to talk (push-to-talk)'],
  ['M', 'mute or unmute the microphone'],
  ['Esc', 'interrupt the agent'],
  ['/', 'type a message'],
  ['← →', 'move between the tabs'],
];

/** Keys that work wherever nothing else wants them. */
export function useShortcuts(voice: RealtimeVoice): void {
  const latest = useRef(voice);
  latest.current = voice;

  useEffect(() => {
    const isTaken = ({ target, ctrlKey, metaKey, altKey }: KeyboardEvent) =>
      ctrlKey ||
      metaKey ||
      altKey ||
      (target instanceof Element && target.closest('input, select, textarea, dialog') !== null);
    const isOnButton = ({ target }: KeyboardEvent) =>
      target instanceof Element && target.closest('button, summary, a, audio') !== null;

    const onKeyDown = (event: KeyboardEvent) => {
      if (isTaken(event)) return;
      const { session, state, muted, serverSession } = latest.current;
      const isByHand = serverSession?.audio?.input?.turn_detection === null;
      switch (event.key) {
        case 't':
          if (state === 'idle' || state === 'closed') session.connect().catch(() => {});
          else session.close();
          break;
        case 'm':
          session.setMuted(!muted);
          break;
        case 'Escape':
          session.interrupt();
          break;
        case '/':
          document.querySelector<HTMLInputElement>('.antiphon-composer input')?.focus();
          break;
        case ' ':
          if (!isByHand || isOnButton(event)) return;
          if (!event.repeat) session.pressToTalk();
          break;
        default:
          return;
      }
      event.preventDefault();
    };
    const onKeyUp = (event: KeyboardEvent) => {
      if (event.key === ' ' && latest.current.pressed) latest.current.session.releaseToTalk();
    };
    // A key that is let go in another window is never heard of.
    const onBlur = () => {
      if (latest.current.pressed) latest.current.session.releaseToTalk();
    };
    document.addEventListener('keydown', onKeyDown);
    document.addEventListener('keyup', onKeyUp);
    window.addEventListener('blur', onBlur);
    return () => {
      document.removeEventListener('keydown', onKeyDown);
      document.removeEventListener('keyup', onKeyUp);
      window.removeEventListener('blur', onBlur);
    };
  }, []);
}
