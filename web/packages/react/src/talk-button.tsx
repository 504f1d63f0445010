import type { RealtimeVoice } from './use-session';

/** Held by mouse, touch, Space or Enter. */
export function TalkButton({ voice: { session, pressed } }: { voice: RealtimeVoice }) {
  const isTalkKey = (key: string) => key === ' ' || key === 'Enter';
  return (
    <button
      type="button"
      className="antiphon-talk"
      aria-pressed={pressed}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        session.pressToTalk();
      }}
      onPointerUp={() => session.releaseToTalk()}
      onPointerCancel={() => session.releaseToTalk()}
      onKeyDown={(event) => {
        if (!isTalkKey(event.key)) return;
        event.preventDefault();
        if (!event.repeat) session.pressToTalk();
      }}
      onKeyUp={(event) => {
        if (isTalkKey(event.key)) session.releaseToTalk();
      }}
      onBlur={() => session.releaseToTalk()}
      onContextMenu={(event) => event.preventDefault()}
    >
      {pressed ? 'Let go to send' : 'Hold to talk'}
    </button>
  );
}
