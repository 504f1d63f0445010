"""A `Generate` as the body of a request to the Responses API.  No I/O.

It is the request that chat completions would get, in other words: what a model is shown, and
what a server may refuse of it, is settled there (`chat_messages`).

https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT, ChatMessage, chat_request
from antiphon.engines.cascade.llm.quirks import Quirks


def responses_request(
    request: Generate,
    model: str,
    *,
    voice_hint: str = VOICE_HINT,
    quirks: Quirks = frozenset(),
    extra_body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The body, streamed; nothing is stored there.  ``extra_body`` overrules what we would send."""
    chat = chat_request(request, model, voice_hint=voice_hint, quirks=quirks)
    body: dict[str, Any] = {
        "model": model,
        "input": [item for message in chat["messages"] for item in _items(message)],
        "stream": True,
        "store": False,
    }
    limit = chat.get("max_tokens", chat.get("max_completion_tokens"))
    if limit is not None:
        body["max_output_tokens"] = limit
    if "reasoning_effort" in chat:
        body["reasoning"] = {"effort": chat["reasoning_effort"]}
    if "tools" in chat:
        # Strict schemas are the default of this API, and would refuse most of clients' own.
        body["tools"] = [
            {"type": "function", **tool["function"], "strict": False} for tool in chat["tools"]
        ]
        body["tool_choice"] = _tool_choice(chat["tool_choice"])
    if "parallel_tool_calls" in chat:
        body["parallel_tool_calls"] = chat["parallel_tool_calls"]
    return body | (extra_body or {})


def _items(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message["role"] == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message["tool_call_id"],
            "output": message["content"],
        }
        return
    if message["content"]:
        yield {"role": message["role"], "content": _content(message)}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _content(message: ChatMessage) -> Any:
    content = message["content"]
    if isinstance(content, str):
        return content
    return [_part(part) for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "image_url":
        image = part["image_url"]
        return {
            "type": "input_image",
            "image_url": image["url"],
            "detail": image.get("detail", "auto"),
        }
    return {"type": "input_text", "text": part["text"]}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, dict):
        return {"type": "function", "name": choice["function"]["name"]}
    return choice
