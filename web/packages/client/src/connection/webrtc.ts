/** A conversation over WebRTC: tracks carry the audio, a data channel the events; the server plays. */

import type { Microphone } from '../audio/microphone';
import type { Heard } from '../audio/player';
import { RemoteAudio } from '../audio/remote';
import { asVoiceError, callError, VoiceError } from '../errors';
import type { Codec } from '../options';
import type { WireEvent, WireSession } from '../protocol';
import { type QualitySample, webRtcSample } from '../quality';
import { resumeOf } from '../resumption';
import { endpoint } from './address';
import {
  type Connection,
  type ConnectionListener,
  type ConnectionOptions,
  parsed,
  returnQuery,
} from './connection';

/** A path that was lost for a moment often comes back. */
const DISCONNECTED_MS = 5000;
/** Where another call may go on with the session, waiting costs more than dialling. */
const RESUMABLE_MS = 1000;
/** So long a goodbye may be on its way. */
const GOODBYE_MS = 500;

/** Resolves with the first `session.created`. Throws: VoiceError. */
export async function openWebRtc(
  options: ConnectionOptions,
  listener: ConnectionListener,
): Promise<Connection> {
  let connection: WebRtcConnection;
  try {
    connection = new WebRtcConnection(options, listener);
  } catch (cause) {
    throw new VoiceError('media-failed', { cause });
  }
  try {
    await connection.open();
    return connection;
  } catch (error) {
    connection.close();
    throw asVoiceError(error, 'media-failed');
  }
}

class WebRtcConnection implements Connection {
  readonly kind = 'webrtc';
  transmitting = true;
  callId: string | null = null;
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #peer: RTCPeerConnection;
  readonly #channel: RTCDataChannel;
  readonly #transceiver: RTCRtpTransceiver;
  #remote: RemoteAudio | null = null;
  #disconnected: ReturnType<typeof setTimeout> | undefined;
  #played: { rtpTimestamp: number; atMs: number } | null = null;
  #isUp = false;
  #canComeBack = false;
  #isClosed = false;
  #isAnswered = false;
  #settle: { resolve: () => void; reject: (error: VoiceError) => void } | null = null;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#peer = new RTCPeerConnection({ iceServers: options.iceServers });
    this.#transceiver = this.#peer.addTransceiver('audio', { direction: 'sendrecv' });
    prefer(this.#transceiver, options.codec);
    this.#channel = this.#peer.createDataChannel('oai-events');
    this.#peer.ontrack = ({ track, streams }) => this.#hear(streams[0] ?? new MediaStream([track]));
    this.#peer.onconnectionstatechange = () => this.#stateChanged();
    this.#channel.onmessage = ({ data }: MessageEvent) => this.#receive(data);
    this.#channel.onclose = () => this.#over(new VoiceError('server-away'));
  }

  get maxMessageBytes(): number {
    return this.#peer.sctp?.maxMessageSize || 65_536;
  }

  get outputAnalyser(): AnalyserNode | null {
    return this.#remote?.analyser ?? null;
  }

  get outputStream(): MediaStream | null {
    return this.#remote?.stream ?? null;
  }

