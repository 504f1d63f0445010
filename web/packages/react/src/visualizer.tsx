import { useEffect, useRef } from 'react';

export interface VisualizerProps {
  /** Asked anew for each picture: analysers come and go with the sound. */
  analyser: () => AnalyserNode | null;
  label: string;
  bars?: number;
  className?: string;
}

/** A screen of 120 Hz shows no more of a voice than one of 60. */
const FRAME_MS = 1000 / 60;
const STILL_MS = 250;
/** Speech has little above this. */
const HIGHEST_HZ = 6000;

/** Bars of a voice, drawn 60 times a second; a few times where motion is unwanted. */
export function Visualizer({ analyser, label, bars = 24, className }: VisualizerProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const source = useRef(analyser);
  source.current = analyser;

  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context) return;
    const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
    let frame = 0;
    let drawnAt = 0;
    const draw = (now: number) => {
      frame = requestAnimationFrame(draw);
      // The clock of a 60 Hz screen is not quite even.
      if (now - drawnAt < (isStill ? STILL_MS : FRAME_MS - 2)) return;
      drawnAt = now;
      paint(element, context, levels(source.current(), bars));
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [bars]);

  return <canvas ref={canvas} className={className} role="img" aria-label={label} />;
}

/** Each bar from 0 to 1; all 0 where there is no sound. */
function levels(analyser: AnalyserNode | null, bars: number): number[] {
  if (!analyser) return new Array(bars).fill(0);
  const bins = new Uint8Array(analyser.frequencyBinCount);
  analyser.getByteFrequencyData(bins);
  const highest = (HIGHEST_HZ / (analyser.context.sampleRate / 2)) * bins.length;
  return Array.from({ length: bars }, (_, bar) => {
    const from = Math.floor((bar / bars) ** 1.5 * highest);
    const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) ** 1.5 * highest));
    const part = bins.subarray(from, to);
    return part.reduce((sum, value) => sum + value, 0) / part.length / 255;
  });
}

function paint(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, values: number[]) {
  const { clientWidth, clientHeight } = canvas;
  const scale = devicePixelRatio || 1;
  const width = Math.round(clientWidth * scale);
  const height = Math.round(clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  const step = width / values.length;
  const thickness = Math.max(1, step * 0.6);
  values.forEach((value, index) => {
    const length = Math.max(thickness, value * height);
    context.beginPath();
    context.roundRect(index * step, (height - length) / 2, thickness, length, thickness / 2);
    context.fill();
  });
}
