/** What went wrong, in words for the person in front of the page. */

export type VoiceErrorKind =
  | 'microphone-denied'
  | 'no-device'
  | 'autoplay-blocked'
  | 'secret-expired'
  | 'key-refused'
  | 'ice-failed'
  | 'connection-unsure'
  | 'server-away'
  | 'server-busy'
  | 'taken-over'
  | 'gap'
  | 'no-calls'
  | 'media-failed'
  | 'engine-failed'
  | 'protocol';

const WORDS: Record<VoiceErrorKind, { message: string; hint: string }> = {
  'microphone-denied': {
    message: 'This page may not use the microphone.',
    hint: 'Allow it in the address bar, then choose “Use voice”. You can type in the meantime.',
  },
  'no-device': {
    message: 'No microphone was found.',
    hint: 'Plug one in or choose another, then choose “Use voice”. You can type in the meantime.',
  },
  'autoplay-blocked': {
    message: 'The browser has blocked the sound.',
    hint: 'Press the button that turns the sound on.',
  },
  'secret-expired': {
    message: 'The permission to connect has expired.',
    hint: 'Reload the page to get a new one; sign in again if you are asked to.',
  },
  'key-refused': {
    message: 'The server wants a valid key.',
    hint: 'Enter it, and start again.',
  },
  'ice-failed': {
    message: 'WebRTC could not reach the server.',
    hint: 'A firewall or VPN may be blocking it: try another network, or set up a TURN server. The conversation continues over WebSocket if it can.',
  },
  'connection-unsure': {
    message: 'The connection may be lost.',
    hint: 'Nothing is coming from the server. If it comes back, the conversation continues.',
  },
  'server-away': {
    message: 'The server cannot be reached.',
    hint: 'Check that it is running, and your network. The conversation is kept.',
  },
  'server-busy': {
    message: 'The server cannot take another conversation now.',
    hint: 'Try again in a moment.',
  },
  'taken-over': {
    message: 'The conversation goes on elsewhere.',
    hint: 'Another page or device has taken it over. Start again to have it back here.',
  },
  gap: {
    message: 'The connection was lost, and the conversation goes on.',
    hint: 'What was being said then may be missing: say it again if it matters.',
  },
  'no-calls': {
    message: 'This server takes no WebRTC calls.',
    hint: 'The conversation continues over WebSocket if it can.',
  },
  'media-failed': {
    message: 'Sound does not work on this page.',
    hint: 'Another program may be using the sound device: close it, then choose “Use voice”. You can type in the meantime.',
  },
  'engine-failed': {
    message: 'The agent could not answer.',
    hint: 'Ask again. If it keeps failing, try text.',
  },
  protocol: {
    message: 'The server refused a request.',
    hint: 'The event log shows which one.',
  },
};

export class VoiceError extends Error {
  override readonly name = 'VoiceError';
  readonly kind: VoiceErrorKind;
  /** What the person can do. */
  readonly hint: string;
  /** The reason in the server's or the browser's own words. */
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

/** The page's backend gave no secret; in a moment it may. */
export const NO_SECRET = 'no_secret';
/** The session to come back to is not known to the server any more, or not this user's. */
export const UNKNOWN_TOKEN = 'resume_token_unknown';
const NO_WAY_BACK = new Set([UNKNOWN_TOKEN, 'resume_not_allowed']);

/** Where the server has nothing to come back to: begin anew. */
export function isNoWayBack(error: VoiceError): boolean {
  return NO_WAY_BACK.has(error.code ?? '');
}

/** What an HTTP answer that is not 2xx means, to a call's offer. */
export function callError(status: number, detail: string, code: string | null): VoiceError {
  if (NO_WAY_BACK.has(code ?? '')) return new VoiceError('server-away', { detail, code });
  // A server without WebRTC may still have a WebSocket.
  if ([404, 405, 501].includes(status)) return new VoiceError('no-calls', { detail, code });
  return httpError(status, detail, code);
}

/** What an HTTP answer that is not 2xx means. */
function httpError(status: number, detail: string, code: string | null): VoiceError {
  // A page that is not let in needs no other key.
  if (code === 'origin_not_allowed') return new VoiceError('protocol', { detail, code });
  if (status === 401 || status === 403) return new VoiceError('secret-expired', { detail, code });
  // Its last session has not ended yet.
  if (code === 'conversation_in_use') return new VoiceError('server-busy', { detail, code });
  if (status === 429 || status === 503) return new VoiceError('server-busy', { detail, code });
  if (status >= 500) return new VoiceError('server-away', { detail, code });
  return new VoiceError('protocol', { detail, code });
}

export function asVoiceError(reason: unknown, kind: VoiceErrorKind): VoiceError {
  return reason instanceof VoiceError ? reason : new VoiceError(kind, { cause: reason });
}
