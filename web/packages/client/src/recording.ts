/** Both sides of a conversation as one stereo recording: the user left, the agent right. */

import { VoiceError } from './errors';

const TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];
const SLICE_MS = 1000;

/** Both sides go through one clock, so they stay aligned however long it lasts. */
export class Recording {
  readonly #context: AudioContext;
  readonly #merger: ChannelMergerNode;
  readonly #recorder: MediaRecorder;
  readonly #chunks: Blob[] = [];
  readonly #stopped: Promise<void>;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #sides: { stream: MediaStream | null; source: MediaStreamAudioSourceNode | null }[] = [
    { stream: null, source: null },
    { stream: null, source: null },
  ];

  /** Throws: VoiceError `media-failed` where the browser cannot record. */
  constructor(maxSeconds: number, onStop: () => void) {
    let context: AudioContext | null = null;
    try {
      context = new AudioContext();
      void context.resume().catch(() => {});
      const destination = context.createMediaStreamDestination();
      destination.channelCount = 2;
      this.#context = context;
      this.#merger = context.createChannelMerger(2);
      this.#merger.connect(destination);
      const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
      this.#recorder = new MediaRecorder(destination.stream, mimeType ? { mimeType } : {});
      this.#stopped = new Promise((resolve) => {
        this.#recorder.onstop = () => {
          resolve();
          onStop();
        };
      });
      this.#recorder.ondataavailable = ({ data }) => {
        if (data.size) this.#chunks.push(data);
      };
      this.#recorder.start(SLICE_MS);
      this.#timer = setTimeout(() => this.finish(), maxSeconds * 1000);
    } catch (cause) {
      void context?.close().catch(() => {});
      throw new VoiceError('media-failed', { cause });
    }
  }

  /** What is heard from now on; the same streams again change nothing. */
  follow(user: MediaStream | null, agent: MediaStream | null): void {
    this.#connect(0, user);
    this.#connect(1, agent);
  }

  /** Ends it; `blob` has what was recorded. */
  finish(): void {
    if (this.#recorder.state === 'inactive') return;
    clearTimeout(this.#timer);
    this.#recorder.stop();
    for (const side of this.#sides) side.source?.disconnect();
    void this.#context.close().catch(() => {});
  }

  async blob(): Promise<Blob> {
    this.finish();
    await this.#stopped;
    return new Blob(this.#chunks, { type: this.#recorder.mimeType });
  }

  #connect(channel: 0 | 1, stream: MediaStream | null): void {
    const side = this.#sides[channel];
    if (!side || side.stream === stream || this.#recorder.state === 'inactive') return;
    side.source?.disconnect();
    side.stream = stream;
    side.source = stream ? this.#context.createMediaStreamSource(stream) : null;
    side.source?.connect(this.#merger, 0, channel);
  }
}
