/** The Realtime API's events, as far as this client sends or reads them. */

export interface AudioFormat {
  type: 'audio/pcm' | 'audio/pcmu' | 'audio/pcma';
  rate?: number;
}

/** When the server takes a turn to be over. `null`: the client says so (push to talk). */
export type TurnDetection =
  | {
      type: 'server_vad';
      threshold?: number;
      prefix_padding_ms?: number;
      silence_duration_ms?: number;
      idle_timeout_ms?: number | null;
      create_response?: boolean;
      interrupt_response?: boolean;
    }
  | {
      type: 'semantic_vad';
      eagerness?: 'auto' | 'low' | 'medium' | 'high';
      create_response?: boolean;
      interrupt_response?: boolean;
    };

export interface Transcription {
  model?: string;
  language?: string;
  prompt?: string;
}

export interface WireTool {
  type: 'function';
  name: string;
  description?: string;
  parameters?: object;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { type: 'function'; name: string };

/** The session as `session.created` and `session.updated` show it, or a part of it. */
export interface WireSession {
  type?: 'realtime' | 'transcription';
  id?: string;
  model?: string;
  expires_at?: number;
  output_modalities?: ('audio' | 'text')[];
  instructions?: string;
  tools?: WireTool[];
  tool_choice?: ToolChoice;
  max_output_tokens?: number | 'inf';
  audio?: {
    input?: {
      format?: AudioFormat;
      transcription?: Transcription | null;
      noise_reduction?: { type: 'near_field' | 'far_field' } | null;
      turn_detection?: TurnDetection | null;
    };
    output?: { format?: AudioFormat; voice?: string | { id: string }; speed?: number };
  };
  [other: string]: unknown;
}

export interface WireContent {
  type: string;
  text?: string;
  transcript?: string | null;
  image_url?: string;
  audio?: string;
}

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface WireItem {
  id?: string;
  type: string;
  status?: ItemStatus;
  role?: 'user' | 'assistant' | 'system';
  content?: WireContent[];
  name?: string;
  call_id?: string;
  arguments?: string;
  output?: string;
}

export interface WireUsage {
  total_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
  input_token_details?: {
    text_tokens?: number;
    audio_tokens?: number;
    image_tokens?: number;
    cached_tokens?: number;
  };
  output_token_details?: { text_tokens?: number; audio_tokens?: number };
}

export interface WireResponse {
  id: string;
  status?: 'in_progress' | 'completed' | 'cancelled' | 'incomplete' | 'failed';
  status_details?: {
    type?: string;
    reason?: string;
    error?: { type?: string; code?: string | null; message?: string };
  } | null;
  output?: WireItem[];
  conversation_id?: string | null;
  usage?: WireUsage | null;
  metadata?: Record<string, string> | null;
}

export interface WireError {
  type?: string;
  code?: string | null;
  message: string;
  param?: string | null;
  event_id?: string | null;
}

interface Part {
  response_id: string;
  item_id: string;
}

/** What each known server event carries, by its type. */
export interface ServerEvents {
  error: { error: WireError };
  'session.created': { session: WireSession };
  'session.updated': { session: WireSession };
  'conversation.item.added': { item: WireItem; previous_item_id?: string | null };
  'conversation.item.done': { item: WireItem; previous_item_id?: string | null };
  'conversation.item.retrieved': { item: WireItem };
  'conversation.item.truncated': { item_id: string; content_index: number; audio_end_ms: number };
  'conversation.item.deleted': { item_id: string };
  'conversation.item.input_audio_transcription.delta': { item_id: string; delta: string };
  'conversation.item.input_audio_transcription.completed': {
    item_id: string;
    transcript: string;
    usage?: { type: string; seconds?: number };
  };
  'conversation.item.input_audio_transcription.failed': { item_id: string; error: WireError };
  'input_audio_buffer.speech_started': { audio_start_ms: number; item_id: string };
  'input_audio_buffer.speech_stopped': { audio_end_ms: number; item_id: string };
  'input_audio_buffer.committed': { item_id: string; previous_item_id?: string | null };
  'input_audio_buffer.cleared': object;
  'output_audio_buffer.started': { response_id: string };
  'output_audio_buffer.stopped': { response_id: string };
  'output_audio_buffer.cleared': { response_id: string };
  'response.created': { response: WireResponse };
  'response.done': { response: WireResponse };
  'response.output_item.added': { response_id: string; item: WireItem };
  'response.output_item.done': { response_id: string; item: WireItem };
  'response.content_part.added': Part & { part: WireContent };
  'response.content_part.done': Part & { part: WireContent };
  'response.output_text.delta': Part & { delta: string };
  'response.output_text.done': Part & { text: string };
  'response.output_audio.delta': Part & { delta: string };
  'response.output_audio.done': Part;
  'response.output_audio_transcript.delta': Part & { delta: string };
  'response.output_audio_transcript.done': Part & { transcript: string };
  'response.function_call_arguments.delta': Part & { call_id: string; delta: string };
  'response.function_call_arguments.done': Part & { call_id: string; arguments: string };
}

/** A server event of a type that this client reads. */
export type ServerEvent = {
  [Type in keyof ServerEvents]: { type: Type; event_id?: string } & ServerEvents[Type];
}[keyof ServerEvents];

/** Any event, either way: what the log holds and `send` takes. */
export interface WireEvent {
  type: string;
  event_id?: string;
  [field: string]: unknown;
}
