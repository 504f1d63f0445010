/** Opens the connection that was asked for, or the next best. */

import { asVoiceError, NO_SECRET, VoiceError } from '../errors';
import type { TransportKind, VoiceSessionOptions } from '../options';
import { endpoint } from './address';
import type { Connection, ConnectionListener, ConnectionOptions } from './connection';
import { openWebRtc } from './webrtc';
import { openWebSocket } from './websocket';

const CONNECT_TIMEOUT_MS = 15_000;
const REPLACEABLE = new Set(['ice-failed', 'media-failed', 'no-calls']);

interface Attempt {
  transport: TransportKind;
  audio: boolean;
}

/** What to try, in order: each next one asks less of the browser and the network. */
function attempts(options: VoiceSessionOptions): Attempt[] {
  const wanted = { transport: options.transport ?? 'webrtc', audio: true };
  if (options.fallback === false) return [wanted];
  const silent: Attempt = { transport: 'websocket', audio: false };
  if (wanted.transport === 'websocket') return [wanted, silent];
  return [wanted, { transport: 'websocket', audio: true }, silent];
}

/**
 * `hasAudio` of the result: the agent can be heard. `onFallback` is told why something less was
 * taken. Throws: VoiceError.
 */
export async function openConnection(
  options: VoiceSessionOptions,
  { back, player }: Pick<ConnectionOptions, 'back' | 'player'>,
  listener: ConnectionListener,
  signal: AbortSignal,
  onFallback: (error: VoiceError) => void,
): Promise<{ connection: Connection; hasAudio: boolean }> {
  let failure: VoiceError | null = null;
  for (const { transport, audio } of attempts(options)) {
    if (failure) onFallback(failure);
    const open = transport === 'webrtc' ? openWebRtc : openWebSocket;
    const wanted: ConnectionOptions = {
      url: addressOf(options),
      model: options.model,
      secret: await secretOf(options),
      codec: options.codec ?? 'opus',
      iceServers: options.iceServers ?? [],
      audio,
      back,
      lingers: options.reconnect !== false || options.rememberAs !== undefined,
      player,
      timeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      signal,
    };
    try {
      return { connection: await open(wanted, listener), hasAudio: audio };
    } catch (error) {
      failure = keyed(options, asVoiceError(error, 'server-away'));
      // Only calls and media can be done without: there is no other way to a server that is away.
      if (signal.aborted || !REPLACEABLE.has(failure.kind)) throw failure;
    }
  }
  throw failure ?? new VoiceError('server-away');
}

/** The API's base; its query stays in the addresses below it. */
function addressOf({ url = '/v1', conversationId }: VoiceSessionOptions): string {
  return endpoint(url, '', { conversation_id: conversationId }).href;
}

/** Who has no secrets to fetch is asked for a key. */
function keyed({ getSecret }: VoiceSessionOptions, error: VoiceError): VoiceError {
  if (getSecret || error.kind !== 'secret-expired') return error;
  const { detail, code } = error;
  return new VoiceError('key-refused', { detail, code });
}

async function secretOf({ getSecret, key }: VoiceSessionOptions): Promise<string | null> {
  if (!getSecret) return key ?? null;
  try {
    return await getSecret();
  } catch (cause) {
    if (cause instanceof VoiceError) throw cause;
    throw new VoiceError('secret-expired', { cause, code: NO_SECRET });
  }
}
