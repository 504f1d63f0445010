"""A language model behind OpenAI's ``/chat/completions`` or ``/responses``, as a brain.

One HTTP request a thought, streamed.  Closing the iterator closes the connection, which
is how such servers learn that nobody listens any more.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from antiphon.core.effects import Generate
from antiphon.engines.cascade.http.backoff import Backoff
from antiphon.engines.cascade.http.client import MakeConnector, check_address
from antiphon.engines.cascade.http.refusals import Refusal, Refused, Why
from antiphon.engines.cascade.http.safe_words import safe_words
from antiphon.engines.cascade.llm.apis import APIS, Api
from antiphon.engines.cascade.llm.chat_client import ChatClient, ChatSettings
from antiphon.engines.cascade.llm.chat_stream import ChatStream
from antiphon.engines.cascade.llm.context_window import ContextWindow
from antiphon.engines.cascade.llm.negotiation import LearnedQuirks, Negotiation
from antiphon.engines.cascade.llm.quirks import Quirks
from antiphon.engines.cascade.llm.reply_blocks import Template
from antiphon.engines.cascade.llm.reply_text import ReplyText, tools_on_offer
from antiphon.engines.cascade.parts import Grammar, Thinking
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.protocol.items import FunctionCall
from antiphon.protocol.session import FunctionTool

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]
Random = Callable[[], float]


class OpenAIChatBrain:
    """An OpenAI-compatible language model, shared by all sessions of the process."""

    def __init__(
        self,
        settings: ChatSettings,
        *,
        sleep: Sleep = asyncio.sleep,
        random: Random = random.random,
        make_connector: MakeConnector | None = None,
    ) -> None:
        """Nothing is connected yet.  ``sleep`` and ``random``: for waits between retries;
        ``make_connector``: another way than TCP.

        Raises:
            ConfigurationError: a setting cannot be right.
        """
        check_address("llm", settings.base_url, settings.api_key)
        if not settings.model:
            raise ConfigurationError("llm.model is empty: name the model that llm.base_url serves")
        self._settings = settings
        self._sleep = sleep
        self._random = random
        self._make_connector = make_connector
        self._learned = LearnedQuirks()
        self._client: ChatClient | None = None
        self._template = Template()

    @property
    def name(self) -> str:
        return self._settings.model

    async def start(self) -> None:
        self._client = ChatClient(self._settings, make_connector=self._make_connector)

    def open(self, session_id: str) -> OpenAIChatMind:
        del session_id
        if self._client is None:
            raise EngineUnavailable(self.name, "the language model's client was not started")
        return OpenAIChatMind(
            self._client,
            self._settings,
            self._learned,
            self._template,
            sleep=self._sleep,
            random=self._random,
        )

    async def aclose(self) -> None:
        if self._client:
            await self._client.aclose()
            self._client = None


class OpenAIChatMind:
    """One conversation.  All it remembers is where its context was cut."""

    def __init__(
        self,
        client: ChatClient,
        settings: ChatSettings,
        learned: LearnedQuirks,
        template: Template,
        *,
        sleep: Sleep,
        random: Random,
    ) -> None:
        self._client = client
        self._settings = settings
        self._api: Api = APIS[settings.api]
        self._learned = learned
        self._template = template
        self._sleep = sleep
        self._random = random
        self._window = ContextWindow()

    def expects(self, request: Generate) -> Grammar | None:
        """Anything may be said to a language model."""
        del request
        return None

    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        reply = ReplyText(tools_on_offer(request), template=self._template)
        async with aclosing(self._think(request)) as thoughts:
            async for thought in thoughts:
                for part in reply.take(thought):
                    yield part

    async def _think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        negotiation = Negotiation(
            request,
            learned=self._learned,
            window=self._window,
            write=self._written,
            backoff=Backoff(self._settings.retries, self._random),
        )
        while True:
            stream = self._stream_for(request)
            try:
                async with aclosing(self._client.answer(negotiation.body, stream)) as thoughts:
                    async for thought in thoughts:
                        negotiation.succeeded()
                        yield thought
            except Refused as refused:
                refusal = refused.refusal
            else:
                return
            wait_s = None if stream.began else negotiation.ask_again(refusal)
            if wait_s is None:
                raise self._unavailable(negotiation.verdict(refusal), negotiation.body)
            if wait_s:
                log.info("llm: %s; asked again in %.1f s", refusal.told(self._api.asked), wait_s)
                await self._sleep(wait_s)

    def _written(self, request: Generate, quirks: Quirks) -> bytes:
        settings = self._settings
        return msgspec.json.encode(
            self._api.request(
                request,
                settings.model,
                voice_hint=settings.voice_hint,
                quirks=quirks,
                extra_body=settings.extra_body,
            )
        )

    def _stream_for(self, request: Generate) -> ChatStream:
        calls = [item.call_id for item in request.items if isinstance(item, FunctionCall)]
        return self._api.stream(
            new_call_id=_new_call_id,
            taken=[call_id for call_id in calls if isinstance(call_id, str)],
            tool_names=[tool.name for tool in request.tools if isinstance(tool, FunctionTool)],
        )

    def _unavailable(self, refusal: Refusal, body: bytes) -> EngineUnavailable:
        """Tells the log and the client the same, in words that may be shown."""
        sent = msgspec.json.decode(body)
        private = _texts([sent.get(field) for field in self._api.said])
        told = refusal.told(
            self._api.asked,
            safe_words(refusal.text, secrets=[self._settings.api_key], private=private),
        )
        log.warning("llm: %s", told)
        busy = refusal.why in (Why.RATE_LIMITED, Why.FAILED)
        return EngineUnavailable(
            self._settings.model, told, retry_after_s=refusal.retry_after_s if busy else None
        )


def _texts(messages: Any) -> Iterator[str]:
    """All that messages say."""
    if isinstance(messages, str):
        yield messages
    elif isinstance(messages, list):
        for part in messages:
            yield from _texts(part)
    elif isinstance(messages, dict):
        for key, value in messages.items():
            if key not in ("role", "type", "id", "tool_call_id", "call_id", "name", "image_url"):
                yield from _texts(value)


def _new_call_id() -> str:
    return f"call_{secrets.token_hex(8)}"
