import type { RealtimeVoice } from './use-session';

/** What went wrong and what to do, with the button that does it. */
export function Notice({ voice }: { voice: RealtimeVoice }) {
  const { error, audioBlocked, session } = voice;
  if (!error) return null;
  return (
    <div className="antiphon-notice" role="alert" data-kind={error.kind}>
      <div>
        <p>
          <strong>{error.message}</strong> {error.hint}
        </p>
        {error.detail && <p className="antiphon-detail">{error.detail}</p>}
      </div>
      {audioBlocked && (
        <button type="button" onClick={() => session.resumeAudio().catch(() => {})}>
          Turn the sound on
        </button>
      )}
      <button type="button" aria-label="Dismiss" onClick={() => session.dismissError()}>
        ×
      </button>
    </div>
  );
}
