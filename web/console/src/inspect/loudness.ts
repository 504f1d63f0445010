/** How loud each side of a recording is over its length. */

export interface Sides {
  /** 0 to 1 each. */
  user: number[];
  agent: number[];
  seconds: number;
}

const COLUMNS = 240;

/** Throws: DOMException where the browser cannot read its own recording. */
export async function sidesOf(blob: Blob): Promise<Sides> {
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const side = (channel: number) =>
      loudness(sound.getChannelData(Math.min(channel, sound.numberOfChannels - 1)), COLUMNS);
    return { user: side(0), agent: side(1), seconds: sound.duration };
  } finally {
    void context.close();
  }
}

/** The peak in each of `columns` equal stretches, with quiet ones made visible. */
export function loudness(samples: Float32Array, columns: number): number[] {
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column / columns) * samples.length);
    const to = Math.floor(((column + 1) / columns) * samples.length);
    let peak = 0;
    for (let at = from; at < to; at++) peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    return Math.sqrt(Math.min(1, peak));
  });
}
