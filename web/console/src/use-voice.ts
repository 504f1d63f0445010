import { type RealtimeVoice, useRealtimeVoiceSession } from '@antiphon/react';
import { useEffect } from 'react';
import { microphoneOf, optionsOf, type Preferences } from './preferences';

/** The page's one conversation, as the preferences have it. */
export function useVoice(preferences: Preferences, key: string): RealtimeVoice {
  const voice = useRealtimeVoiceSession(optionsOf(preferences, key));
  const { session } = voice;
  const microphone = JSON.stringify(microphoneOf(preferences));
  useEffect(() => {
    // A failure is in the snapshot, here as below.
    session.setMicrophone(JSON.parse(microphone)).catch(() => {});
  }, [session, microphone]);
  useEffect(() => {
    session.reconfigure({ key }).catch(() => {});
  }, [session, key]);
  return voice;
}

/** A new conversation in place of this one; connected, if this one was. */
export function beginAnew({ session, state }: RealtimeVoice): void {
  replace(session);
  if (state !== 'idle' && state !== 'closed') session.connect().catch(() => {});
}

/** One that the server has kept, in place of this one. */
export function goOn({ session }: RealtimeVoice, conversationId: string): void {
  replace(session, conversationId);
  session.connect().catch(() => {});
}

function replace(session: RealtimeVoice['session'], conversationId?: string): void {
  session.close();
  session.clearConversation();
  session.reconfigure({ conversationId }).catch(() => {});
}
