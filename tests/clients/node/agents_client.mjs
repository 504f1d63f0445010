// The official Agents SDK over its WebSocket transport: captions, a tool that a spoken order
// runs, and an interruption after which only what was heard is kept.

import assert from "node:assert/strict";
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents/realtime";
import { z } from "zod";
import { Watch, environment, speech } from "./watch.mjs";

const bookRoom = tool({
  name: "book_room",
  description: "Book a meeting room.",
  parameters: z.object({}),
  execute: async () => "The old mill is yours.",
});

const agent = new RealtimeAgent({ name: "desk", tools: [bookRoom] });
const session = new RealtimeSession(agent, { transport: "websocket", model: "gpt-realtime" });
const events = new Watch();
session.on("transport_event", (event) => events.push(event));
session.on("error", ({ error }) => events.push({ type: "error", error }));
session.on("audio_interrupted", () => events.push({ type: "sdk.audio_interrupted" }));
session.on("agent_tool_end", (_context, _agent, ended, result) =>
  events.push({ type: "sdk.tool_end", name: ended.name, result }),
);

/** The lines of the conversation, as the SDK shows them. */
const captions = () =>
  session.history
    .filter((item) => item.type === "message")
    .map((item) => {
      const part = item.content[0];
      return { id: item.itemId, role: item.role, text: part?.transcript ?? part?.text ?? null };
    });
const said = (role) => captions().filter((line) => line.role === role);

await session.connect({
  apiKey: "any",
  url: `${environment.url.replace("https", "wss")}/v1/realtime?model=gpt-realtime`,
});
assert.equal(session.transport.status, "connected");
await events.until("session.created");
const { session: settings } = await events.until("session.updated");
assert.equal(settings.tools[0].name, "book_room");

for (const piece of speech(environment.order)) session.sendAudio(Uint8Array.from(piece).buffer);
const ended = await events.until("sdk.tool_end");
assert.deepEqual([ended.name, ended.result], ["book_room", "The old mill is yours."]);
await events.until("response.output_audio_transcript.done");
await events.until("response.done");
assert.match(said("user")[0].text, /book (a )?room/);
assert.equal(said("assistant").at(-1).text, "The old mill is yours.");

// The SDK tells by the wall clock how much was heard; let it be two seconds.
let now_ms = Date.now();
Date.now = () => now_ms;
session.sendMessage("Tell me a story.");
const audio = await events.until("response.output_audio.delta");
await events.until("response.done");
const told = said("assistant").at(-1).text;
now_ms += 2000;
for (const piece of speech(environment.yes)) session.sendAudio(Uint8Array.from(piece).buffer);
await events.until("sdk.audio_interrupted");
const truncated = await events.until("conversation.item.truncated");
assert.deepEqual([truncated.item_id, truncated.audio_end_ms], [audio.item_id, 2000]);
await events.until(
  "conversation.item.retrieved",
  (event) => event.item.id === audio.item_id && event.item.content[0].transcript !== told,
);
const kept = captions().find((line) => line.id === audio.item_id).text;
assert.ok(told.startsWith(kept), `${kept} is no beginning of ${told}`);
assert.ok(kept.length > 10 && kept.length < 60, kept);

session.close();
