"""What calls cost that another server holds, and how their budgets end them; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from antiphon.core.terms import Terms
from antiphon.metering.lines import Account
from antiphon.metering.meter import Meter
from antiphon.metering.prices import Price, PriceTable
from antiphon.protocol.server import (
    Response,
    ResponseDone,
    ServerEvent,
    TranscriptionCompleted,
    TranscriptionUsage,
)
from antiphon.protocol.session import Session
from antiphon.server.metering_settings import BudgetSettings
from antiphon.testing import in_virtual_time
from tests.direct.elsewhere import THEIR_CALL, Here, before_another, until

TOKENS = {"text_tokens": 100, "audio_tokens": 900}
USAGE = {
    "total_tokens": 3_000,
    "input_tokens": 1_000,
    "input_token_details": {**TOKENS, "cached_tokens": 0},
    "output_tokens": 2_000,
    "output_token_details": {"text_tokens": 0, "audio_tokens": 2_000},
}
NANO = 100 * 4_000 + 900 * 32_000 + 2_000 * 64_000
"""At OpenAI's prices of `gpt-realtime`: 15.72 cents."""


async def answer(here: Here, name: str, **changed: Any) -> None:
    await begin(here, name)
    await finish(here, name, **changed)


async def begin(here: Here, name: str) -> None:
    await here.there.say("response.created", response=response(name, status="in_progress"))


async def finish(here: Here, name: str, **changed: Any) -> None:
    done = response(name, status="completed", usage=USAGE)
    await here.there.say("response.done", response=done | changed)
    await asyncio.sleep(1)


def response(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "output": [],
        "conversation_id": "conv_theirs",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        **fields,
    }


async def asked(here: Here, path: str) -> list[dict[str, Any]]:
    async with here.http.get(f"/v1/antiphon/{path}") as told:
        data: list[dict[str, Any]] = (await told.json())["data"]
        return data


@in_virtual_time
async def test_each_answer_and_each_transcription_is_a_line() -> None:
    async with before_another() as here:
        await here.begun()
        transcription = {"model": "gpt-4o-transcribe"}
        session = {
            "type": "realtime",
            "id": "sess_theirs",
            "model": "their-model",
            "expires_at": 99,
            "audio": {"input": {"transcription": transcription}},
        }
        await here.there.say("session.updated", session=session)
        tokens = {"type": "tokens", "total_tokens": 60, "input_tokens": 50, "output_tokens": 10}
        await here.there.say(
            "conversation.item.input_audio_transcription.completed",
            item_id="item_u",
            content_index=0,
            transcript="Hello?",
            usage=tokens,
        )
        await answer(here, "resp_1")
        await answer(here, "resp_2", status="cancelled")
        await answer(here, "resp_3", conversation_id=None)
        lines = await asked(here, "usage/lines")
        assert [(line["kind"], line["source_id"]) for line in lines] == [
            ("transcription", "item_u.0"),
            ("response", "resp_1"),
            ("response", "resp_2"),
            ("response", "resp_3"),
        ]
        assert lines[0]["billed_as"] == "gpt-4o-transcribe"
        assert lines[0]["nano_usd"] > 0
        assert not any(line["unpriced"] or line["estimated"] for line in lines)
        assert {line["nano_usd"] for line in lines[1:]} == {NANO}
        assert [line["out_of_band"] for line in lines] == [False, False, False, True]
        [listed] = await here.sessions()
        assert listed["cost"]["nano_usd"] == sum(line["nano_usd"] for line in lines)
        assert {line["session_id"] for line in lines} == {listed["id"]}


@in_virtual_time
async def test_a_model_without_a_price_is_never_free() -> None:
    async with before_another() as here:
        await here.begun("model=gpt-realtime-of-tomorrow-7")
        await answer(here, "resp_1")
        [total] = await asked(here, "usage?by=model")
        assert (total["model"], total["lines"]) == ("gpt-realtime-of-tomorrow-7", 1)
        assert (total["unpriced_lines"] == 1) == (total["nano_usd"] == 0)


@in_virtual_time
async def test_sidebands_are_told_and_then_the_call_is_hung_up() -> None:
    async with before_another(budgets=BudgetSettings(session=0.3)) as here:
        call_id = await here.begun()
        sideband = await here.join(call_id)
        await answer(here, "resp_1")
        await answer(here, "resp_2")
        seen = [await until(sideband, "antiphon.budget"), await until(sideband, "error")]
        assert (seen[0]["stage"], seen[0]["spent_nano_usd"]) == ("end", 2 * NANO)
        assert seen[1]["error"]["code"] == "budget_exceeded"
        await here.until_ended()
        await asyncio.sleep(1)
        assert here.there.hung_up == [THEIR_CALL]


@in_virtual_time
async def test_an_answer_for_which_nothing_is_left_is_stopped_and_its_bill_is_waited_for() -> None:
    """The budget is another session's too, which has spent it meanwhile."""
    async with before_another(budgets=BudgetSettings(tenant_day=0.2)) as here:
        await here.begun()
        await begin(here, "resp_1")
        await begin(here, "resp_2")
        await here.there.until(lambda: bool(here.there.told))
        assert [told["type"] for told in here.there.told] == ["response.cancel"]
        assert here.there.hung_up == []
        await finish(here, "resp_2", status="cancelled")
        await here.until_ended()
        await asyncio.sleep(1)
        assert here.there.hung_up == [THEIR_CALL]
        assert [line["source_id"] for line in await asked(here, "usage/lines")] == ["resp_2"]


def test_the_same_events_give_the_same_bill() -> None:
    """A meter reads nothing but them: what was told can be told again."""
    session = Session(id="sess_1", model="m", expires_at=2_000_000_000)
    prices = PriceTable([Price(model="m", text_in=1_000, audio_out=2_000, minute=60_000_000)])
    output = {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "ash"}
    told_there = response("resp_1", status="completed", usage=USAGE, audio={"output": output})
    done = ResponseDone(event_id="e", response=msgspec.convert(told_there, Response))
    words = TranscriptionCompleted(
        event_id="e", item_id="i", transcript="", usage=TranscriptionUsage(seconds=2)
    )
    story: Sequence[tuple[int, ServerEvent]] = [(10, words), (1_000, done), (70_000, words)]

    def bill() -> list[Any]:
        meter = Meter(Terms(session=session, seed=""), Account(), prices, conversation_id="c")
        lines = [line for at, event in story for line in meter.followed(at, event, session)]
        return lines + meter.ended()

    assert bill() == bill()
    assert {line.kind for line in bill()} >= {"response", "transcription"}
