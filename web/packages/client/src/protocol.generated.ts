// Written by scripts/make_protocol_ts.py from antiphon.protocol; do not edit.

/** When the server takes a turn to be over. `null`: the client says so. */
export type TurnDetection = ServerVad | SemanticVad;

export type ToolChoice = 'auto' | 'none' | 'required' | FunctionChoice | McpChoice;

export type ItemStatus = 'completed' | 'in_progress' | 'incomplete';

export interface WireError {
  type?: string;
  code?: string | null;
  message: string;
  param?: string | null;
  /** The client event that is at fault. */
  event_id?: string | null;
}

export interface WireTool {
  type: 'function';
  name: string;
  description?: string;
  parameters?: object;
}

/** A tool server.  Its secrets (`authorization`, `headers`) are never kept. */
export interface McpTool {
  type: 'mcp';
  server_label: string;
  server_url?: string;
  connector_id?: string;
  server_description?: string;
  allowed_tools?: unknown;
  require_approval?: unknown;
}

export interface FunctionChoice {
  type: 'function';
  name: string;
}

export interface McpChoice {
  type: 'mcp';
  server_label: string;
  name?: string;
}

export interface TokenLimits {
  post_instructions?: number;
}

export interface RetentionRatio {
  type: 'retention_ratio';
  retention_ratio: number;
  token_limits?: TokenLimits;
}

export interface TracingSettings {
  workflow_name?: string;
  group_id?: string;
  metadata?: object;
}

/** A prompt that OpenAI keeps; here it is echoed, and no more. */
export interface StoredPrompt {
  id: string;
  version?: string;
  variables?: object;
}

export interface AudioFormat {
  type: 'audio/pcm' | 'audio/pcmu' | 'audio/pcma';
  rate?: 24000;
}

/** Absent keys stay absent in the echo: Pipecat refuses ones that it does not know. */
export interface Transcription {
  model?: string;
  language?: string;
  languages?: string[];
  prompt?: string;
  keywords?: string[];
  delay?: 'high' | 'low' | 'medium' | 'minimal' | 'xhigh';
}

export interface NoiseReduction {
  type: 'far_field' | 'near_field';
  strength?: number;
}

/**
 * A sound while the assistant is heard interrupts once it proves to be one who wants the
 * floor (beyond OpenAI's API, where each does at once; docs/concepts/turns.md).
 */
export interface Overlap {
  /** A clear voice that goes on so long interrupts, whatever it says. */
  interruption_ms?: number;
  /** So long after a sound its words are waited for; without any it was an interruption. */
  wait_ms?: number;
}

export interface ServerVad {
  type: 'server_vad';
  threshold?: number;
  prefix_padding_ms?: number;
  silence_duration_ms?: number;
  idle_timeout_ms?: number | null;
  create_response?: boolean;
  interrupt_response?: boolean;
  /** Shown only when a client set it. */
  overlap?: Overlap;
}

export interface SemanticVad {
  type: 'semantic_vad';
  eagerness?: 'auto' | 'high' | 'low' | 'medium';
  create_response?: boolean;
  interrupt_response?: boolean;
  overlap?: Overlap;
}

export interface AudioInput {
  format?: AudioFormat;
  transcription?: Transcription | null;
  noise_reduction?: NoiseReduction | null;
  turn_detection?: TurnDetection | null;
}

export interface CustomVoice {
  id: string;
}

export interface AudioOutput {
  format?: AudioFormat;
  voice?: string | CustomVoice;
  speed?: number;
}

export interface WireAudio {
  input?: AudioInput;
  output?: AudioOutput;
}

export interface Reasoning {
  effort?: 'high' | 'low' | 'medium' | 'minimal' | 'none' | 'xhigh';
}

/** How to come back, and what this connection came back to. */
export interface Resume {
  conversation_id: string;
  /** Brings its bearer back to this session, once; None: one cannot come back to it. */
  token?: string;
  /** How long the session waits for one whose connection was lost. */
  linger_s?: number;
  /** Which of both is older than this connection; None: neither. */
  continues?: 'conversation' | 'session';
  /** Events between the cursor and now are gone; the items that follow show what came of them. */
  gap?: boolean;
}

/** Who really answers, whatever names were asked for (beyond OpenAI's API). */
export interface Answering {
  engine?: string;
  voice?: string;
  /** `antiphon.cost` tells what each answer cost. */
  cost?: boolean;
  /** `antiphon.timeline` tells where the time of each turn went. */
  timeline?: boolean;
  /** The sound of both sides is recorded. */
  recording?: boolean;
  /** In `session.created` alone, of servers that keep conversations. */
  resume?: Resume;
}

/** The session as `session.created` and `session.updated` show it, or a part. */
export interface WireSession {
  type?: 'realtime' | 'transcription';
  id?: string;
  model?: string;
  /** Unix seconds. */
  expires_at?: number;
  output_modalities?: ('audio' | 'text')[];
  instructions?: string;
  tools?: (WireTool | McpTool)[];
  tool_choice?: ToolChoice;
  max_output_tokens?: number | 'inf';
  truncation?: 'auto' | 'disabled' | RetentionRatio;
  tracing?: 'auto' | TracingSettings | null;
  prompt?: StoredPrompt | null;
  include?: 'item.input_audio_transcription.logprobs'[] | null;
  audio?: WireAudio;
  parallel_tool_calls?: boolean;
  reasoning?: Reasoning;
  antiphon?: Answering;
  [other: string]: unknown;
}

