import { type RealtimeVoiceSession, Visualizer } from '@antiphon/react';

/** Two voices that face each other: the person's on the left, the agent's on the right. */
export function Voices({ session }: { session: RealtimeVoiceSession }) {
  return (
    <div className="voices">
      <Visualizer
        className="antiphon-user"
        label="Your voice"
        bars={28}
        analyser={() => session.inputAnalyser}
      />
      <Visualizer
        className="antiphon-agent"
        label="The agent’s voice"
        bars={28}
        analyser={() => session.outputAnalyser}
      />
    </div>
  );
}