  async open(): Promise<void> {
    const { timeoutMs, signal } = this.#options;
    const up = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const timer = setTimeout(() => {
      const detail = 'No session in time.';
      this.#over(new VoiceError(this.#isAnswered ? 'ice-failed' : 'server-away', { detail }));
    }, timeoutMs);
    const abort = () => this.#over(new VoiceError('server-away', { detail: 'Closed meanwhile.' }));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    try {
      await Promise.all([this.#negotiate(), up]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      // The other of the two may fail later, when nobody waits any more.
      up.catch(() => {});
    }
  }

  send(event: WireEvent): void {
    if (this.#channel.readyState !== 'open') return;
    try {
      this.#channel.send(JSON.stringify(event));
    } catch (cause) {
      this.#listener.silent(new VoiceError('protocol', { cause }));
    }
  }

  pushedMs(): null {
    return null;
  }

  get isUnsure(): boolean {
    return this.#peer.connectionState === 'disconnected';
  }

  soundAtMs(atMs: number): number | null {
    // Packets that were played: what the browser makes up for missing ones does not count.
    const [source] = this.#transceiver.receiver.getSynchronizationSources?.() ?? [];
    if (source && source.rtpTimestamp !== this.#played?.rtpTimestamp) {
      this.#played = { rtpTimestamp: source.rtpTimestamp, atMs };
    }
    return this.#played?.atMs ?? null;
  }

  get playedTimestamp(): number | null {
    return this.#played?.rtpTimestamp ?? null;
  }

  async setMicrophone(microphone: Microphone | null): Promise<void> {
    await this.#transceiver.sender.replaceTrack(microphone?.track ?? null);
  }

  duck(): void {
    // The server plays, and does.
  }

  async stopPlayback(): Promise<Heard[]> {
    this.send({ type: 'output_audio_buffer.clear' });
    return [];
  }

  async resumeAudio(): Promise<void> {
    await this.#remote?.play();
  }

  async sample(atMs: number): Promise<QualitySample> {
    const report = await this.#peer.getStats();
    return webRtcSample([...report.values()], atMs);
  }

  releasePlayer(): null {
    return null;
  }

  close(): void {
    if (this.#isClosed) return;
    const isGoodbye = this.#isUp && this.#channel.readyState === 'open';
    this.#free();
    this.#channel.close();
    if (isGoodbye && this.#options.lingers) this.#closeAfterGoodbye();
    else this.#peer.close();
  }

  giveUp(): void {
    this.#over(new VoiceError('server-away', { detail: 'Nothing comes any more.' }));
  }

  #free(): void {
    this.#isClosed = true;
    clearTimeout(this.#disconnected);
    this.#peer.ontrack = this.#peer.onconnectionstatechange = null;
    this.#channel.onmessage = this.#channel.onclose = null;
    this.#remote?.close();
    this.#remote = null;
  }

  /** The server waits for one whose whole connection goes at once, as when a page is left. */
  #closeAfterGoodbye(): void {
    const end = () => {
      clearTimeout(timer);
      this.#channel.onclose = null;
      this.#peer.close();
    };
    const timer = setTimeout(end, GOODBYE_MS);
    this.#channel.onclose = end;
  }

  async #negotiate(): Promise<void> {
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    const { url, model, secret, signal, back, lingers } = this.#options;
    const query = { model, ...returnQuery(back), linger: lingers ? 'true' : undefined };
    const headers: Record<string, string> = { 'Content-Type': 'application/sdp' };
    if (secret) headers.Authorization = `Bearer ${secret}`;
    if (back) headers['Antiphon-Resume'] = back.token;
    let response: Response;
    try {
      response = await fetch(endpoint(url, 'realtime/calls', query), {
        method: 'POST',
        headers,
        body: this.#peer.localDescription?.sdp ?? '',
        signal,
      });
    } catch (cause) {
      throw new VoiceError('server-away', { cause });
    }
    if (!response.ok) throw await refusal(response);
    this.callId = response.headers.get('Location')?.split('/').pop() ?? null;
    const sdp = await response.text();
    if (this.#isClosed) return;
    this.#isAnswered = true;
    await this.#peer.setRemoteDescription({ type: 'answer', sdp });
  }

  #hear(stream: MediaStream): void {
    if (this.#remote || this.#isClosed || !this.#options.audio) return;
    this.#remote = new RemoteAudio(stream);
    this.#remote.play().catch((error) => {
      if (!this.#isClosed) this.#listener.silent(error);
    });
  }

  #receive(data: unknown): void {
    const event = parsed(data);
    if (!event) return;
    this.#listener.received(event);
    if (event.type === 'session.created' && !this.#isUp) {
      this.#canComeBack = !!resumeOf(event.session as WireSession | undefined)?.token;
      this.#isUp = true;
      this.#settle?.resolve();
    }
  }

  #stateChanged(): void {
    clearTimeout(this.#disconnected);
    const state = this.#peer.connectionState;
    if (state === 'failed') this.#over(new VoiceError('ice-failed', { detail: 'ICE failed.' }));
    if (state === 'closed') this.#over(new VoiceError('server-away'));
    if (state !== 'disconnected') return;
    const error = new VoiceError('server-away', { detail: 'The path was lost.' });
    const waitMs = this.#canComeBack ? RESUMABLE_MS : DISCONNECTED_MS;
    this.#disconnected = setTimeout(() => this.#over(error), waitMs);
  }

  #over(error: VoiceError): void {
    if (this.#isClosed) return;
    if (!this.#isUp) {
      this.#settle?.reject(error);
      return;
    }
    this.soundAtMs(Date.now()); // What was played last: the peer forgets it.
    this.#free();
    this.#peer.close();
    this.#listener.lost(error, true);
  }
}

/** Another codec than Opus is offered alone: a server may choose as it likes among several. */
function prefer(transceiver: RTCRtpTransceiver, codec: Codec): void {
  const known = RTCRtpReceiver.getCapabilities?.('audio')?.codecs ?? [];
  const wanted = known.filter((c) => c.mimeType.toLowerCase() === `audio/${codec}`);
  if (!wanted.length) return;
  const rest = codec === 'opus' ? known.filter((c) => !wanted.includes(c)) : [];
  transceiver.setCodecPreferences?.([...wanted, ...rest]);
}

async function refusal(response: Response): Promise<VoiceError> {
  let message = response.statusText;
  let code: string | null = null;
  try {
    const { error } = await response.json();
    message = error?.message ?? message;
    code = error?.code ?? null;
  } catch {
    // Not the API's own answer: a proxy's page, say.
  }
  return callError(response.status, message, code);
}
