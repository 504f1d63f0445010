// The official SDK: a typed turn, a mistake that leaves the session as it is, and a spoken order
// that calls a function.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { Watch, environment, speech } from "./watch.mjs";

const BOOK_ROOM = {
  type: "function",
  name: "book_room",
  description: "Book a meeting room.",
  parameters: { type: "object", properties: {} },
};

const client = new OpenAI({ apiKey: "any", baseURL: `${environment.url}/v1` });
const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime" }, client);
assert.equal(realtime.url.protocol, "wss:");
const events = new Watch();
realtime.on("event", (event) => events.push(event));
realtime.on("error", (error) => {
  if (!error.error) events.push({ type: "error", error }); // The server's own came as events.
});

const created = await events.until("session.created");
assert.equal(created.session.type, "realtime");
assert.equal(created.session.model, "gpt-realtime");
realtime.send({
  type: "session.update",
  session: {
    type: "realtime",
    tools: [BOOK_ROOM],
    audio: { input: { transcription: { model: "whisper-1" } } },
  },
});
const updated = await events.until("session.updated");
assert.equal(updated.session.tools[0].name, "book_room");

realtime.send({
  type: "conversation.item.create",
  item: {
    type: "message",
    role: "user",
    content: [{ type: "input_text", text: "What is six times ten?" }],
  },
});
realtime.send({ type: "response.create", response: { output_modalities: ["text"] } });
const written = await events.until("response.output_text.done");
assert.equal(written.text, "Six times ten is sixty.");
assert.equal((await events.until("response.done")).response.status, "completed");

realtime.send({ type: "conversation.item.delete", event_id: "wrong_1", item_id: "item_none" });
const { error } = await events.until("error");
assert.equal(error.code, "item_delete_invalid_item_id");
assert.equal(error.event_id, "wrong_1");

for (const piece of speech(environment.order)) {
  realtime.send({ type: "input_audio_buffer.append", audio: piece.toString("base64") });
}
const started = await events.until("input_audio_buffer.speech_started");
const stopped = await events.until("input_audio_buffer.speech_stopped");
assert.equal(started.item_id, stopped.item_id);
const call = await events.until("response.function_call_arguments.done");
assert.equal(call.name, "book_room");
await events.until("response.done");
const heard = events.seen.find(
  (event) => event.type === "conversation.item.input_audio_transcription.completed",
);
assert.match(heard.transcript, /book (a )?room/);

realtime.send({
  type: "conversation.item.create",
  item: { type: "function_call_output", call_id: call.call_id, output: "The old mill is yours." },
});
realtime.send({ type: "response.create" });
const said = await events.until("response.output_audio_transcript.done");
assert.equal(said.transcript, "The old mill is yours.");
const done = await events.until("response.done");
const sound = events.seen
  .filter(
    (event) =>
      event.type === "response.output_audio.delta" && event.response_id === done.response.id,
  )
  .reduce((size, event) => size + Buffer.from(event.delta, "base64").length, 0);
assert.ok(sound > 24_000, `${sound} bytes of speech`);

const closed = new Promise((resolve) => realtime.socket.on("close", resolve));
realtime.close();
await closed;
