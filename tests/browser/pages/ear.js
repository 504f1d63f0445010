// How loud a stream is, each hundredth of a second.

const WORKLET = `
  registerProcessor("ear", class extends AudioWorkletProcessor {
    sum = 0;
    count = 0;
    process([[samples]]) {
      for (const sample of samples ?? []) this.sum += sample * sample;
      this.count += 128;
      if (this.count >= sampleRate / 100) {
        this.port.postMessage([currentTime, Math.sqrt(this.sum / this.count)]);
        this.sum = this.count = 0;
      }
      return true;
    }
  });
`;
const LOUD = 0.003;

export class Ear {
  #heard = [];
  #offset_ms = Infinity;

  async listen(stream) {
    const context = new AudioContext();
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
    const node = new AudioWorkletNode(context, "ear");
    node.port.onmessage = ({ data: [at_s, level] }) => {
      // The message that waited least tells best how the two clocks differ.
      this.#offset_ms = Math.min(this.#offset_ms, performance.now() - at_s * 1000);
      this.#heard.push([at_s * 1000, level]);
    };
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
  }

  /** When it was loud, on the clock of performance.now(). */
  get loud_ms() {
    return this.#heard.filter(([, level]) => level > LOUD).map(([at_ms]) => at_ms + this.#offset_ms);
  }

  /** How much was loud since then, in ms. */
  loudSince_ms(since_ms = 0) {
    return 10 * this.loud_ms.filter((at_ms) => at_ms >= since_ms).length;
  }

  /** When it was last loud. */
  get lastLoud_ms() {
    return this.loud_ms.at(-1) ?? 0;
  }
}
