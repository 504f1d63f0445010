import { literal, PYTHON } from './literal';
import { FIRST_WORDS, type Setup } from './setup';

/** A program for the `openai` package. */
export function pythonOf({ url, model, session, tools }: Setup): string {
  const hasTools = tools.length > 0;
  const results = Object.fromEntries(tools.map(({ name, result }) => [name, result]));
  const text = (value: unknown) => literal(value, PYTHON);
  const format = session.audio?.output?.format?.type ?? 'audio/pcm';
  const isPcm = format === 'audio/pcm';
  return `# pip install "openai[realtime]"
import asyncio
import base64
import os
${isPcm ? 'import wave\n' : ''}
from openai import AsyncOpenAI

SESSION = ${text(session)}
${hasTools ? `RESULTS = ${text(results)}\n` : ''}

async def main() -> None:
    client = AsyncOpenAI(
        base_url=${text(url)},
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
    )
    speech = b""
${hasTools ? '    called = False\n' : ''}    async with client.realtime.connect(model=${text(model)}) as connection:
        await connection.session.update(session=SESSION)
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": ${text(FIRST_WORDS)}}],
            }
        )
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_audio_transcript.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "response.output_audio.delta":
                speech += base64.b64decode(event.delta)
            elif event.type == "error":
                print(event.error.message)
${hasTools ? TOOL_CALL : ''}            elif event.type == "response.done":
${hasTools ? ANSWER_AFTER_TOOLS : ''}                break
    print()
${isPcm ? SAVE_WAV : `    with open("answer.${ending(format)}", "wb") as file:  # 8 kHz, one byte a sample\n        file.write(speech)\n`}

asyncio.run(main())
`;
}

const TOOL_CALL = `            elif event.type == "response.function_call_arguments.done":
                called = True
                await connection.conversation.item.create(
                    item={
                        "type": "function_call_output",
                        "call_id": event.call_id,
                        "output": RESULTS[event.name],
                    }
                )
`;

const ANSWER_AFTER_TOOLS = `                if called:
                    called = False
                    await connection.response.create()
                    continue
`;

const SAVE_WAV = `    with wave.open("answer.wav", "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(speech)
`;

function ending(format: string): string {
  return format === 'audio/pcmu' ? 'ulaw' : 'alaw';
}
