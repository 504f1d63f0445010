/** What runs on the audio thread, as text: no file of ours need be served beside the page's. */

export const CAPTURE = `
registerProcessor('antiphon-capture', class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.batch = new Float32Array(options.processorOptions.batchLength);
    this.length = 0;
  }
  process([channels]) {
    const input = channels[0];
    if (!input) return true;
    for (let at = 0; at < input.length;) {
      const part = input.subarray(at, at + this.batch.length - this.length);
      this.batch.set(part, this.length);
      this.length += part.length;
      at += part.length;
      if (this.length === this.batch.length) {
        this.port.postMessage(this.batch.slice());
        this.length = 0;
      }
    }
    return true;
  }
});`;

/**
 * Plays chunks of `{item, samples}` in order and tells how many samples of which item it has
 * played: every `reportLength` samples, when an item ends and when it is flushed.
 */
export const PLAYBACK = `
registerProcessor('antiphon-playback', class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.reportLength = options.processorOptions.reportLength;
    this.queue = [];
    this.at = 0;
    this.item = null;
    this.played = 0;
    this.unreported = 0;
    this.port.onmessage = ({ data }) => {
      if (data.type === 'push') this.queue.push(data);
      else if (data.type === 'flush') {
        this.report('flushed');
        this.queue = [];
        this.at = 0;
        this.item = null;
        this.played = 0;
      } else if (data.type === 'close') this.closed = true;
    };
  }
  report(type) {
    this.port.postMessage({ type, item: this.item, played: this.played });
    this.unreported = 0;
  }
  process(_, [channels]) {
    const output = channels[0];
    let filled = 0;
    while (filled < output.length && this.queue.length) {
      const chunk = this.queue[0];
      if (chunk.item !== this.item) {
        this.item = chunk.item;
        this.played = 0;
        this.report('started');
      }
      if (chunk.isEnd) {
        this.queue.shift();
        this.report('ended');
        continue;
      }
      const part = chunk.samples.subarray(this.at, this.at + output.length - filled);
      output.set(part, filled);
      filled += part.length;
      this.at += part.length;
      this.played += part.length;
      this.unreported += part.length;
      if (this.at >= chunk.samples.length) {
        this.queue.shift();
        this.at = 0;
      }
    }
    if (this.unreported >= this.reportLength) this.report('playing');
    return !this.closed;
  }
});`;

/** Loads both processors into a context. */
export async function loadWorklets(context: AudioContext): Promise<void> {
  const url = URL.createObjectURL(new Blob([CAPTURE, PLAYBACK], { type: 'text/javascript' }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