export interface RateLimit {
  name: 'requests' | 'tokens';
  limit: number;
  remaining: number;
  reset_seconds: number;
}

export interface WireContent {
  type: string;
  text?: string;
  transcript?: string | null;
  /** In the session's input format; sent by clients, and in `…item.retrieved`. */
  audio?: string;
  image_url?: string;
  detail?: 'auto' | 'high' | 'low';
}

export interface WireItem {
  type: string;
  id?: string;
  status?: ItemStatus;
  role?: 'assistant' | 'system' | 'user';
  content?: WireContent[];
  name?: string;
  call_id?: string;
  /** JSON text. */
  arguments?: string;
  output?: string;
}

export interface Logprob {
  token: string;
  logprob: number;
  bytes: number[];
}

export interface WireTranscriptionUsage {
  type: 'duration' | 'tokens';
  seconds?: number;
  total_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
}

/** A stretch of the wait. */
export interface Segment {
  name: string;
  duration_ms: number;
}

/** One turn that was answered; times are the session's. */
export interface Timeline {
  response_id: string;
  kind: 'pushed' | 'spoken' | 'typed' | 'unasked';
  /** The user's last word: what waiting begins with. */
  began_ms: number;
  /** The first sound of the answer, or its first word where it is written. */
  ended_ms: number;
  ends_with: 'played' | 'sent' | 'written';
  /** Contiguous: together they are the whole wait. */
  segments: Segment[];
}

export interface StatusDetails {
  type?: 'cancelled' | 'failed' | 'incomplete';
  reason?: 'client_cancelled' | 'content_filter' | 'max_output_tokens' | 'turn_detected';
  error?: WireError;
}

export interface ResponseVoice {
  format: AudioFormat;
  voice: string;
}

export interface ResponseAudioOut {
  output: ResponseVoice;
}

export interface CachedTokenDetails {
  text_tokens?: number;
  audio_tokens?: number;
  image_tokens?: number;
}

export interface InputTokenDetails {
  text_tokens?: number;
  audio_tokens?: number;
  image_tokens?: number;
  cached_tokens?: number;
  cached_tokens_details?: CachedTokenDetails;
}

export interface OutputTokenDetails {
  text_tokens?: number;
  audio_tokens?: number;
}

/** `total = input + output`; cached tokens are a part of the input. */
export interface WireUsage {
  total_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
  input_token_details?: InputTokenDetails;
  output_token_details?: OutputTokenDetails;
}

export interface WireResponse {
  id: string;
  status?: 'cancelled' | 'completed' | 'failed' | 'in_progress' | 'incomplete';
  status_details?: StatusDetails | null;
  output?: WireItem[];
  conversation_id?: string | null;
  output_modalities?: ('audio' | 'text')[];
  max_output_tokens?: number | 'inf';
  audio?: ResponseAudioOut;
  usage?: WireUsage | null;
  metadata?: Record<string, string> | null;
}

