/** What carries one conversation, whichever way. */

import type { Microphone } from '../audio/microphone';
import type { Heard, Player } from '../audio/player';
import type { VoiceError } from '../errors';
import type { Codec, TransportKind } from '../options';
import type { WireEvent } from '../protocol';
import type { QualitySample } from '../quality';
import type { Return } from '../resumption';

export interface Connection {
  readonly kind: TransportKind;
  /** The call's id over WebRTC, where the server told it. */
  readonly callId: string | null;
  /** Longer messages do not arrive. */
  readonly maxMessageBytes: number;
  readonly outputAnalyser: AnalyserNode | null;
  readonly outputStream: MediaStream | null;
  /** `false`: nothing of the microphone is sent, not even silence (where that can be chosen). */
  transmitting: boolean;
  send(event: WireEvent): void;
  /** How much of an item's sound is here to be played; null where the server plays. */
  pushedMs(itemId: string): number | null;
  /** When sound of the server last came to be played, by `atMs`; null: this cannot be told. */
  soundAtMs(atMs: number): number | null;
  /** The RTP timestamp of the packet that was played last; null: none, or this side counts itself. */
  readonly playedTimestamp: number | null;
  /** The path to the server is lost, perhaps for a moment only. */
  readonly isUnsure: boolean;
  setMicrophone(microphone: Microphone | null): Promise<void>;
  /** Whether it is not known yet if the user interrupts: then this side plays more softly. */
  duck(on: boolean): void;
  /** Silence at once. What was heard of the items it cut, where this side knows. */
  stopPlayback(): Promise<Heard[]>;
  /** Throws: VoiceError `autoplay-blocked`. */
  resumeAudio(): Promise<void>;
  sample(atMs: number): Promise<QualitySample>;
  /** A goodbye, where it is up. */
  close(): void;
  /** Nothing comes any more: it counts as lost, and the session may go on by another one. */
  giveUp(): void;
  /** What plays here plays on, and is the caller's now; null: nothing does. */
  releasePlayer(): Player | null;
}

export interface ConnectionListener {
  received(event: WireEvent): void;
  /** It is over, though nobody here closed it. `canRetry`: another connection may work. */
  lost(error: VoiceError, canRetry: boolean): void;
  /** The sound waits for a gesture, or does not work. */
  silent(error: VoiceError): void;
  /** From here on only where this side plays (WebSocket). */
  playbackStarted(itemId: string): void;
  playbackAt(heard: Heard): void;
  /** `isLast`: nothing else waits to be played. */
  playbackEnded(heard: Heard, isLast: boolean): void;
}

export interface ConnectionOptions {
  url: string;
  model?: string | undefined;
  secret: string | null;
  codec: Codec;
  iceServers: RTCIceServer[];
  /** `false`: nothing will be played here. */
  audio: boolean;
  /** The session to come back to; null: a new one. */
  back: Return | null;
  /** It may come back: only `close` is a goodbye. */
  lingers: boolean;
  /** Plays what came by the connection before. */
  player: Player | null;
  timeoutMs: number;
  signal: AbortSignal;
}

/** The query of one who comes back. */
export function returnQuery(back: Return | null): Record<string, string | undefined> {
  if (!back) return {};
  return {
    after: back.after,
    // By its name, where the server knows the token no more.
    conversation_id: back.conversationId,
    // What left after it is played again.
    played: back.played?.toString(),
    show_items: back.showItems ? 'true' : undefined,
    session: back.newSession ? 'new' : undefined,
  };
}

/** A server event, or null where the text is none. */
export function parsed(text: unknown): WireEvent | null {
  try {
    const event: unknown = typeof text === 'string' ? JSON.parse(text) : null;
    if (typeof event !== 'object' || event === null) return null;
    return typeof (event as WireEvent).type === 'string' ? (event as WireEvent) : null;
  } catch {
    return null;
  }
}
