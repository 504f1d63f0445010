/** What a mock says, and what goes wrong: as `antiphon mock --script` reads it. */
export interface MockScript {
  /** Those with `when` are rules, and the first that fits answers; the others come in their turn, the last one again and again. */
  replies?: readonly MockReply[];
  /** What is understood of the user's spoken turns, one after the other; the last of it again and again. */
  hears?: readonly string[];
  faults?: readonly Fault[];
  /** `instant` unless it is told. */
  latency?: 'instant' | 'brisk' | 'slow' | 'mobile' | Latency;
  /** Another seed: other ids, another jitter. */
  seed?: number;
}

export interface MockReply {
  /** A regular expression, in any case and anywhere in what the client said last: typed, spoken, or a function's output. */
  when?: string;
  says?: string;
  calls?: readonly MockCall[];
  /** To the letter, in place of `says` and `calls`. */
  steps?: readonly Step[];
}

/** A call of one of the client's functions. */
export interface MockCall {
  name: string;
  /** A text is sent as it stands, JSON or not. */
  arguments?: Record<string, unknown> | string;
}

/** One step of an answer: `{ do: 'write', text: 'Hello.' }`. */
export interface Step {
  do: string;
  [field: string]: unknown;
}

export interface Latency {
  first_delta_ms?: number;
  tokens_per_second?: number | null;
  jitter_ms?: number;
}

export interface Fault {
  /** `antiphon mock --faults` lists them. */
  name: string;
  /** The number of the connection, turn or response that it strikes; the next one, where it is not told. */
  at?: number | null;
  /** How often; once, where it is not told; `null`: each time. */
  times?: number | null;
  /** How long, for those that take time. */
  ms?: number | null;
}
