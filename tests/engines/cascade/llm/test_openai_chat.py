from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.openai_chat import ChatSettings, OpenAIChatBrain
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.protocol.items import InputText, Message
from antiphon.protocol.session import FunctionTool
from antiphon.testing.chat_server import (
    ChatAnswer,
    ChatServer,
    call_piece,
    delta_chunk,
    events,
    text_chunks,
)

SECRET, PROMPT = "sk-very-secret", "my private question"
REQUEST = Generate(
    response_id="r", items=(Message(role="user", content=(InputText(PROMPT),)),), modality="text"
)


@contextlib.asynccontextmanager
async def talking(*answers: ChatAnswer, **settings: Any) -> AsyncIterator[tuple[ChatServer, Any]]:
    async with ChatServer(*answers) as server:
        options = {"base_url": server.base_url, "model": "m", "api_key": SECRET, **settings}
        brain = OpenAIChatBrain(ChatSettings(**options))
        await brain.start()
        try:
            yield server, brain.open("sess")
        finally:
            await brain.aclose()


async def thoughts(mind: Any, request: Generate = REQUEST) -> list[Thinking]:
    return [thought async for thought in mind.think(request)]


def said(found: list[Thinking]) -> str:
    return "".join(thought.text for thought in found if isinstance(thought, SayText))


USAGE = {"prompt_tokens": 12, "completion_tokens": 5}


async def test_an_answer_is_streamed_and_counted() -> None:
    answer = ChatAnswer(body=events(text_chunks("It is ", "sunny.", usage=USAGE)))
    async with talking(answer) as (server, mind):
        found = await thoughts(mind)
    assert found == [
        SayText("It is "),
        SayText("sunny."),
        Thought(input_tokens=12, output_tokens=5),
    ]
    assert server.authorizations == [f"Bearer {SECRET}"]
    assert server.requests[0]["stream_options"] == {"include_usage": True}
    assert server.requests[0]["messages"][-1]["content"] == PROMPT


async def test_pieces_are_given_as_they_come() -> None:
    body = events(text_chunks("First, ", finish_reason=None), done=False)
    async with talking(ChatAnswer(body=body, waits=True)) as (_, mind):
        thinking = mind.think(REQUEST)
        assert await anext(thinking) == SayText("First, ")
        await thinking.aclose()


async def test_thoughts_in_the_text_are_not_said_and_a_call_in_it_is_made() -> None:
    call = '<tool_call>{"name": "look", "arguments": {"at": "moon"}}</tool_call>'
    body = events(text_chunks("<thi", "nk>Hm.</think>\n\nI look.", call))
    request = msgspec.structs.replace(REQUEST, tools=(FunctionTool(name="look"),))
    async with talking(ChatAnswer(body=body)) as (_, mind):
        text, made, thought = await thoughts(mind, request)
    assert text == SayText("I look.")
    assert isinstance(made, CallTool)
    assert (made.name, made.arguments) == ("look", '{"at": "moon"}')
    assert isinstance(thought, Thought)


async def test_all_conversations_learn_that_the_template_opens_a_thought() -> None:
    answer = ChatAnswer(body=events(text_chunks("Hm.\n</think>\n\nSunny.")))
    async with ChatServer(answer, answer) as server:
        brain = OpenAIChatBrain(ChatSettings(base_url=server.base_url, model="m"))
        await brain.start()
        assert said(await thoughts(brain.open("one"))) == "Hm.\n\n\nSunny."
        assert said(await thoughts(brain.open("two"))) == "Sunny."
        await brain.aclose()


async def test_an_answer_cut_within_a_character_is_whole() -> None:
    body = events(text_chunks("Grüße", " aus Zürich"))
    body = body.replace(b"\\u00fc", "ü".encode()).replace(b"\\u00df", "ß".encode())
    for cut in range(0, len(body), 37):
        async with talking(ChatAnswer(body=body, cuts=(cut, cut + 1))) as (_, mind):
            assert said(await thoughts(mind)) == "Grüße aus Zürich"


async def test_functions_are_called() -> None:
    chunks = [
        delta_chunk({"tool_calls": [call_piece(0, call_id="call_a", name="f")]}),
        delta_chunk({"tool_calls": [call_piece(0, '{"a":')]}),
        delta_chunk({"tool_calls": [call_piece(0, "1}")]}),
        delta_chunk({}, "tool_calls"),
    ]
    async with talking(ChatAnswer(body=events(chunks))) as (_, mind):
        found = [t for t in await thoughts(mind) if isinstance(t, CallTool)]
    assert "".join(call.arguments for call in found) == '{"a":1}'
    assert {call.call_id for call in found} == {"call_a"}


async def test_closing_the_iterator_closes_the_connection_at_once() -> None:
    body = events(text_chunks("On and on", finish_reason=None), done=False)
    async with talking(ChatAnswer(body=body, waits=True)) as (server, mind):
        thinking = mind.think(REQUEST)
        await anext(thinking)
        assert server.left == 0
        await thinking.aclose()
        async with asyncio.timeout(5):
            await server.gone.wait()
        assert server.left == 1


