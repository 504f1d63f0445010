export * from '@antiphon/client';
export { Captions } from './captions';
export { Composer } from './composer';
export { Notice } from './notice';
export { TalkButton } from './talk-button';
export { type RealtimeVoice, useRealtimeVoiceSession } from './use-session';
export { Visualizer, type VisualizerProps } from './visualizer';
export { VoicePanel, type VoicePanelProps } from './voice-panel';
