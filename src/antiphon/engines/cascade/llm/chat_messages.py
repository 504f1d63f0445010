"""A `Generate` as the body of a chat-completions request.  No I/O.

One system message in front, then the user first: many chat templates take nothing else, and
it changes no meaning.  What else a server wants stands in its `Quirks`.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.characters import mended
from antiphon.engines.cascade.llm.context import text_of
from antiphon.engines.cascade.llm.quirks import Quirk, Quirks
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    Item,
    Message,
)
from antiphon.protocol.session import FunctionChoice, FunctionTool, ToolChoice

VOICE_HINT = (
    "Your answer will be spoken aloud by a speech synthesizer. Write plain spoken sentences:"
    " no markdown, lists, tables, code, links or emoji. Be brief. The user's words come from"
    " speech recognition and may hold mistakes."
)
_NOTHING_UNDERSTOOD = "(The user spoke, but nothing was understood.)"
_BEGIN = "(The conversation has just begun. Speak first.)"
"""Many chat templates need a message of the user in front; `response.create` does not."""
_GO_ON = "(Go on.)"
_UNSAID = "…"
"""In place of an answer that was cut before its first word, where roles must take turns."""
_PENDING = "(Still running. The result will come later; do not call again.)"
_CAME = "(The result of {name} has come.)"
_NO_OUTPUT = "(no output)"
_UNSEEN = "(An image that you cannot see.)"
_LETTERS = string.digits + string.ascii_letters

ChatMessage = dict[str, Any]


def chat_request(
    request: Generate,
    model: str,
    *,
    voice_hint: str = VOICE_HINT,
    quirks: Quirks = frozenset(),
    extra_body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The body, streamed, with usage asked for; ``extra_body`` overrules what we would send."""
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(request, voice_hint=voice_hint, quirks=quirks),
        "stream": True,
    }
    if Quirk.NO_USAGE not in quirks:
        body["stream_options"] = {"include_usage": True}
    if request.max_output_tokens != "inf" and Quirk.NO_LIMIT not in quirks:
        # Newer models of OpenAI take the second name only, most other servers only the first.
        name = "max_completion_tokens" if Quirk.NEWER_LIMIT in quirks else "max_tokens"
        body[name] = request.max_output_tokens
    if request.reasoning_effort is not None and Quirk.NO_EFFORT not in quirks:
        body["reasoning_effort"] = request.reasoning_effort
    tools = [tool for tool in request.tools if isinstance(tool, FunctionTool)]
    tools += request.server_tools
    choice = request.tool_choice
    if Quirk.AUTO_CHOICE in quirks and choice not in ("auto", "none"):
        if isinstance(choice, FunctionChoice):
            tools = [tool for tool in tools if tool.name == choice.name]
        choice = "auto"
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
        body["tool_choice"] = _tool_choice(choice)
        if request.parallel_tool_calls is not None and Quirk.NO_PARALLEL_CHOICE not in quirks:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    return body | (extra_body or {})


def messages(
    request: Generate, *, voice_hint: str, quirks: Quirks = frozenset()
) -> list[ChatMessage]:
    """Instructions and items, in the order that the API demands."""
    hint = voice_hint if request.modality == "audio" else ""
    texts = (request.instructions, request.memory, hint)
    system = [{"role": "system", "content": mended(text)} for text in texts if text]
    found = _in_turns([*system, *_from_items(request.items)], quirks)
    for message in found:
        _shape(message, quirks)
    return found


# --- From items --------------------------------------------------------------


def _from_items(items: Sequence[Item]) -> Iterator[ChatMessage]:
    """Each item as a message; the outputs of calls follow right after them.

    A call without an output still runs: the model is told so, or it would call again.  Half
    a call, and an output without a call, would be refused and are left out.
    """
    outputs = {i.call_id: i.output for i in items if isinstance(i, FunctionCallOutput)}
    names: dict[str, str] = {}
    waiting: list[FunctionCall] = []
    """Made side by side, and not told yet."""
    told: set[str] = set()
    overtaken: set[str] = set()
    """Something else was said or called before the output came."""
    for item in items:
        if isinstance(item, FunctionCallOutput):
            yield from _calls_with_outputs(waiting, outputs)
            told |= {str(call.call_id) for call in waiting}
            waiting = []
            if item.call_id in overtaken:
                overtaken.remove(item.call_id)
                yield {"role": "user", "content": _CAME.format(name=names[item.call_id])}
            told.discard(item.call_id)
            continue
        overtaken |= told
        told.clear()
        if isinstance(item, FunctionCall):
            if _is_whole(item) and item.call_id not in names:
                names[str(item.call_id)] = item.name
                waiting.append(item)
            continue
        yield from _calls_with_outputs(waiting, outputs)
        overtaken |= {str(call.call_id) for call in waiting}
        waiting = []
        if message := _message(item):
            yield message
    yield from _calls_with_outputs(waiting, outputs)


def _is_whole(call: FunctionCall) -> bool:
    """A limit or an interruption may have cut it."""
    return isinstance(call.call_id, str) and call.status not in ("incomplete", "in_progress")


def _calls_with_outputs(
    calls: list[FunctionCall], outputs: dict[str, str]
) -> Iterator[ChatMessage]:
    if not calls:
        return
    yield {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in calls
        ],
    }
    for call in calls:
        output = outputs.get(str(call.call_id), _PENDING)
        yield {
            "role": "tool",
            "tool_call_id": call.call_id,
            "content": mended(output) or _NO_OUTPUT,
        }


