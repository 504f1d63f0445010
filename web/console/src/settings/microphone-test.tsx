import { levelOf, Microphone, type MicrophoneOptions, VoiceError } from '@antiphon/react';
import { useEffect, useRef, useState } from 'react';

const SECONDS = 4;
const LEVEL_MS = 60;
/** Below this nobody spoke. */
const SPEECH_LEVEL = 0.3;

type Phase = 'idle' | 'hearing' | 'playing';

const WORDS: Record<Phase, string> = {
  idle: 'Test microphone',
  hearing: 'Say something…',
  playing: 'Playing it back…',
};

/** A few seconds of the microphone, as a meter and then as one sounds. Nothing leaves the page. */
export function MicrophoneTest({ options }: { options: MicrophoneOptions }) {
  const [phase, setPhase] = useState<Phase>('idle');
  const [level, setLevel] = useState(0);
  const [verdict, setVerdict] = useState('');
  const stop = useRef<() => void>(() => {});
  useEffect(() => () => stop.current(), []);

  const test = async () => {
    const life = new AbortController();
    stop.current = () => life.abort();
    let highest = 0;
    setVerdict('');
    setPhase('hearing');
    try {
      const blob = await heard(options, life.signal, (at) => {
        highest = Math.max(highest, at);
        setLevel(at);
      });
      setLevel(0);
      setPhase('playing');
      await played(blob, life.signal);
      setVerdict(
        highest < SPEECH_LEVEL
          ? 'Hardly a sound came. Choose another device, or turn it up.'
          : 'The microphone works, if you heard yourself.',
      );
    } catch (error) {
      const isOurs = error instanceof VoiceError;
      setVerdict(isOurs ? `${error.message} ${error.detail}` : String(error));
    }
    setLevel(0);
    setPhase('idle');
  };

  return (
    <div className="field">
      <div className="row">
        <button type="button" disabled={phase !== 'idle'} onClick={() => void test()}>
          {WORDS[phase]}
        </button>
        <meter aria-label="Microphone level" min={0} max={1} value={level} />
      </div>
      <p className="quiet" role="status">
        {verdict}
      </p>
    </div>
  );
}

/** Throws: VoiceError where there is no microphone. */
async function heard(
  options: MicrophoneOptions,
  signal: AbortSignal,
  onLevel: (level: number) => void,
): Promise<Blob> {
  const microphone = await Microphone.open(options);
  const timer = setInterval(() => onLevel(levelOf(microphone.analyser)), LEVEL_MS);
  try {
    const recorder = new MediaRecorder(microphone.stream);
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((resolve) => {
      recorder.onstop = resolve;
    });
    recorder.start();
    await until(SECONDS * 1000, signal);
    recorder.stop();
    await stopped;
    return new Blob(parts, { type: recorder.mimeType });
  } finally {
    clearInterval(timer);
    microphone.close();
  }
}

async function played(blob: Blob, signal: AbortSignal): Promise<void> {
  const sound = new Audio(URL.createObjectURL(blob));
  try {
    const ended = new Promise((resolve) => {
      sound.onended = sound.onerror = resolve;
      signal.addEventListener('abort', resolve);
    });
    await sound.play();
    await ended;
  } finally {
    sound.pause();
    URL.revokeObjectURL(sound.src);
  }
}

function until(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
