"""The APIs that a language model may be behind: where to ask, how, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from antiphon.engines.cascade.http.refusals import Asked
from antiphon.engines.cascade.llm.chat_messages import chat_request
from antiphon.engines.cascade.llm.chat_stream import ChatStream
from antiphon.engines.cascade.llm.responses_request import responses_request
from antiphon.engines.cascade.llm.responses_stream import ResponsesStream

ApiName = Literal["chat", "responses"]


class Api(NamedTuple):
    path: str
    """After the address."""
    request: Callable[..., dict[str, Any]]
    """As `chat_request`."""
    stream: type[ChatStream]
    asked: Asked
    said: tuple[str, ...]
    """The fields of a request that hold the conversation."""


def _asked(form: str) -> Asked:
    return Asked(
        "the language model's server",
        "llm",
        first="first_token_timeout_s",
        idle="idle_timeout_s",
        form=form,
    )


APIS: Mapping[ApiName, Api] = {
    "chat": Api(
        "/chat/completions",
        chat_request,
        ChatStream,
        _asked("chat-completions stream"),
        ("messages",),
    ),
    "responses": Api(
        "/responses",
        responses_request,
        ResponsesStream,
        _asked("stream of the Responses API"),
        ("instructions", "input"),
    ),
}
