"""A `Generate` as the body of an OpenAI chat-completions request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.context import answered_calls, text_of
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    Item,
    Message,
)
from antiphon.protocol.session import FunctionChoice, FunctionTool

VOICE_HINT = (
    "Your answer will be spoken aloud by a speech synthesizer. Write plain spoken sentences:"
    " no markdown, lists, tables, code, links or emoji. Be brief. The user's words come from"
    " speech recognition and may hold mistakes."
)
_NOTHING_UNDERSTOOD = "(The user spoke, but nothing was understood.)"
_BEGIN = "(The conversation has just begun. Speak first.)"
"""Many chat templates need a message of the user; `response.create` does not."""


def chat_request(request: Generate, model: str, *, voice_hint: str = VOICE_HINT) -> dict[str, Any]:
    """The body, streamed, with usage asked for."""
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(request, voice_hint=voice_hint),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_output_tokens != "inf":
        body["max_tokens"] = request.max_output_tokens
    tools = [_tool(tool) for tool in request.tools if isinstance(tool, FunctionTool)]
    if tools:
        body["tools"] = tools
        body["tool_choice"] = _tool_choice(request)
    return body


def messages(request: Generate, *, voice_hint: str) -> list[dict[str, Any]]:
    """Instructions and items, in the order that the API demands.

    A function's outputs follow right after the calls; calls without an output, and
    outputs without a call, would be refused and are left out.
    """
    system = [request.instructions, voice_hint if request.modality == "audio" else ""]
    found = [
        {"role": "system", "content": text} for text in ["\n\n".join(filter(None, system))] if text
    ]
    found += _from_items(request.items)
    if not any(message["role"] in ("user", "tool") for message in found):
        found.append({"role": "user", "content": _BEGIN})
    return found


def _from_items(items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    answered = answered_calls(items)
    outputs = {item.call_id: item.output for item in items if isinstance(item, FunctionCallOutput)}
    calls: list[FunctionCall] = []
    for item in items:
        if isinstance(item, FunctionCall):
            if item.call_id in answered and all(c.call_id != item.call_id for c in calls):
                calls.append(item)
            continue
        yield from _calls_with_outputs(calls, outputs)
        calls = []
        if isinstance(item, Message):
            message = _message(item)
            if message:
                yield message
    yield from _calls_with_outputs(calls, outputs)


def _calls_with_outputs(
    calls: list[FunctionCall], outputs: dict[str, str]
) -> Iterator[dict[str, Any]]:
    if not calls:
        return
    yield {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in calls
        ],
    }
    for call in calls:
        yield {
            "role": "tool",
            "tool_call_id": call.call_id,
            "content": outputs[str(call.call_id)],
        }


def _message(message: Message) -> dict[str, Any] | None:
    text = text_of(message)
    images = [_image(part) for part in message.content if isinstance(part, InputImage)]
    if images:
        parts = [{"type": "text", "text": text}] if text else []
        return {"role": message.role, "content": [*parts, *images]}
    if message.role == "user" and not text:
        text = _NOTHING_UNDERSTOOD
    return {"role": message.role, "content": text} if text else None


def _image(part: InputImage) -> dict[str, Any]:
    image: dict[str, Any] = {"url": part.image_url}
    if isinstance(part.detail, str):
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _tool(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _tool_choice(request: Generate) -> Any:
    match request.tool_choice:
        case FunctionChoice(name=name):
            return {"type": "function", "function": {"name": name}}
        case "none" | "auto" | "required" as choice:
            return choice
    return "auto"  # A tool server: chat completions know none.
