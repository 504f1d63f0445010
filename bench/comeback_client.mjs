// Our client in Node, over a WebSocket, for bench/comeback.py: it tells when sound comes, and by which
// connection. What a browser plays sound with is not there; here nothing is played.

import { readFileSync } from 'node:fs';
import { RealtimeVoiceSession } from '../web/packages/client/dist/index.js';

const node = { connect: (to) => to, disconnect() {}, gain: { setTargetAtTime() {} } };
class Worklet {
  port = { onmessage: null, postMessage() {} };
  connect = (to) => to;
  disconnect() {}
}
class Context {
  sampleRate = 24_000;
  state = 'running';
  destination = {};
  audioWorklet = { addModule: async () => {} };
  createAnalyser = () => ({ ...node });
  createGain = () => ({ ...node });
  async resume() {}
  async close() {}
}
Object.assign(globalThis, { AudioContext: Context, AudioWorkletNode: Worklet });

const [url, key, script] = process.argv.slice(2);
const session = new RealtimeVoiceSession({
  url,
  key,
  transport: 'websocket',
  session: { instructions: readFileSync(script, 'utf8') },
});
const tell = (event) => console.log(JSON.stringify({ event, at_ms: Date.now() }));
session.on('event', ({ event, direction }) => {
  if (direction === 'sent') return;
  if (event.type === 'session.created') tell('created');
  if (event.type === 'response.output_audio.delta') tell('sound');
  if (event.type === 'response.done') session.sendText('Tell me a story.');
});
await session.connect().catch(() => {});
session.sendText('Tell me a story.');
process.stdin.on('end', () => process.exit(0)).resume();
