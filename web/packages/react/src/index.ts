export * from '@antiphon/client';
export { type RealtimeVoice, useRealtimeVoiceSession } from './use-session';
export { Visualizer, type VisualizerProps } from './visualizer';
export { VoicePanel, type VoicePanelProps } from './voice-panel';
