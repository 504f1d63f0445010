"""An upstream is lost: it is dialled again and told all; who waits is answered, or told why not."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import aiohttp
import pytest
from aiohttp import web
from aiohttp.connector import BaseConnector

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.upstreams import Upstream
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import (
    Fail,
    Hearing,
    Hold,
    Reply,
    Script,
    ScriptedEngine,
    Speak,
    Wait,
    Write,
)
from antiphon.server.serve import running
from antiphon.testing import run_in_virtual_time
from antiphon.testing.memory_network import MemoryConnector
from antiphon.testing.served import Served, serving
from tests.engines.relay.caller import Attentive, calling, words
from tests.engines.relay.upstream import STEADY, relay_to, upstream

TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}


def hang_up(served: Served, code: int = 1011) -> None:
    for session in list(served.hub.sessions):
        session.close(code, "gone")


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
def test_between_answers_nobody_notices(finding: TurnFinding) -> None:
    script = Script(replies=((Speak(ms=500, text="I see."),),), hears=(Hearing(text="aloud"),))

    async def main() -> None:
        engine = Attentive(script)
        async with (
            upstream(engine=engine) as served,
            calling(relay_to(served, RelayRules(turn_detection=finding))) as caller,
        ):
            caller.send("session.update", session=TRANSCRIBED)
            await caller.speaks(400)
            await caller.is_quiet(700)
            await caller.until("response.done")
            hang_up(served)
            await asyncio.sleep(1)
            caller.types_text("again")
            await caller.until("response.done")
            assert words(engine.saw[-1]) == ["user: aloud", "assistant: I see.", "user: again"]
            assert not caller.of_type("error")
            assert engine.opened == 2

    run_in_virtual_time(main())


def test_an_answer_that_had_not_begun_is_asked_for_once_more() -> None:
    script = Script(replies=((Wait(ms=2000), Write(text="Late.")),))

    async def main() -> None:
        engine = Attentive(script)
        async with upstream(engine=engine) as served, calling(relay_to(served)) as caller:
            caller.types_text("Well?")
            await asyncio.sleep(1)
            hang_up(served)
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            assert [words(items) for items in engine.saw] == [["user: Well?"]] * 2
            assert not caller.of_type("error")

    run_in_virtual_time(main())


FAILS = (Wait(ms=300), Fail(message="The server had an error."))


def test_an_answer_that_a_servers_error_struck_first_is_asked_for_once_more_there() -> None:
    async def main() -> None:
        engine = Attentive(Script(replies=(FAILS, (Write(text="Now."),))))
        other = ScriptedEngine(Script(replies=((Write(text="Instead."),),)), name="other")
        async with upstream(engine=engine) as served, calling(relay_to(served), other) as caller:
            caller.types_text("Well?")
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            assert done["response"]["output"][0]["content"][0]["text"] == "Now."
            assert [words(items) for items in engine.saw] == [["user: Well?"]] * 2
            assert caller.session.about.engine_name == "relay"
            assert len(caller.of_type("response.created")) == 1
            assert not caller.of_type("error")

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("replies", "times"),
    [
        ((FAILS,), 2),
        (((Fail(message="Wait.", code="rate_limit_exceeded"),),), 1),
        (((Write(text="It "), Fail(message="The server had an error.")),), 1),
    ],
    ids=["it fails again", "it is out of service", "it had begun"],
)
def test_who_else_fails_there_is_answered_by_the_next_engine(
    replies: tuple[Reply, ...], times: int
) -> None:
    async def main() -> None:
        engine = Attentive(Script(replies=replies))
        other = ScriptedEngine(Script(replies=((Write(text="Instead."),),)), name="other")
        async with upstream(engine=engine) as served, calling(relay_to(served), other) as caller:
            caller.types_text("Well?")
            done = await caller.until("response.done")
            while done["response"]["status"] != "completed":
                done = await caller.until("response.done")
            assert done["response"]["output"][0]["content"][0]["text"] == "Instead."
            assert caller.session.about.engine_name == "other"
            assert len(engine.saw) == times

    run_in_virtual_time(main())


def test_but_not_a_third_time() -> None:
    script = Script(replies=((Hold(),),))

    async def main() -> None:
        engine = Attentive(script)
        async with upstream(engine=engine) as served, calling(relay_to(served)) as caller:
            caller.types_text("Well?")
            for _ in range(2):
                await asyncio.sleep(1)
                hang_up(served)
            done = await caller.until("response.done")
            assert done["response"]["status"] == "failed"
            assert done["response"]["status_details"]["error"]["code"] == "upstream_lost"
            assert len(engine.saw) == 2

    run_in_virtual_time(main())


def test_half_an_answer_fails_and_what_was_said_of_it_is_told_to_the_next_upstream() -> None:
    script = Script(replies=((Speak(ms=1000, text="One two"), Hold()),))

    async def main() -> None:
        engine = Attentive(script)
        async with upstream(engine=engine) as served, calling(relay_to(served)) as caller:
            caller.types_text("Count.")
            await asyncio.sleep(1)
            hang_up(served)
            done = await caller.until("response.done")
            assert done["response"]["status"] == "failed"
            assert done["response"]["status_details"]["error"]["code"] == "upstream_lost"
            caller.types_text("Go on.")
            await asyncio.sleep(1)
            assert words(engine.saw[-1]) == ["user: Count.", "assistant: One two", "user: Go on."]

    run_in_virtual_time(main())


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
def test_a_turn_that_is_being_spoken_is_heard_by_the_next_one(finding: TurnFinding) -> None:
    script = Script(replies=((Write(text="Yes."),),), hears=(Hearing(text="aloud"),))

    async def main() -> None:
        engine = Attentive(script)
        async with (
            upstream(engine=engine) as served,
            calling(relay_to(served, RelayRules(turn_detection=finding))) as caller,
        ):
            caller.send("session.update", session=TRANSCRIBED)
            await caller.speaks(600)
            hang_up(served)
            if finding == "ours":
                await caller.speaks(400)
            await caller.is_quiet(900)
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            assert words(engine.saw[-1]) == ["user: aloud"]
            [known] = caller.of_type("conversation.item.input_audio_transcription.completed")
            assert known["transcript"] == "aloud"

    run_in_virtual_time(main())


def test_a_wrong_key_is_told_to_who_asks_and_whose_fault_it_is() -> None:
    async def main() -> None:
        async with serving(Attentive(), keys=["right"]) as served:
            relay = RelayEngine(
                Upstream(url="ws://localhost/v1/realtime", key="wrong"),
                world=STEADY,
                make_connector=served.make_connector,
            )
            async with calling(relay) as caller:
                for _ in range(2):
                    caller.types_text("Hello?")
                    done = await caller.until("response.done")
                    error = done["response"]["status_details"]["error"]
                    assert error["code"] == "upstream_refused"
                    assert "operator must give it a valid key" in error["message"]
                    assert "wrong" not in error["message"]
                assert caller.closed is None

    run_in_virtual_time(main())


class Nobody(BaseConnector):
    async def _create_connection(self, *_: object) -> NoReturn:
        raise aiohttp.ClientConnectionError("nobody listens")


def test_an_upstream_that_stays_away_ends_the_session_after_a_bounded_time() -> None:
    async def main() -> None:
        relay = RelayEngine(
            Upstream(url="ws://localhost/v1/realtime"),
            world=STEADY,
            rules=RelayRules(redial_attempts=3),
            make_connector=Nobody,
        )
        async with calling(relay) as caller:
            caller.types_text("Hello?")
            done = await caller.until("response.done", within_s=30)
            assert done["response"]["status"] == "failed"
            assert "The upstream server cannot be used" in str(done)
            await asyncio.sleep(30)
            assert caller.closed is not None

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("status", "headers", "code", "says"),
    [
        (429, {"Retry-After": "60"}, "upstream_unavailable", "try again in 60 s"),
        (404, {}, "upstream_refused", "must correct the upstream's address"),
        (400, {}, "upstream_refused", "HTTP 400"),
        (500, {}, None, "HTTP 500"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(
    status: int, headers: dict[str, str], code: str | None, says: str
) -> None:
    dialled = 0

    async def refuse(_: web.Request) -> web.Response:
        nonlocal dialled
        dialled += 1
        return web.Response(status=status, headers=headers)

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/v1/realtime", refuse)
        async with running(app, shutdown_timeout_s=0.1) as runner:
            server = runner.server
            assert server is not None
            relay = RelayEngine(
                Upstream(url="ws://localhost/v1/realtime"),
                world=STEADY,
                make_connector=lambda: MemoryConnector(server),
            )
            async with calling(relay) as caller:
                caller.types_text("Hello?")
                done = await caller.until("response.done", within_s=30)
                error = done["response"]["status_details"]["error"]
                assert error.get("code") in (code, "upstream_unavailable")
                assert says in error["message"]
        assert dialled == 1 if code else dialled > 1

    run_in_virtual_time(main())


def test_who_asks_is_not_kept_waiting_while_it_is_dialled_again() -> None:
    async def main() -> None:
        relay = RelayEngine(
            Upstream(url="ws://localhost/v1/realtime"),
            world=STEADY,
            rules=RelayRules(redial_attempts=9),
            make_connector=Nobody,
        )
        async with calling(relay) as caller:
            caller.types_text("Hello?")
            done = await caller.until("response.done", within_s=16)
            error = done["response"]["status_details"]["error"]
            assert error["code"] == "upstream_unavailable"
            assert caller.closed is None

    run_in_virtual_time(main())


def test_an_upstream_that_owes_an_answer_and_says_nothing_counts_as_lost() -> None:
    script = Script(replies=((Speak(ms=200, text="One"), Hold()), (Write(text="Two."),)))

    async def main() -> None:
        engine = Attentive(script)
        async with (
            upstream(engine=engine) as served,
            calling(relay_to(served, RelayRules(stall_s=4))) as caller,
        ):
            await asyncio.sleep(60)
            assert engine.opened == 1, "it may be silent while it owes nothing"
            caller.types_text("Well?")
            done = await caller.until("response.done", within_s=5.5)
            error = done["response"]["status_details"]["error"]
            assert error["code"] == "upstream_lost"
            await asyncio.sleep(1)
            assert engine.opened == 2

    run_in_virtual_time(main())
