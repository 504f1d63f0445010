/** How loud it is. */

export function analyserOf(context: AudioContext): AnalyserNode {
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  analyser.smoothingTimeConstant = 0.75;
  return analyser;
}

/** The latest 20 ms or so, from 0 (silence) to 1 (full scale), on a scale that looks even. */
export function levelOf(analyser: AnalyserNode | null): number {
  if (!analyser) return 0;
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  // -60 dB is the floor.
  return energy > 0 ? Math.max(0, Math.min(1, 1 + Math.log10(energy) / 6)) : 0;
}
