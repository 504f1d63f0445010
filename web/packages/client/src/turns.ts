/** When the steps of each turn happened. Pure. */

import type { ServerEvent, TurnDetection } from './protocol';
import type { Turn, TurnMarks, Usage } from './snapshot';
import { costOf, NO_USAGE, sum, usageOf } from './usage';

/** The protocol's default of `silence_duration_ms`. */
const DEFAULT_SILENCE_MS = 500;

export type Turns = readonly Turn[];

export function afterTurnEvent(
  turns: Turns,
  event: ServerEvent,
  turnDetection: TurnDetection | null | undefined,
  atMs: number,
): Turns {
  switch (event.type) {
    case 'input_audio_buffer.speech_started':
      return [...turns, begun(event.item_id, 'speech', { speechStarted: atMs })];
    case 'input_audio_buffer.speech_stopped':
      return stopped(turns, event.item_id, turnDetection, atMs);
    case 'input_audio_buffer.committed':
      return turns.some(byId(event.item_id))
        ? marked(turns, byId(event.item_id), 'committed', atMs)
        : [...turns, begun(event.item_id, 'speech', { committed: atMs })];
    case 'conversation.item.input_audio_transcription.completed':
      return marked(turns, byId(event.item_id), 'transcribed', atMs);
    case 'response.created':
      return event.response.conversation_id === null
        ? turns
        : answered(turns, event.response.id, atMs);
    case 'response.output_text.delta':
    case 'response.output_audio_transcript.delta':
      return marked(turns, byResponse(event.response_id), 'firstText', atMs);
    case 'output_audio_buffer.started':
      return marked(turns, byResponse(event.response_id), 'firstAudio', atMs);
    case 'output_audio_buffer.stopped':
      return marked(turns, byResponse(event.response_id), 'heard', atMs);
    case 'output_audio_buffer.cleared':
      return marked(turns, byResponse(event.response_id), 'interrupted', atMs);
    case 'response.done': {
      const { id, status, usage } = event.response;
      let after = marked(turns, byResponse(id), 'responseDone', atMs);
      if (status === 'cancelled') after = marked(after, byResponse(id), 'interrupted', atMs);
      return usage ? used(after, byResponse(id), usageOf(usage)) : after;
    }
    case 'antiphon.cost': {
      const { response_id, item_id } = event;
      const which = response_id ? byResponse(response_id) : byId(item_id ?? '');
      return used(turns, which, costOf(event));
    }
    case 'antiphon.timeline': {
      const { timeline } = event;
      return changed(turns, byResponse(timeline.response_id), (turn) => ({ ...turn, timeline }));
    }
    default:
      return turns;
  }
}

/** The page sent a message or a tool's result that the agent is to answer. */
export function sent(turns: Turns, id: string, cause: 'text' | 'tool', atMs: number): Turns {
  return [...turns, begun(id, cause, { sent: atMs })];
}

export function marked(
  turns: Turns,
  which: (turn: Turn) => boolean,
  mark: keyof TurnMarks,
  atMs: number,
): Turns {
  return changed(turns, which, (turn) =>
    turn.marks[mark] === undefined ? { ...turn, marks: { ...turn.marks, [mark]: atMs } } : turn,
  );
}

export function used(turns: Turns, which: (turn: Turn) => boolean, more: Partial<Usage>): Turns {
  return changed(turns, which, (turn) => ({ ...turn, usage: sum(turn.usage, more) }));
}

export const byId = (id: string) => (turn: Turn) => turn.id === id;
export const byResponse = (id: string) => (turn: Turn) => turn.responseId === id;

/** The server says so after a silence; the last word was before it. */
function stopped(
  turns: Turns,
  itemId: string,
  turnDetection: TurnDetection | null | undefined,
  atMs: number,
): Turns {
  const after = marked(turns, byId(itemId), 'speechStopped', atMs);
  if (turnDetection?.type !== 'server_vad') return after;
  const silenceMs = turnDetection.silence_duration_ms ?? DEFAULT_SILENCE_MS;
  return changed(after, byId(itemId), (turn) => {
    const lastWord = Math.max(turn.marks.speechStarted ?? 0, atMs - silenceMs);
    return { ...turn, marks: { ...turn.marks, lastWord } };
  });
}

function begun(id: string, cause: Turn['cause'], marks: TurnMarks): Turn {
  return { id, cause, responseId: null, marks, usage: NO_USAGE };
}

/** A response answers the newest turn that has none; without one the agent began by itself. */
function answered(turns: Turns, responseId: string, atMs: number): Turns {
  const isOver = ({ cause, marks }: Turn) => cause !== 'speech' || marks.committed !== undefined;
  const waiting = turns.findLast((turn) => turn.responseId === null && isOver(turn));
  const base = waiting ? turns : [...turns, begun(responseId, 'agent', {})];
  const asked = waiting ?? base.at(-1);
  return changed(
    base,
    (turn) => turn === asked,
    (turn) => ({ ...turn, responseId, marks: { ...turn.marks, responseCreated: atMs } }),
  );
}

function changed(
  turns: Turns,
  which: (turn: Turn) => boolean,
  change: (turn: Turn) => Turn,
): Turns {
  const at = turns.findLastIndex(which);
  const current = turns[at];
  if (!current) return turns;
  const fresh = change(current);
  return fresh === current ? turns : turns.with(at, fresh);
}
