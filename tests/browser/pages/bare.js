// A page without any SDK: an RTCPeerConnection, and the events as JSON on its data channel.

import { Ear } from "./ear.js";

const ear = new Ear();
const events = [];
let connection;
let channel;
let secretInUse;

/** Ask `path` of the server for a call with a secret; the answer, whatever it is. */
async function dial(path, secret) {
  const { url } = await (await fetch("/settings")).json();
  secretInUse = secret;
  connection = new RTCPeerConnection();
  const speaker = document.body.appendChild(document.createElement("audio"));
  speaker.autoplay = true;
  connection.ontrack = ({ streams }) => {
    speaker.srcObject = streams[0];
    ear.listen(streams[0]);
  };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  connection.addTrack(microphone.getTracks()[0], microphone);
  channel = connection.createDataChannel("oai-events");
  channel.onmessage = ({ data }) => events.push({ ...JSON.parse(data), at_ms: performance.now() });
  channel.onclose = () => events.push({ type: "page.closed" });
  await connection.setLocalDescription(await connection.createOffer());
  return await fetch(`${url}${path}`, {
    method: "POST",
    body: connection.localDescription.sdp,
    headers: { Authorization: `Bearer ${secret}`, "Content-Type": "application/sdp" },
  });
}

async function connect(path, secret) {
  const answer = await dial(path, secret);
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return answer.headers.get("Location");
}

/** As OpenAI's public console demo did it, in the dialect of its time. */
async function connectInBeta() {
  const session = await (await fetch("/beta-session", { method: "POST" })).json();
  return await connect("/realtime?model=gpt-4o-realtime-preview", session.client_secret.value);
}

async function connectInGa() {
  const { value } = await (await fetch("/secret", { method: "POST" })).json();
  return await connect("/realtime/calls", value);
}

/** What is said of a call that may not be. */
async function refusal(secret) {
  const answer = await dial("/realtime/calls", secret);
  return [answer.status, (await answer.json()).error.code];
}

/** As after a change of the network: new credentials for ICE, in the same call. */
async function restart(location) {
  const { url } = await (await fetch("/settings")).json();
  await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
  const answer = await fetch(`${url}/realtime/calls/${location.split("/").at(-1)}`, {
    method: "PATCH",
    body: connection.localDescription.sdp,
    headers: { Authorization: `Bearer ${secretInUse}`, "Content-Type": "application/sdp" },
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}

/** The local candidate that is in use, and the state of ICE. */
async function way() {
  const stats = await connection.getStats();
  const transport = [...stats.values()].find(({ type }) => type === "transport");
  const pair = stats.get(transport.selectedCandidatePairId);
  return { candidate: pair?.localCandidateId, state: connection.iceConnectionState };
}

const send = (event) => channel.send(JSON.stringify(event));
const hangUp = () => connection.close();
const stopMicrophone = () => connection.getSenders()[0].track.stop();
const seen = (type) => events.filter((event) => event.type === type);

window.app = { connectInBeta, connectInGa, refusal, send, hangUp, stopMicrophone, restart, way, seen, events, ear };
