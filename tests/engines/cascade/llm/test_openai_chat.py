from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from antiphon.core.effects import Generate
from antiphon.engines.cascade.http.client import proxy_of
from antiphon.engines.cascade.llm.chat_client import ChatSettings
from antiphon.engines.cascade.llm.openai_chat import OpenAIChatBrain
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.protocol.items import InputText, Message, OutputText
from antiphon.protocol.session import FunctionTool
from antiphon.testing.openai_server import (
    Answer,
    OpenAIServer,
    call_piece,
    delta_chunk,
    events,
    text_chunks,
)

SECRET, PROMPT = "sk-very-secret", "my private question"
REQUEST = Generate(
    response_id="r", items=(Message(role="user", content=(InputText(PROMPT),)),), modality="text"
)


class WaitingServer(OpenAIServer):
    """Keeps how long its client waits between requests; the client does not really."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*answers)
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@contextlib.asynccontextmanager
async def talking(*answers: Answer, **settings: Any) -> AsyncIterator[tuple[WaitingServer, Any]]:
    async with WaitingServer(*answers) as server:
        options = {"base_url": server.base_url, "model": "m", "api_key": SECRET, **settings}
        brain = OpenAIChatBrain(ChatSettings(**options), sleep=server.sleep, random=lambda: 1.0)
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
    answer = Answer(body=events(text_chunks("It is ", "sunny.", usage=USAGE)))
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
    async with talking(Answer(body=body, waits=True)) as (_, mind):
        thinking = mind.think(REQUEST)
        assert await anext(thinking) == SayText("First, ")
        await thinking.aclose()


async def test_thoughts_in_the_text_are_not_said_and_a_call_in_it_is_made() -> None:
    call = '<tool_call>{"name": "look", "arguments": {"at": "moon"}}</tool_call>'
    body = events(text_chunks("<thi", "nk>Hm.</think>\n\nI look.", call))
    request = msgspec.structs.replace(REQUEST, tools=(FunctionTool(name="look"),))
    async with talking(Answer(body=body)) as (_, mind):
        text, made, thought = await thoughts(mind, request)
    assert text == SayText("I look.")
    assert isinstance(made, CallTool)
    assert (made.name, made.arguments) == ("look", '{"at": "moon"}')
    assert isinstance(thought, Thought)


async def test_all_conversations_learn_that_the_template_opens_a_thought() -> None:
    answer = Answer(body=events(text_chunks("Hm.\n</think>\n\nSunny.")))
    async with OpenAIServer(answer, answer) as server:
        brain = OpenAIChatBrain(ChatSettings(base_url=server.base_url, model="m"))
        await brain.start()
        assert said(await thoughts(brain.open("one"))) == "Hm.\n\n\nSunny."
        assert said(await thoughts(brain.open("two"))) == "Sunny."
        await brain.aclose()


async def test_an_answer_cut_within_a_character_is_whole() -> None:
    body = events(text_chunks("Grüße", " aus Zürich"))
    body = body.replace(b"\\u00fc", "ü".encode()).replace(b"\\u00df", "ß".encode())
    for cut in range(0, len(body), 37):
        async with talking(Answer(body=body, cuts=(cut, cut + 1))) as (_, mind):
            assert said(await thoughts(mind)) == "Grüße aus Zürich"


async def test_functions_are_called() -> None:
    chunks = [
        delta_chunk({"tool_calls": [call_piece(0, call_id="call_a", name="f")]}),
        delta_chunk({"tool_calls": [call_piece(0, '{"a":')]}),
        delta_chunk({"tool_calls": [call_piece(0, "1}")]}),
        delta_chunk({}, "tool_calls"),
    ]
    async with talking(Answer(body=events(chunks))) as (_, mind):
        found = [t for t in await thoughts(mind) if isinstance(t, CallTool)]
    assert "".join(call.arguments for call in found) == '{"a":1}'
    assert {call.call_id for call in found} == {"call_a"}


async def test_closing_the_iterator_closes_the_connection_at_once() -> None:
    body = events(text_chunks("On and on", finish_reason=None), done=False)
    async with talking(Answer(body=body, waits=True)) as (server, mind):
        thinking = mind.think(REQUEST)
        await anext(thinking)
        assert server.left == 0
        await thinking.aclose()
        async with asyncio.timeout(60):
            await server.gone.wait()
        assert server.left == 1


async def test_cancelling_before_the_first_piece_closes_the_connection_too() -> None:
    async with talking(Answer(silent=True)) as (server, mind):
        task = asyncio.create_task(thoughts(mind))
        async with asyncio.timeout(60):
            await server.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.gone.wait()


async def test_a_connection_is_kept_for_the_next_answer() -> None:
    async with talking(Answer(body=events(text_chunks("x")))) as (server, mind):
        for _ in range(3):
            await thoughts(mind)
        assert len(server.connections) == 1


async def test_a_server_that_does_not_stream_is_understood() -> None:
    whole = b'{"choices":[{"message":{"content":"At once."},"finish_reason":"stop"}]}'
    answer = Answer(body=whole, cuts=(20,), content_type="application/json")
    async with talking(answer) as (_, mind):
        assert await thoughts(mind) == [SayText("At once."), Thought()]


async def test_an_answer_that_never_says_done_is_whole_after_its_reason() -> None:
    body = events(text_chunks("Whole."), done=False)
    async with talking(Answer(body=body, waits=True), idle_timeout_s=0.05) as (_, mind):
        assert await thoughts(mind) == [SayText("Whole."), Thought()]


PART = events(text_chunks("Begun", finish_reason=None), done=False)
PAGE = Answer(body=b"<!doctype html><p>Open WebUI</p>", content_type="text/html")
PATIENCE_S = 60
FAILURES = {
    "no key": (Answer(status=401, body=SECRET.encode()), "refused our key"),
    "no address": (Answer(status=404), "check llm.base_url"),
    "busy": (Answer(status=429, headers={"Retry-After": "7"}), "is busy"),
    "broken": (Answer(status=503), "failed (HTTP 503)"),
    "bad request": (Answer(status=400, body=PROMPT.encode()), "refused the request"),
    "redirect": (Answer(status=307, headers={"Location": "http://x/"}), "sent us elsewhere"),
    "no json": (Answer(body=b"data: <html>\n\n"), "no chat-completions stream"),
    "html": (PAGE, "is not an API at this address; check llm.base_url"),
    "text": (Answer(body=b"It works!"), "is not an API at this address"),
    "error inside": (
        Answer(body=PART + events([{"error": {"message": f"bad: {PROMPT}"}}])),
        "failed: bad: …",
    ),
    "error as json": (
        Answer(body=b'{"error": "overloaded"}', content_type="application/json"),
        "failed: overloaded",
    ),
    "broken off": (Answer(body=PART), "broke the answer off"),
    "cut": (Answer(body=PART, drops=True), "broke the answer off"),
    "empty": (Answer(), "broke the answer off"),
    "endless": (Answer(body=b"data: " + b"x" * (2 << 20)), "more than 1 MiB"),
    "silent": (Answer(silent=True), "did not answer in time"),
    "no first token": (Answer(waits=True), "did not answer in time"),
    "stopped": (Answer(body=PART, waits=True), "stopped in the middle"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_failures_are_told_without_the_key_or_the_prompt(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer, words = FAILURES[kind]
    limits = {
        "first_token_timeout_s": 0.2 if kind in ("silent", "no first token") else PATIENCE_S,
        "idle_timeout_s": 0.1 if kind == "stopped" else PATIENCE_S,
    }
    async with talking(answer, **limits) as (_, mind):
        with pytest.raises(EngineUnavailable) as caught:
            await thoughts(mind)
    assert words in str(caught.value)
    for told in (str(caught.value), caplog.text):
        assert SECRET not in told
        assert PROMPT not in told
    assert words in caplog.text
    assert caught.value.retry_after_s == (7 if kind == "busy" else None)


# --- Asking again --------------------------------------------------------------

FINE = Answer(body=events(text_chunks("Fine.")))
BUSY = Answer(status=429)


@pytest.mark.parametrize(
    ("first", "waits"),
    [
        ([BUSY], [0.3]),
        ([Answer(status=503), Answer(status=500)], [0.3, 0.9]),
        ([Answer(status=429, headers={"Retry-After": "2"})], [2.0]),
        ([Answer(body=events([{"error": {"code": 502, "message": "x"}}]))], [0.3]),
        ([Answer()], [0.3]),
        ([Answer(drops=True)], []),  # A kept connection that was closed: at once.
        ([Answer(drops=True), Answer(drops=True)], [0.3]),
    ],
)
async def test_what_failed_for_the_moment_is_asked_again_after_a_while(
    first: list[Answer], waits: list[float]
) -> None:
    async with talking(*first, FINE) as (server, mind):
        assert said(await thoughts(mind)) == "Fine."
    assert server.waits == pytest.approx(waits)
    assert all(body == server.requests[0] for body in server.requests)


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (BUSY, 3),
        (Answer(status=429, headers={"Retry-After": "60"}), 1),
        (Answer(status=429, body=b'{"error":{"code":"insufficient_quota"}}'), 1),
        (Answer(status=401), 1),
        (Answer(body=PART), 1),
    ],
)
async def test_there_is_an_end_to_it_and_nothing_is_said_twice(
    answer: Answer, requests: int
) -> None:
    async with talking(answer) as (server, mind):
        with pytest.raises(EngineUnavailable):
            await thoughts(mind)
    assert len(server.requests) == requests


async def test_nothing_is_asked_again_where_the_operator_does_not_want_it() -> None:
    async with talking(BUSY, FINE, retries=0) as (server, mind):
        with pytest.raises(EngineUnavailable):
            await thoughts(mind)
    assert len(server.requests) == 1


async def test_a_good_answer_waits_for_nothing() -> None:
    async with talking(FINE) as (server, mind):
        await thoughts(mind)
    assert (server.waits, len(server.requests)) == ([], 1)


# --- What servers refuse --------------------------------------------------------

LIMITED = Generate(response_id="r", items=REQUEST.items, max_output_tokens=50)


def refusing(message: str, status: int = 400, **error: Any) -> Answer:
    body = json.dumps({"error": {"message": message, **error}}).encode()
    return Answer(status=status, body=body, content_type="application/json")


async def test_a_quirk_is_learned_once_for_this_server_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = refusing("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    async with talking(refusal, FINE) as (server, mind):
        for _ in range(3):
            assert said(await thoughts(mind, LIMITED)) == "Fine."
    names = [next(key for key in body if key.startswith("max")) for body in server.requests]
    assert names == ["max_tokens", *["max_completion_tokens"] * 3]
    assert caplog.text.count("takes max_completion_tokens in place of max_tokens") == 1
    async with talking(FINE) as (other, mind):
        await thoughts(mind, LIMITED)
    assert other.requests[0]["max_tokens"] == 50


async def test_a_value_that_is_too_large_says_nothing_about_the_field() -> None:
    refusal = refusing("max_tokens is too large: 50. This model supports at most 40.")
    async with talking(refusal, FINE) as (server, mind):
        await thoughts(mind, LIMITED)
        await thoughts(mind, LIMITED)
    assert [body.get("max_tokens") for body in server.requests] == [50, None, 50]


async def test_a_refusal_that_says_nothing_clear_is_tried_in_the_strictest_writing_once() -> None:
    items = (
        Message(role="user", content=(InputText("a"),)),
        Message(role="system", content=(InputText("b"),)),
    )
    request = Generate(response_id="r", items=items, modality="text")
    async with talking(refusing("Ungültige Anfrage."), FINE) as (server, mind):
        assert said(await thoughts(mind, request)) == "Fine."
    assert [[m["role"] for m in body["messages"]] for body in server.requests] == [
        ["user", "system"],
        ["user"],
    ]
    async with talking(refusing("Ungültige Anfrage.")) as (server, mind):
        with pytest.raises(EngineUnavailable, match="Ungültige Anfrage"):
            await thoughts(mind, request)
    assert len(server.requests) == 2


def talk(turns: int) -> tuple[Message, ...]:
    return tuple(
        Message(
            id=f"i{n}",
            role="assistant" if n % 2 else "user",
            content=(OutputText(f"{n}") if n % 2 else InputText(f"{n}"),),
        )
        for n in range(turns)
    )


FULL = refusing(
    "'max_tokens' or 'max_completion_tokens' is too large: 50. This model's maximum context "
    "length is 4096 tokens and your request has 5000 input tokens."
)


async def test_a_full_context_loses_its_oldest_half_and_keeps_its_beginning_from_then_on() -> None:
    async with talking(FULL, FINE) as (server, mind):
        for turns in (9, 11, 13):
            await thoughts(mind, Generate(response_id="r", items=talk(turns), modality="text"))
    sent = [[m["content"] for m in body["messages"]] for body in server.requests]
    assert sent[0][0] == "0"
    assert [words[0] for words in sent[1:]] == [
        "(The conversation has just begun. Speak first.)"
    ] * 3
    assert [(words[1], words[-1]) for words in sent[1:]] == [("5", "8"), ("5", "10"), ("5", "12")]


async def test_where_nothing_may_be_left_out_a_full_context_is_said() -> None:
    request = Generate(response_id="r", items=talk(9), may_truncate=False)
    async with talking(FULL) as (server, mind):
        with pytest.raises(EngineUnavailable, match="too long for the model's context") as full:
            await thoughts(mind, request)
    assert len(server.requests) == 1
    assert full.value.code == "context_length_exceeded"


async def test_a_context_that_stays_full_is_said_in_the_end() -> None:
    async with talking(FULL) as (server, mind):
        with pytest.raises(EngineUnavailable, match="maximum context length is 4096 tokens"):
            await thoughts(mind, Generate(response_id="r", items=talk(40)))
    assert len(server.requests) == 4


async def test_tools_that_are_refused_are_said_to_be() -> None:
    async with talking(refusing("gemma:2b does not support tools")) as (server, mind):
        with pytest.raises(EngineUnavailable, match=r"does not take function calls.*gemma:2b"):
            await thoughts(mind)
    assert len(server.requests) == 1


# --- Time ---------------------------------------------------------------------

HM = events([delta_chunk({"reasoning_content": "hm "})], done=False)


@pytest.mark.parametrize("sign", [HM, b": keep-alive\n\n"])
async def test_a_stream_that_is_alive_is_not_called_dead(sign: bytes) -> None:
    signs = 30
    body = sign * signs + events(text_chunks("Now."))
    cuts = tuple(len(sign) * n for n in range(1, signs + 1))
    answer = Answer(body=body, cuts=cuts, pause_s=0.05)
    limits = {"first_token_timeout_s": 1.0, "idle_timeout_s": 1.0}
    async with talking(answer, **limits) as (_, mind):
        assert said(await thoughts(mind)) == "Now."


async def test_a_pause_after_an_empty_reason_is_no_end() -> None:
    body = events([delta_chunk({"content": "One "}, "stop")], done=False)
    rest = events([delta_chunk({"content": "two."}, "stop")])
    answer = Answer(body=body + rest, cuts=(len(body),), pause_s=0.1)
    async with talking(answer) as (_, mind):
        assert said(await thoughts(mind)) == "One two."


# --- Where the server is --------------------------------------------------------


async def test_the_proxy_of_the_environment_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    async with OpenAIServer(FINE) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "other.example")
        brain = OpenAIChatBrain(ChatSettings(base_url="http://llm.example/v1", model="m"))
        await brain.start()
        assert said(await thoughts(brain.open("s"))) == "Fine."
        await brain.aclose()
    assert proxy.hosts == ["llm.example"]
    assert proxy_of("http://other.example/v1") is None
    assert proxy_of("http://127.0.0.1:8000/v1") is None
    assert proxy_of("http://localhost:8000/v1") is None
    assert proxy_of("https://llm.example/v1") is None
    monkeypatch.setenv("ALL_PROXY", "socks5://10.0.0.1:1080")
    assert proxy_of("https://llm.example/v1") is None


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = ChatSettings(base_url=f"http://127.0.0.1:{port}/v1", model="m", retries=0)
    brain = OpenAIChatBrain(settings)
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
