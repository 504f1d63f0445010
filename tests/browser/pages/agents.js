// A page of the official Agents SDK for browsers, with nothing changed but the base URL.

import { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession, tool } from "/agents-sdk/openai-realtime-agents.mjs";
import { Ear } from "./ear.js";

const ear = new Ear();
const events = [];
const tools = { ended: [] };

const bookRoom = tool({
  name: "book_room",
  description: "Book a meeting room.",
  parameters: { type: "object", properties: {}, required: [], additionalProperties: false },
  execute: async () => "The old mill is yours.",
});

/** Connect, with `codec` alone if it is named. */
async function connect({ codec = null, withTool = true } = {}) {
  const { url } = await (await fetch("/settings")).json();
  const { value } = await (await fetch("/secret", { method: "POST" })).json();
  const transport = new OpenAIRealtimeWebRTC({
    baseUrl: `${url}/realtime/calls`,
    audioElement: document.body.appendChild(document.createElement("audio")),
    changePeerConnection(connection) {
      connection.addEventListener("track", ({ streams }) => ear.listen(streams[0]));
      if (codec !== null) {
        const codecs = RTCRtpSender.getCapabilities("audio").codecs;
        const wanted = codecs.filter(({ mimeType }) => mimeType === `audio/${codec}`);
        for (const transceiver of connection.getTransceivers()) transceiver.setCodecPreferences(wanted);
      }
      return connection;
    },
  });
  const instructions = `#!antiphon-script\n${await (await fetch("/desk.toml")).text()}`;
  const agent = new RealtimeAgent({ name: "desk", instructions, tools: withTool ? [bookRoom] : [] });
  const session = new RealtimeSession(agent, { transport });
  session.on("transport_event", (event) => events.push({ ...event, at_ms: performance.now() }));
  session.on("error", ({ error }) => console.error(error));
  session.on("agent_tool_end", (_context, _agent, { name }, result) => tools.ended.push([name, result]));
  await session.connect({ apiKey: value, model: "gpt-realtime" });
  window.session = session;
}

/** The lines of the conversation, as the SDK shows them. */
function captions(role) {
  const messages = window.session.history.filter((item) => item.type === "message" && item.role === role);
  return messages.map(({ content: [part] }) => part?.transcript ?? part?.text ?? null);
}

async function codecInUse() {
  const stats = await window.session.transport.connectionState.peerConnection.getStats();
  const inbound = [...stats.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
  return stats.get(inbound.codecId).mimeType;
}

const seen = (type) => events.filter((event) => event.type === type);

window.app = { connect, captions, codecInUse, seen, events, tools, ear };
