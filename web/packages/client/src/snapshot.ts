/** What a page shows: one immutable picture of the whole session. */

import type { VoiceError } from './errors';
import type { Mode, TransportKind } from './options';
import type { ItemStatus, Timeline, WireSession } from './protocol';

export type SessionState =
  | 'idle'
  | 'connecting'
  | 'listening'
  | 'thinking'
  | 'speaking'
  | 'reconnecting'
  | 'text-only'
  | 'closed';

/** What the agent is at, in voice and text alike. */
export type Activity = 'listening' | 'thinking' | 'speaking';

export interface Snapshot {
  state: SessionState;
  activity: Activity;
  userSpeaking: boolean;
  /** What carries the conversation now; `null` without a connection. */
  transport: TransportKind | null;
  /** What the page asked for; `state` is `text-only` too where voice was asked for and failed. */
  mode: Mode;
  microphone: 'off' | 'asking' | 'on';
  muted: boolean;
  /** The sound waits for `resumeAudio()` in a click or key press. */
  audioBlocked: boolean;
  /** A held push-to-talk. */
  pressed: boolean;
  items: readonly ConversationItem[];
  turns: readonly Turn[];
  usage: Usage;
  quality: Quality | null;
  recording: boolean;
  /** The last error; `null` once what it was about works again, or `dismissError()`. */
  error: VoiceError | null;
  /** The session as the server last showed it. */
  serverSession: WireSession | null;
  /** The call's id, as `rtc_…` (WebRTC), for a sideband. */
  callId: string | null;
}

export type ConversationItem = MessageItem | ToolCallItem;

export interface MessageItem {
  type: 'message';
  id: string;
  role: 'user' | 'assistant' | 'system';
  source: 'spoken' | 'typed';
  /** All words that are known; they may run ahead of the sound. */
  text: string;
  /** The words said so far: grows word by word as they are heard. */
  heard: string;
  /** The words that an interruption cut off: show them struck through. */
  unheard: string;
  /** It was cut off before all of it was heard. */
  interrupted: boolean;
  /** Data URLs. An empty one is a picture that is not kept any more. */
  images: readonly string[];
  status: ItemStatus;
  /** Words of the user's speech are still to come. */
  transcribing: boolean;
  /** When it began, in milliseconds since 1970. */
  atMs: number;
}

export interface ToolCallItem {
  type: 'tool_call';
  id: string;
  callId: string;
  name: string;
  /** JSON text; incomplete while `status` is `in_progress`. */
  arguments: string;
  /** What the model was told; `null` while it runs. */
  output: string | null;
  failed: boolean;
  status: ItemStatus;
  atMs: number;
}

/** Moments of one turn, in milliseconds since 1970; absent ones have not come, or never will. */
export interface TurnMarks {
  speechStarted?: number;
  /**
   * The user's last word: before the silence that ended the turn, where the server counts a fixed
   * one.
   */
  lastWord?: number;
  speechStopped?: number;
  committed?: number;
  transcribed?: number;
  /** A typed message, or a tool's result, was sent. */
  sent?: number;
  responseCreated?: number;
  /** The first words of the answer came. */
  firstText?: number;
  /** The first sound of the answer: played here, or by the server. */
  firstAudio?: number;
  responseDone?: number;
  /** All of the answer was heard. */
  heard?: number;
  /** The answer was cut off. */
  interrupted?: number;
}

export interface Turn {
  id: string;
  /** What asked for the answer; `agent`: it began by itself. */
  cause: 'speech' | 'text' | 'tool' | 'agent';
  responseId: string | null;
  marks: TurnMarks;
  usage: Usage;
  /**
   * Where the time went, as the server measured it. Only where the session asks for
   * `antiphon: { timeline: true }`.
   */
  timeline?: Timeline;
}

export interface Usage {
  inputTokens: number;
  outputTokens: number;
  inputTextTokens: number;
  inputAudioTokens: number;
  inputImageTokens: number;
  cachedTokens: number;
  outputTextTokens: number;
  outputAudioTokens: number;
  /** Speech of the user in turns, by the server's own positions. */
  inputAudioSeconds: number;
  /** Speech of the agent that was heard. */
  outputAudioSeconds: number;
  /**
   * In thousand-millionths of a US dollar, as far as there are prices. Only where the session asks
   * for `antiphon: { cost: true }`, of a server that counts.
   */
  costNanoUsd: number;
  /** How often something was used that has no price. */
  unpriced: number;
}

export type Verdict = 'good' | 'fair' | 'poor';

/** The connection over the last interval; `null`: not known on this transport, or not yet. */
export interface Quality {
  verdict: Verdict;
  /** Why, in a sentence. */
  reason: string;
  rttMs: number | null;
  jitterMs: number | null;
  /** Of the packets from the server, 0 … 1. */
  lossIn: number | null;
  /** Of the packets to the server, 0 … 1. */
  lossOut: number | null;
  /** Bytes that wait to be sent. */
  bufferedBytes: number | null;
  atMs: number;
}
