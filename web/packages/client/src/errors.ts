/** What went wrong, in words for the person in front of the page. */

export type VoiceErrorKind =
  | 'microphone-denied'
  | 'no-device'
  | 'autoplay-blocked'
  | 'secret-expired'
  | 'ice-failed'
  | 'server-away'
  | 'media-failed'
  | 'engine-failed'
  | 'protocol';

const WORDS: Record<VoiceErrorKind, { message: string; hint: string }> = {
  'microphone-denied': {
    message: 'This page may not use the microphone.',
    hint: 'Allow the microphone in the address bar, then switch to voice again. Typing works meanwhile.',
  },
  'no-device': {
    message: 'No microphone was found.',
    hint: 'Connect a microphone, or choose another one, and switch to voice again. Typing works meanwhile.',
  },
  'autoplay-blocked': {
    message: 'The browser holds the sound back until you touch the page.',
    hint: 'Press the button that turns the sound on.',
  },
  'secret-expired': {
    message: 'The permission to connect is not valid, or not any more.',
    hint: 'Reload the page to get a new one; sign in again if you are asked to.',
  },
  'ice-failed': {
    message: 'The sound could not find a way to the server.',
    hint: 'A firewall or VPN may block it: try another network, or ask for a TURN server. The conversation goes on over WebSocket where it can.',
  },
  'server-away': {
    message: 'The server cannot be reached.',
    hint: 'Check the network. What was said is kept, and is there again after connecting.',
  },
  'media-failed': {
    message: 'The sound of this page does not work.',
    hint: 'Another program may hold the sound device: close it and switch to voice again. Typing works meanwhile.',
  },
  'engine-failed': {
    message: 'The agent could not answer.',
    hint: 'Ask again; if it keeps failing, switch to text.',
  },
  protocol: {
    message: 'The server refused a request.',
    hint: 'The event log shows which one, and why.',
  },
};

export class VoiceError extends Error {
  override readonly name = 'VoiceError';
  readonly kind: VoiceErrorKind;
  /** What the person can do. */
  readonly hint: string;
  /** The technical reason, for a log: a server's or a browser's own words. */
  readonly detail: string;
  /** The server's code, where it gave one. */
  readonly code: string | null;

  constructor(
    kind: VoiceErrorKind,
    {
      detail = '',
      code = null,
      cause,
    }: { detail?: string; code?: string | null; cause?: unknown } = {},
  ) {
    super(WORDS[kind].message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.hint = WORDS[kind].hint;
    this.detail = detail || (cause instanceof Error ? cause.message : '');
    this.code = code;
  }
}

/** What getUserMedia's refusal means. */
export function microphoneError(cause: unknown): VoiceError {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return new VoiceError('microphone-denied', { cause });
  }
  if (name === 'NotFoundError' || name === 'OverconstrainedError') {
    return new VoiceError('no-device', { cause });
  }
  return new VoiceError('media-failed', { cause });
}

/** What an HTTP answer that is not 2xx means. */
export function httpError(status: number, detail: string, code: string | null): VoiceError {
  if (status === 401 || status === 403) return new VoiceError('secret-expired', { detail, code });
  if (status >= 500 || status === 429) return new VoiceError('server-away', { detail, code });
  return new VoiceError('protocol', { detail, code });
}

export function asVoiceError(reason: unknown, kind: VoiceErrorKind): VoiceError {
  return reason instanceof VoiceError ? reason : new VoiceError(kind, { cause: reason });
}
