export { VoiceError, type VoiceErrorKind } from './errors';
export type { EventLog, LogEntry } from './log';
export type * from './options';
export type * from './protocol';
export { remembers } from './resumption';
export { type Served, servedBy } from './served';
export { RealtimeVoiceSession, type SessionEvents } from './session';
export type * from './snapshot';
