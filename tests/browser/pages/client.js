// A page of @antiphon/client, as it was built.

import { RealtimeVoiceSession } from "/antiphon-client/index.js";

async function connect(options) {
  const { url } = await (await fetch("/settings")).json();
  const instructions = `#!antiphon-script\n${await (await fetch("/desk.toml")).text()}`;
  const session = new RealtimeVoiceSession({
    url,
    getSecret: async () => (await (await fetch("/secret", { method: "POST" })).json()).value,
    session: { instructions },
    tools: [{ name: "book_room", description: "Book a room.", run: () => "The old mill is yours." }],
    ...options,
  });
  window.voice = session;
  await session.connect();
}

/** The lines of one side: [heard, unheard]. */
function captions(role) {
  const items = window.voice.getSnapshot().items.filter((item) => item.role === role);
  return items.map(({ heard, unheard }) => [heard.trim(), unheard.trim()]);
}

window.app = { connect, captions };