def _arguments(text: str) -> str:
    """Chat templates read the arguments, and fail on what is no object of JSON."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        value = mended(text).strip() or None
    if isinstance(value, dict):
        return text
    return msgspec.json.encode({} if value is None else {"value": value}).decode()


def _message(message: Message) -> ChatMessage | None:
    text = mended(text_of(message))
    images = [_image(part) for part in message.content if isinstance(part, InputImage)]
    if images:
        parts = [{"type": "text", "text": text}] if text else []
        return {"role": message.role, "content": [*parts, *images]}
    if message.role == "user" and not text.strip():
        text = _NOTHING_UNDERSTOOD
    return {"role": message.role, "content": text} if text.strip() else None


def _image(part: InputImage) -> dict[str, Any]:
    image: dict[str, Any] = {"url": part.image_url}
    if isinstance(part.detail, str):
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


# --- Whose turn it is --------------------------------------------------------


def _in_turns(found: Iterable[ChatMessage], quirks: Quirks) -> list[ChatMessage]:
    """One system message in front, then the user first; strictly by turns where that is wanted."""
    turns: list[ChatMessage] = []
    for message in found:
        _add(turns, message, quirks)
    spoken = [message for message in turns if message["role"] != "system"]
    if not spoken:
        turns.append({"role": "user", "content": _BEGIN})
    elif spoken[-1]["role"] == "assistant" and Quirk.STRICT_TURNS in quirks:
        turns.append({"role": "user", "content": _GO_ON})
    if Quirk.NO_SYSTEM in quirks and turns[0]["role"] == "system":
        system = turns.pop(0)
        turns[0] = _joined({"role": "user", "content": system["content"]}, turns[0])
    return turns


def _add(turns: list[ChatMessage], message: ChatMessage, quirks: Quirks) -> None:
    role = message["role"]
    last = turns[-1]["role"] if turns else None
    if role == "system" and last not in (None, "system") and _needs_front_system(quirks):
        message, role = {"role": "user", "content": f"({message['content']})"}, "user"
    if role == "assistant" and not any(m["role"] in ("user", "tool") for m in turns):
        _add(turns, {"role": "user", "content": _BEGIN}, quirks)
        last = "user"
    if role == "user" and last == "tool" and Quirk.STRICT_TURNS in quirks:
        turns.append({"role": "assistant", "content": _UNSAID})
    if role == last and _may_join(turns[-1], message, quirks):
        turns[-1] = _joined(turns[-1], message)
    elif Quirk.ONE_CALL_EACH in quirks and role == "tool" and last != "assistant":
        _give_own_call(turns, message)
    else:
        turns.append(message)


def _may_join(last: ChatMessage, message: ChatMessage, quirks: Quirks) -> bool:
    """Whether two messages of one role are one: an answer's words and its calls always are."""
    if message["role"] == "tool" or "tool_calls" in last:
        return False
    joins = message["role"] == "system" or "tool_calls" in message
    return joins or Quirk.STRICT_TURNS in quirks


def _needs_front_system(quirks: Quirks) -> bool:
    return Quirk.FRONT_SYSTEM in quirks or Quirk.NO_SYSTEM in quirks


def _joined(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    """Two messages of one role as one."""
    one, two = first["content"], second["content"]
    if one is None or two is None:
        content = one if two is None else two
    elif isinstance(one, str) and isinstance(two, str):
        content = f"{one}\n\n{two}"
    else:
        content = [*_parts(one), *_parts(two)]
    return {**second, "role": first["role"], "content": content}


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _give_own_call(turns: list[ChatMessage], output: ChatMessage) -> None:
    """Move the output's call out of the message that makes several, to right before it."""
    makers = [
        m for m in turns if any(c["id"] == output["tool_call_id"] for c in m.get("tool_calls", ()))
    ]
    maker = makers[-1]
    own = [call for call in maker["tool_calls"] if call["id"] == output["tool_call_id"]]
    maker["tool_calls"] = [call for call in maker["tool_calls"] if call not in own]
    turns += [{"role": "assistant", "content": None, "tool_calls": own}, output]


# --- How a server wants it ----------------------------------------------------


def _shape(message: ChatMessage, quirks: Quirks) -> None:
    if Quirk.NO_IMAGES in quirks and isinstance(message["content"], list):
        message["content"] = "\n\n".join(part.get("text", _UNSEEN) for part in message["content"])
    if "tool_calls" in message:
        if Quirk.CALL_WITHOUT_WORDS in quirks:
            message["content"] = None
        if message["content"] is None and Quirk.FILLED_CONTENT in quirks:
            message["content"] = _UNSAID
        elif message["content"] is None and Quirk.TEXT_CONTENT in quirks:
            message["content"] = ""
    if Quirk.SHORT_CALL_IDS in quirks:
        for call in message.get("tool_calls", ()):
            call["id"] = _short(call["id"])
        if "tool_call_id" in message:
            message["tool_call_id"] = _short(message["tool_call_id"])


def _short(call_id: str) -> str:
    """Nine letters and digits that stay the same for the same id, as Mistral's API wants."""
    if len(call_id) == 9 and call_id.isascii() and call_id.isalnum():
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest())
    return "".join(_LETTERS[number // 62**place % 62] for place in range(9))


def _tool(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> Any:
    match choice:
        case FunctionChoice(name=name):
            return {"type": "function", "function": {"name": name}}
        case "none" | "auto" | "required":
            return choice
    return "auto"  # A tool server: chat completions know none.
