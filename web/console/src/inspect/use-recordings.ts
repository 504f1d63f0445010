import type { RealtimeVoice } from '@antiphon/react';
import { useCallback, useEffect, useRef, useState } from 'react';

export interface Recording {
  blob: Blob;
  url: string;
  atMs: number;
}

export interface Recordings {
  kept: readonly Recording[];
  problem: string;
  toggle: () => void;
  forget: (recording: Recording) => void;
}

/** Recordings of this page's conversations, for as long as the page is open. */
export function useRecordings({ session, recording }: RealtimeVoice): Recordings {
  const [kept, setKept] = useState<readonly Recording[]>([]);
  const [problem, setProblem] = useState('');
  const wasRecording = useRef(false);

  const keep = useCallback(async () => {
    const blob = await session.stopRecording();
    if (!blob?.size) return;
    setKept((all) => [{ blob, url: URL.createObjectURL(blob), atMs: Date.now() }, ...all]);
  }, [session]);

  // A conversation that ends ends its recording.
  useEffect(() => {
    if (wasRecording.current && !recording) void keep();
    wasRecording.current = recording;
  }, [recording, keep]);

  const toggle = () => {
    setProblem('');
    try {
      if (recording) void keep();
      else session.startRecording();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const forget = (gone: Recording) => {
    URL.revokeObjectURL(gone.url);
    setKept((all) => all.filter((other) => other !== gone));
  };
  return { kept, problem, toggle, forget };
}
