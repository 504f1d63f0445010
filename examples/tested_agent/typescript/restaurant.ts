/** A restaurant's phone: a voice agent of the Agents SDK, and what an app needs around it. */
import { RealtimeAgent, type RealtimeItem, RealtimeSession, tool } from '@openai/agents/realtime';
import { z } from 'zod';

const URL = 'wss://api.openai.com/v1/realtime?model=gpt-realtime';
const MAX_RETRIES = 1;

const bookTable = tool({
  name: 'book_table',
  description: 'Book a table.',
  parameters: z.object({ guests: z.number(), time: z.string() }),
  execute: async ({ guests, time }) => `Booked: a table for ${guests} at ${time}.`,
});

const agent = new RealtimeAgent({
  name: 'Restaurant',
  instructions: 'You answer the phone of a restaurant, and book tables.',
  tools: [bookTable],
});

/** One guest on the phone. */
export class Call {
  /** The agent's answers, whole. */
  readonly said: string[] = [];
  /** Codes of what went wrong. */
  readonly failures: string[] = [];
  readonly session = new RealtimeSession(agent, {
    transport: 'websocket',
    config: { audio: { input: { turnDetection: { type: 'server_vad' } } } },
  });
  #retries = 0;

  constructor() {
    this.session.on('transport_event', (event) => this.#onServerEvent(event));
    this.session.on('error', ({ error }) => this.failures.push(String(error)));
  }

  static async answer(url = URL, apiKey = process.env.OPENAI_API_KEY ?? 'any'): Promise<Call> {
    const call = new Call();
    await call.session.connect({ apiKey, url });
    return call;
  }

  /** The conversation as the guest knows it; what they interrupted ends where they did. */
  get lines(): string[] {
    return this.session.history.map(textOf).filter((line) => line !== '');
  }

  #onServerEvent(event: { type: string; [field: string]: any }): void {
    if (event.type === 'response.output_audio_transcript.done') {
      this.said.push(event.transcript);
    } else if (event.type === 'response.done' && event.response.status === 'failed') {
      // The SDK only says that the turn has ended.
      this.failures.push(event.response.status_details.error.code);
      if (this.#retries++ < MAX_RETRIES) {
        this.session.transport.sendEvent({ type: 'response.create' });
      }
    }
  }
}

function textOf(item: RealtimeItem): string {
  if (item.type !== 'message') return '';
  const texts = item.content.map((part) =>
    'text' in part ? part.text : 'transcript' in part ? part.transcript : '',
  );
  return texts.join(' ');
}
