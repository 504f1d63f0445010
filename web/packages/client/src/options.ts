/** What a page says about the conversation that it wants. */

import type { ToolChoice, Transcription, TurnDetection, WireSession } from './protocol';

export type TransportKind = 'webrtc' | 'websocket';
export type Mode = 'voice' | 'text';
export type Codec = 'opus' | 'pcmu' | 'pcma';

export interface VoiceSessionOptions {
  /** The API's base, as `https://voice.example.com/v1`. Default: `/v1` of the page's own server. */
  url?: string;
  /** Default: what the secret was minted for, or the server's own default. */
  model?: string;
  /**
   * A conversation that the server has kept, to go on with: the server tells its items, and is told
   * none. Beyond OpenAI's API.
   */
  conversationId?: string | undefined;
  /** Gives an ephemeral secret (`ek_…`) of your backend. Called for each connection anew. */
  getSecret?: () => string | Promise<string>;
  /** A lasting key, for trying things on your own machine. Never ship one in a page. */
  key?: string;
  /** Default: `webrtc`. */
  transport?: TransportKind;
  /** `text` begins without a microphone; `setMode` changes it at any time. Default: `voice`. */
  mode?: Mode;
  /** `null` leaves the session as its secret bound it: no `session.update` is ever sent. */
  session?: SessionSettings | null;
  /** Functions of the page that the model may call. */
  tools?: readonly ClientTool[];
  /** Preferred codec; `opus` over WebSocket is 24 kHz PCM. Default: `opus`. */
  codec?: Codec;
  /** STUN and TURN servers. Default: none, so no third party learns of the call. */
  iceServers?: RTCIceServer[];
  microphone?: MicrophoneOptions;
  /** Go on over WebSocket, or in text, where media fails. Default: true. */
  fallback?: boolean;
  /** `false`: a lost connection ends the session. */
  reconnect?: Partial<ReconnectOptions> | false;
  /**
   * The tab keeps the way back to the session under this name (`sessionStorage`), so that the same
   * page, loaded anew, goes on with it. Absent: a page loaded anew begins anew.
   */
  rememberAs?: string;
  /** How long a connection may take to be up. Default: 15,000. */
  connectTimeoutMs?: number;
  limits?: Partial<Limits>;
}

/** What is not given stays as the server, or the secret, has it. */
export interface SessionSettings {
  instructions?: string;
  /** A voice's name. Locked by the server once the agent has spoken. */
  voice?: string;
  /** 0.25 … 1.5. */
  speed?: number;
  /** `null`: push to talk. */
  turnDetection?: TurnDetection | null;
  /** `null` turns the captions of the user's speech off. Default: a general model. */
  transcription?: Transcription | null;
  noiseReduction?: 'near_field' | 'far_field' | null;
  toolChoice?: ToolChoice;
  maxOutputTokens?: number | 'inf';
  /** Anything else of the session object, as the protocol spells it. */
  wire?: WireSession;
}

/** A function that the model may call. */
export interface ClientTool {
  name: string;
  description?: string;
  /** JSON schema of the arguments. */
  parameters?: object;
  /**
   * Runs in the page. Its result (a string, or anything JSON can hold) goes to the model; what it
   * throws goes there as an error. Without it the call is only shown: someone else answers.
   */
  run?(args: Record<string, unknown>, call: ToolCallContext): unknown | Promise<unknown>;
}

export interface ToolCallContext {
  callId: string;
  /** Aborts when the session is closed. */
  signal: AbortSignal;
}

export interface MicrophoneOptions {
  deviceId?: string;
  /** Default: true, as the two below. */
  noiseSuppression?: boolean;
  echoCancellation?: boolean;
  autoGainControl?: boolean;
}

export interface ReconnectOptions {
  /** Default: 8. */
  maxAttempts: number;
  /** The first wait; each next one is twice as long. Default: 500. */
  baseDelayMs: number;
  /** Default: 10,000. */
  maxDelayMs: number;
}

/** Where something is full the oldest goes. */
export interface Limits {
  /** Items of the conversation. Default: 500. */
  items: number;
  /** Events in the log. Default: 1000. */
  logEntries: number;
  /** Timelines of turns. Default: 100. */
  turns: number;
  /** Images whose picture is kept to be shown. Default: 20. */
  images: number;
  /** Seconds of a recording. Default: 3600. */
  recordingSeconds: number;
}
