/** Who is at it: the user, the agent thinking, the agent speaking. Pure. */

import type { ServerEvent, TurnDetection } from './protocol';
import type { Activity } from './snapshot';

export interface ActivityState {
  userSpeaking: boolean;
  /** Since when an answer is expected that has not begun. */
  awaitedSinceMs: number | null;
  /** The conversation's response that is being made. */
  responseId: string | null;
  isAudible: boolean;
  /** The user's last sound in an answer that is not answered: it was "mhm", or noise. */
  unansweredItemId: string | null;
}

export const QUIET: ActivityState = Object.freeze({
  userSpeaking: false,
  awaitedSinceMs: null,
  responseId: null,
  isAudible: false,
  unansweredItemId: null,
});

/** A server need not answer a turn without words; then nobody waits longer than this. */
const AWAITED_MS = 20_000;

export function activityOf(state: ActivityState): Activity {
  if (state.isAudible) return 'speaking';
  return state.responseId !== null || state.awaitedSinceMs !== null ? 'thinking' : 'listening';
}

export function afterActivity(
  state: ActivityState,
  event: ServerEvent,
  turnDetection: TurnDetection | null | undefined,
  atMs: number,
): ActivityState {
  switch (event.type) {
    case 'input_audio_buffer.speech_started':
      return { ...state, userSpeaking: true, awaitedSinceMs: null };
    case 'input_audio_buffer.speech_stopped':
    case 'input_audio_buffer.committed': {
      const isAnswered =
        turnDetection != null &&
        turnDetection.create_response !== false &&
        event.item_id !== state.unansweredItemId;
      const awaitedSinceMs = isAnswered ? atMs : state.awaitedSinceMs;
      return { ...state, userSpeaking: false, awaitedSinceMs };
    }
    case 'antiphon.overlap':
      return event.state === 'backchannel' || event.state === 'noise'
        ? { ...state, unansweredItemId: event.item_id }
        : state;
    case 'input_audio_buffer.cleared':
      return { ...state, userSpeaking: false };
    case 'response.created':
      if (event.response.conversation_id === null) return state;
      return { ...state, responseId: event.response.id, awaitedSinceMs: null };
    case 'response.done':
      return event.response.id === state.responseId ? { ...state, responseId: null } : state;
    case 'output_audio_buffer.started':
      return { ...state, isAudible: true };
    case 'output_audio_buffer.stopped':
    case 'output_audio_buffer.cleared':
      return { ...state, isAudible: false };
    default:
      return state;
  }
}

export function afterWaiting(state: ActivityState, atMs: number): ActivityState {
  const isOver = state.awaitedSinceMs !== null && atMs - state.awaitedSinceMs > AWAITED_MS;
  return isOver ? { ...state, awaitedSinceMs: null } : state;
}
