import { JAVASCRIPT, literal } from './literal';
import { type ExampleTool, FIRST_WORDS, type Setup } from './setup';

/** A program for the `@openai/agents` package, in Node. */
export function javascriptOf({ url, model, session, tools }: Setup): string {
  // The agent has them, with what they do.
  const { tools: _, ...rest } = session;
  const text = (value: unknown, depth = 0) => literal(value, JAVASCRIPT, depth);
  const address = new URL(`${url.replace(/^http/, 'ws')}/realtime`);
  address.searchParams.set('model', model);
  return `// npm install @openai/agents
import { RealtimeAgent, RealtimeSession${tools.length ? ', tool' : ''} } from "@openai/agents/realtime";

const SESSION = ${text(rest)};
${tools.length ? `const TOOLS = [\n${tools.map(toolOf).join('')}];\n` : ''}
const agent = new RealtimeAgent({
  name: "agent",
  instructions: SESSION.instructions,
${tools.length ? '  tools: TOOLS,\n' : ''}});
const session = new RealtimeSession(agent, { transport: "websocket", model: ${text(model)} });
session.on("error", ({ error }) => console.error(error));
session.on("transport_event", (event) => {
  if (event.type === "response.output_audio_transcript.delta") process.stdout.write(event.delta);
  if (event.type !== "response.done") return;
  // After a tool's result comes another answer.
  if (event.response.output.some(({ type }) => type === "function_call")) return;
  console.log();
  session.close();
});

await session.connect({
  apiKey: process.env.OPENAI_API_KEY ?? "none",
  url: ${text(address.href)},
});
session.transport.sendEvent({ type: "session.update", session: SESSION });
session.sendMessage(${text(FIRST_WORDS)});
`;
}

function toolOf({ name, description, parameters, result }: ExampleTool): string {
  const text = (value: unknown) => literal(value, JAVASCRIPT, 2);
  return `  tool({
    name: ${text(name)},
    description: ${text(description)},
    parameters: ${text({ required: [], additionalProperties: true, ...parameters })},
    strict: false,
    execute: () => ${text(result)},
  }),
`;
}