async def test_cancelling_before_the_first_piece_closes_the_connection_too() -> None:
    async with talking(ChatAnswer(silent=True)) as (server, mind):
        task = asyncio.create_task(thoughts(mind))
        async with asyncio.timeout(5):
            await server.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.gone.wait()


async def test_a_connection_is_kept_for_the_next_answer() -> None:
    async with talking(ChatAnswer(body=events(text_chunks("x")))) as (server, mind):
        for _ in range(3):
            await thoughts(mind)
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("stream_options", "unknown field: stream_options"),
        ("max_tokens", "Unsupported parameter: 'max_tokens'"),
    ],
)
async def test_a_field_that_the_server_does_not_take_is_left_out_from_then_on(
    field: str, words: str
) -> None:
    refusal = ChatAnswer(status=400, body=words.encode(), content_type="application/json")
    answer = ChatAnswer(body=events(text_chunks("Fine.")))
    request = Generate(response_id="r", items=REQUEST.items, max_output_tokens=50)
    async with talking(refusal, answer) as (server, mind):
        assert said(await thoughts(mind, request)) == "Fine."
        assert said(await thoughts(mind, request)) == "Fine."
    assert [field in body for body in server.requests] == [True, False, False]
    assert server.requests[1].get("max_completion_tokens") == (
        50 if field == "max_tokens" else None
    )


async def test_a_server_that_does_not_stream_is_understood() -> None:
    whole = b'{"choices":[{"message":{"content":"At once."},"finish_reason":"stop"}]}'
    answer = ChatAnswer(body=whole, cuts=(20,), content_type="application/json")
    async with talking(answer) as (_, mind):
        assert await thoughts(mind) == [SayText("At once."), Thought()]


async def test_an_answer_that_never_says_done_is_whole_after_its_reason() -> None:
    body = events(text_chunks("Whole."), done=False)
    async with talking(ChatAnswer(body=body, waits=True), idle_timeout_s=0.05) as (_, mind):
        assert await thoughts(mind) == [SayText("Whole."), Thought()]


PART = events(text_chunks("Begun", finish_reason=None), done=False)
FAILURES = {
    "no key": (ChatAnswer(status=401, body=SECRET.encode()), "refused our key (HTTP 401)"),
    "no model": (ChatAnswer(status=404), "check llm.model and llm.base_url"),
    "busy": (ChatAnswer(status=429, headers={"Retry-After": "7"}), "busy (HTTP 429)"),
    "broken": (ChatAnswer(status=503), "failed (HTTP 503)"),
    "too long": (
        ChatAnswer(status=400, body=b'{"error":{"code":"context_length_exceeded"}}'),
        "too long for the model",
    ),
    "bad request": (ChatAnswer(status=400, body=PROMPT.encode()), "refused the request"),
    "redirect": (ChatAnswer(status=307, headers={"Location": "http://x/"}), "sent us elsewhere"),
    "no json": (ChatAnswer(body=b"data: <html>\n\n"), "no chat-completions stream"),
    "html": (ChatAnswer(body=b"<html></html>", content_type="text/html"), "broke the answer off"),
    "error inside": (
        ChatAnswer(body=PART + events([{"error": {"message": PROMPT}}])),
        "reported an error",
    ),
    "broken off": (ChatAnswer(body=PART), "broke the answer off"),
    "endless": (ChatAnswer(body=b"data: " + b"x" * (2 << 20)), "more than 1 MiB"),
    "silent": (ChatAnswer(silent=True), "did not begin to answer in time"),
    "no first token": (ChatAnswer(waits=True), "did not answer in time"),
    "stopped": (ChatAnswer(body=PART, waits=True), "stopped in the middle"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_failures_are_told_without_the_key_or_the_prompt(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer, words = FAILURES[kind]
    limits = {"first_token_timeout_s": 0.2, "idle_timeout_s": 0.1}
    async with talking(answer, **limits) as (_, mind):
        with pytest.raises(EngineUnavailable) as caught:
            await thoughts(mind)
    assert words in str(caught.value)
    for told in (str(caught.value), caplog.text):
        assert SECRET not in told
        assert PROMPT not in told
    assert caught.value.retry_after_s == (7 if kind == "busy" else None)


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    brain = OpenAIChatBrain(ChatSettings(base_url=f"http://127.0.0.1:{port}/v1", model="m"))
    await brain.start()
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        await thoughts(brain.open("s"))
    await brain.aclose()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"base_url": "localhost:8000"}, "must begin with http"),
        ({"model": ""}, "llm.model is empty"),
        ({"api_key": "a\nb"}, "no HTTP header may carry"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(changed: dict[str, str], why: str) -> None:
    settings: dict[str, Any] = {
        "base_url": "http://x/v1",
        "model": "m",
        "api_key": SECRET,
        **changed,
    }
    with pytest.raises(ConfigurationError, match=why):
        OpenAIChatBrain(ChatSettings(**settings))
    assert SECRET not in repr(ChatSettings(**settings))