/** What each server event carries, by its type. */
export interface ServerEvents {
  error: {
    error: WireError;
  };
  /** Beyond OpenAI's API: a part of the engine failed, and the session goes on without it. */
  'antiphon.part_failed': {
    part: 'language_model' | 'recognizer' | 'voice';
    /**
     * `voice_replaced`: another voice speaks in this response.  `input_lost`: some of the
     * turn was not heard.
     */
    code: string;
    message: string;
    /** The turn that it happened in. */
    item_id?: string | null;
    /** The response that it happened in. */
    response_id?: string | null;
  };
  'session.created': {
    session: WireSession;
  };
  'session.updated': {
    session: WireSession;
  };
  'rate_limits.updated': {
    rate_limits: RateLimit[];
  };
  'conversation.item.added': {
    previous_item_id?: string | null;
    item: WireItem;
  };
  'conversation.item.done': {
    previous_item_id?: string | null;
    item: WireItem;
  };
  'conversation.item.retrieved': {
    item: WireItem;
  };
  'conversation.item.truncated': {
    item_id: string;
    content_index?: number;
    audio_end_ms: number;
  };
  'conversation.item.deleted': {
    item_id: string;
  };
  'conversation.item.input_audio_transcription.delta': {
    item_id: string;
    content_index?: number;
    delta: string;
    logprobs?: Logprob[];
  };
  'conversation.item.input_audio_transcription.completed': {
    item_id: string;
    content_index?: number;
    transcript: string;
    usage?: WireTranscriptionUsage;
    logprobs?: Logprob[] | null;
  };
  'conversation.item.input_audio_transcription.failed': {
    item_id: string;
    content_index?: number;
    error: WireError;
  };
  'input_audio_buffer.speech_started': {
    audio_start_ms: number;
    item_id: string;
  };
  'input_audio_buffer.speech_stopped': {
    audio_end_ms: number;
    item_id: string;
  };
  /**
   * Only where the session has `antiphon.cost` (beyond OpenAI's API): what something cost, after
   * the event that tells of it.
   */
  'antiphon.cost': {
    /**
     * An answer, one that was begun early and thrown away, the words of a turn, or a while of the
     * session.
     */
    kind: 'response' | 'speculation' | 'speech' | 'time' | 'transcription';
    response_id?: string | null;
    item_id?: string | null;
    /** In thousand-millionths of a US dollar; less than nothing where an estimate was too much. */
    nano_usd: number;
    /** By the session so far. */
    session_nano_usd: number;
    estimated: boolean;
    /** Some of it has no price, and is in neither sum. */
    unpriced: boolean;
  };
  /**
   * Only where the session has `antiphon.timeline` (beyond OpenAI's API): where the time of a
   * turn went, once it has its answer.
   */
  'antiphon.timeline': {
    timeline: Timeline;
  };
  /**
   * To sidebands, and where the session has `antiphon.cost` to all (beyond OpenAI's API): so much
   * of a budget is spent that something follows from it.
   */
  'antiphon.budget': {
    /** What follows: nothing yet; a cheaper engine; no more voice; the end. */
    stage: 'cheaper' | 'end' | 'tell' | 'text';
    /** Whose budget it is. */
    scope: 'key' | 'session' | 'tenant' | 'user';
    period: 'day' | 'month' | 'session';
    limit_nano_usd: number;
    spent_nano_usd: number;
  };
  /**
   * Only where the session has `turn_detection.overlap` (beyond OpenAI's API): a sound began
   * while the assistant was heard, or what it is was found out.  While it is open, whoever plays
   * lowers the assistant's voice.
   */
  'antiphon.overlap': {
    /** Of the turn that it is, or would have been. */
    item_id: string;
    state: 'backchannel' | 'dropped' | 'interruption' | 'noise' | 'open';
  };
  'input_audio_buffer.committed': {
    previous_item_id?: string | null;
    item_id: string;
  };
  'input_audio_buffer.cleared': object;
  'input_audio_buffer.timeout_triggered': {
    audio_start_ms: number;
    audio_end_ms: number;
    item_id: string;
  };
  'output_audio_buffer.started': {
    response_id: string;
  };
  'output_audio_buffer.stopped': {
    response_id: string;
  };
  'output_audio_buffer.cleared': {
    response_id: string;
  };
  'response.created': {
    response: WireResponse;
  };
  'response.done': {
    response: WireResponse;
  };
  'response.output_item.added': {
    response_id: string;
    output_index?: number;
    item: WireItem;
  };
  'response.output_item.done': {
    response_id: string;
    output_index?: number;
    item: WireItem;
  };
  'response.content_part.added': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    part: WireContent;
  };
  'response.content_part.done': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    part: WireContent;
  };
  'response.output_text.delta': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    delta: string;
  };
  'response.output_text.done': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    text: string;
  };
  'response.output_audio.delta': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    /** Base64 on the wire, in the response's output format. */
    delta: string;
  };
  'response.output_audio.done': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
  };
  'response.output_audio_transcript.delta': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    delta: string;
  };
  'response.output_audio_transcript.done': {
    response_id: string;
    item_id: string;
    output_index?: number;
    content_index?: number;
    transcript: string;
  };
  'response.function_call_arguments.delta': {
    response_id: string;
    item_id: string;
    output_index?: number;
    call_id: string;
    delta: string;
  };
  'response.function_call_arguments.done': {
    response_id: string;
    item_id: string;
    output_index?: number;
    call_id: string;
    name: string;
    arguments: string;
  };
}

/** The types of all events that are known here. */
export const SERVER_EVENT_TYPES: ReadonlySet<string> = new Set<keyof ServerEvents>([
  'error',
  'antiphon.part_failed',
  'session.created',
  'session.updated',
  'rate_limits.updated',
  'conversation.item.added',
  'conversation.item.done',
  'conversation.item.retrieved',
  'conversation.item.truncated',
  'conversation.item.deleted',
  'conversation.item.input_audio_transcription.delta',
  'conversation.item.input_audio_transcription.completed',
  'conversation.item.input_audio_transcription.failed',
  'input_audio_buffer.speech_started',
  'input_audio_buffer.speech_stopped',
  'antiphon.cost',
  'antiphon.timeline',
  'antiphon.budget',
  'antiphon.overlap',
  'input_audio_buffer.committed',
  'input_audio_buffer.cleared',
  'input_audio_buffer.timeout_triggered',
  'output_audio_buffer.started',
  'output_audio_buffer.stopped',
  'output_audio_buffer.cleared',
  'response.created',
  'response.done',
  'response.output_item.added',
  'response.output_item.done',
  'response.content_part.added',
  'response.content_part.done',
  'response.output_text.delta',
  'response.output_text.done',
  'response.output_audio.delta',
  'response.output_audio.done',
  'response.output_audio_transcript.delta',
  'response.output_audio_transcript.done',
  'response.function_call_arguments.delta',
  'response.function_call_arguments.done',
]);
