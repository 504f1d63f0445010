"""The official SDKs against a mock, with nothing changed but the URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from agents import function_tool
from agents.realtime import RealtimeAgent
from openai import APIStatusError, AsyncOpenAI
from openai.types.realtime import RealtimeSessionCreateRequestParam
from websockets.exceptions import InvalidStatus

from antiphon.mock import Mock, MockCall, MockReply, MockScript, mocking
from tests.clients.judged import judged
from tests.clients.test_openai_agents import running

SCRIPT = MockScript(
    replies=(
        MockReply(when="book", calls=(MockCall(name="book_room"),)),
        MockReply(when="mill", says="The old mill is yours."),
        MockReply(says="Good morning."),
    )
)


@asynccontextmanager
async def on_a_port(*faults: str) -> AsyncIterator[Mock]:
    async with mocking(SCRIPT, faults=faults, in_memory=False) as mock:
        yield mock


async def test_the_python_sdk_is_answered() -> None:
    async with on_a_port() as mock, judged(mock) as session:
        reply = await session.ask("Hello.")
        assert reply.transcript == "Good morning."
        assert len(reply.pcm) == 48 * 60 * len("Good morning.")


async def test_the_python_sdk_sees_a_response_fail_and_the_next_one_go_well() -> None:
    async with on_a_port("rate_limited") as mock, judged(mock) as session:
        failed = (await session.ask("Hello.")).response
        assert failed.status == "failed"
        assert failed.status_details.error.code == "rate_limit_exceeded"
        assert (await session.ask("Hello.")).response.status == "completed"


async def test_the_python_sdk_sees_the_hour_end() -> None:
    async with on_a_port("session_expires") as mock, judged(mock) as session:
        error = (await session.until("error")).error
        assert error.code == "session_expired"


async def test_the_python_sdk_is_refused_at_connect() -> None:
    async with on_a_port("rate_limited_at_connect") as mock:
        with pytest.raises(InvalidStatus, match="429"):
            async with judged(mock):
                raise AssertionError("it was let in")


async def test_secrets_and_sidebands() -> None:
    async with on_a_port("secret_not_minted") as mock:
        settings: RealtimeSessionCreateRequestParam = {"type": "realtime", "model": "any"}
        async with AsyncOpenAI(api_key="any", base_url=f"{mock.url}/v1", max_retries=0) as client:
            with pytest.raises(APIStatusError, match="had an error"):
                await client.realtime.client_secrets.create(session=settings)
            minted = await client.realtime.client_secrets.create(session=settings)
        page = AsyncOpenAI(api_key=minted.value, websocket_base_url=f"{mock.websocket_url}/v1")
        async with page, page.realtime.connect(model="any") as connection:
            created = await connection.recv()
            assert created.type == "session.created"
            session_id = str(created.to_dict()["session"]["id"])  # type: ignore[index]
            async with judged(mock, call_id=session_id) as sideband:
                assert (await sideband.ask("Hello.")).transcript == "Good morning."


async def test_the_agents_sdk_runs_a_tool() -> None:
    @function_tool
    def book_room() -> str:
        """Book a meeting room."""
        return "The old mill."

    agent = RealtimeAgent(name="desk", tools=[book_room])
    async with on_a_port("rate_limits_low") as mock, running(mock, agent) as watched:
        await watched.session.send_message("Book a room.")
        ended = await watched.until("tool_end")
        assert (ended.tool.name, ended.output) == ("book_room", "The old mill.")
        await watched.answered("The old mill is yours.")
