"""Callers against a mock, in virtual time: what they measure is what was arranged."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.bench.line import Line, Listener
from antiphon.bench.load import run_calls
from antiphon.bench.plan import Plan
from antiphon.bench.realtime import RealtimeLine
from antiphon.bench.recording import Recording, built_in, recording
from antiphon.bench.report import summarize
from antiphon.bench.result import CallResult
from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.mock import Latency, MockReply, MockScript, mocking
from antiphon.mock.mocking import Mock
from antiphon.server.wiring import Parts
from antiphon.testing import in_virtual_time, serving
from antiphon.testing.conformance.sound import square_wave
from antiphon.upstream.websocket import WebSocketConnector

WINDOW_MS = 32
"""A detector decides at the end of one."""
SAID = recording("square.wav", square_wave(1_000), 1_000)
LONG = MockReply(steps=(Speak(ms=6_000, text="On and on."),))


def script(*, first_delta_ms: int = 0) -> MockScript:
    return MockScript(replies=(LONG,), latency=Latency(first_delta_ms=first_delta_ms))


def line_to(mock: Mock, *, key: str | None = None, silence_ms: int = 500) -> RealtimeLine:
    url = f"{mock.websocket_url}/v1/realtime?model=any"
    connector = WebSocketConnector(url, key, make_connector=mock.make_connector)
    return RealtimeLine(connector, silence_ms=silence_ms)


async def calls(
    mock: Mock, plan: Plan, *, said: tuple[Recording, ...] = (SAID,)
) -> list[CallResult]:
    return await run_calls(plan, said, lambda: line_to(mock, silence_ms=plan.silence_ms))


@pytest.mark.parametrize("silence_ms", [300, 700])
@pytest.mark.parametrize("delay_ms", [0, 250])
@in_virtual_time
async def test_an_answer_is_as_late_as_silence_window_and_server_make_it(
    silence_ms: int, delay_ms: int
) -> None:
    plan = Plan(duration_s=15, silence_ms=silence_ms, barge_in_ms=None)
    async with mocking(script(first_delta_ms=delay_ms)) as mock:
        results = await calls(mock, plan)
    summary = summarize(results, plan)
    assert summary.answered == summary.turns == 2, summary
    assert summary.beyond_window.p50 is not None
    assert delay_ms <= summary.beyond_window.p50 <= delay_ms + 2 * WINDOW_MS
    assert not summary.errors


@in_virtual_time
async def test_who_interrupts_is_heard_at_once_and_is_answered() -> None:
    plan = Plan(duration_s=20, barge_in_ms=1_000)
    async with mocking(script()) as mock:
        [result] = await calls(mock, plan)
    interruptions = [turn for turn in result.turns if turn.interrupts]
    assert interruptions
    for turn in interruptions:
        assert turn.silence_ms is not None
        assert 0 < turn.silence_ms < 300
        assert turn.answer_ms is not None
    before = result.turns[interruptions[0].number - 1]
    assert before.answer_ms is not None
    heard_ms = before.speech_end_ms + before.answer_ms
    assert interruptions[0].began_ms == pytest.approx(heard_ms + 1_000, abs=25)
    assert not result.all_errors()


@in_virtual_time
async def test_a_server_that_does_not_stop_is_found_out() -> None:
    plan = Plan(duration_s=8, barge_in_ms=500)
    async with mocking(script()) as mock:
        url = f"{mock.websocket_url}/v1/realtime?model=any"
        connector = WebSocketConnector(url, make_connector=mock.make_connector)

        def line() -> Line:
            return _Babbling(connector, silence_ms=500)

        [result] = await run_calls(plan, [SAID], line)
    assert result.all_errors()["not_interrupted"] >= 1
    assert all(turn.silence_ms is None for turn in result.turns)


class _Babbling(RealtimeLine):
    """Its client plays on whatever the server says."""

    async def open(self, listener: Listener) -> None:
        await super().open(_Deaf(listener))


class _Deaf:
    def __init__(self, listener: Listener) -> None:
        self.sound = listener.sound
        self.answering = listener.answering
        self.failed = listener.failed
        self.closed = listener.closed

    def stop(self) -> None:
        pass


@in_virtual_time
async def test_calls_come_at_their_own_times_however_the_server_does() -> None:
    plan = Plan(calls=4, rate=2, duration_s=6)
    async with mocking(script(), faults=["handshake_stalls"]) as mock:
        results = await calls(mock, plan)
    assert [result.started_ms for result in results] == pytest.approx([0, 500, 1_000, 1_500])


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("key_refused", "connect_key"),
        ("overloaded_at_connect", "connect_busy"),
        ("server_error_at_connect", "connect_refused"),
        ("no_greeting", "no_session"),
        ("update_unacknowledged", "no_session"),
        ("greeted_with_nonsense", "unreadable"),
        ("server_restarts", "closed_1012"),
        ("rate_limited", "response_failed"),
        ("content_filtered", "response_incomplete"),
        ("silent_for_ever", "no_answer"),
        ("audio_missing", "no_answer"),
        ("audio_not_base64", "unreadable"),
    ],
)
@in_virtual_time
async def test_what_goes_wrong_is_counted_by_its_kind(fault: str, kind: str) -> None:
    plan = Plan(duration_s=10, patience_ms=4_000)
    async with mocking(script(), faults=[fault]) as mock:
        results = await calls(mock, plan)
    assert kind in summarize(results, plan).errors, results


@in_virtual_time
async def test_a_turn_without_an_answer_counts_as_one_that_took_all_patience() -> None:
    plan = Plan(duration_s=10, patience_ms=4_000, barge_in_ms=None)
    async with mocking(script(), faults=["silent_for_ever"]) as mock:
        results = await calls(mock, plan)
    summary = summarize(results, plan)
    assert summary.answered < summary.turns
    assert summary.answer.worst == 4_000


@in_virtual_time
async def test_without_the_key_nobody_is_let_in() -> None:
    plan = Plan(duration_s=2)
    async with mocking(script(), keys=["sesame"]) as mock:
        [refused] = await run_calls(plan, [SAID], lambda: line_to(mock))
        [let_in] = await run_calls(plan, [SAID], lambda: line_to(mock, key="sesame"))
    assert refused.connect_ms is None
    assert "error_invalid_api_key" in refused.errors
    assert let_in.connect_ms is not None


@in_virtual_time
async def test_recordings_that_ship_have_turns_in_them_for_a_whole_server() -> None:
    engine = ScriptedEngine(Script(replies=((Speak(ms=1_500, text="Yes."),),)))
    plan = Plan(calls=3, rate=3, duration_s=8, barge_in_ms=None)
    async with serving(engine, parts=Parts(detector=EnergyDetector())) as server:
        url = f"{server.websocket_url}/v1/realtime?model=any"
        connector = WebSocketConnector(url, make_connector=server.make_connector)
        results = await run_calls(
            plan, built_in(), lambda: RealtimeLine(connector, silence_ms=plan.silence_ms)
        )
    summary = summarize(results, plan)
    assert summary.connected == 3
    assert summary.answered >= 3
    assert {round(turn.speech_end_ms - turn.began_ms) for r in results for turn in r.turns} == {
        round(said.speech_end_ms) for said in built_in()
    }


@in_virtual_time
async def test_who_is_cut_off_while_waiting_has_waited_in_vain() -> None:
    """Else the calls that go worst would make the percentiles better."""
    plan = Plan(duration_s=10, patience_ms=4_000)
    async with mocking(script(first_delta_ms=3_000)) as mock:
        calling = asyncio.create_task(calls(mock, plan))
        await asyncio.sleep(2.5)
    [result] = await calling
    assert result.all_errors()["no_answer"] == 1, result
    summary = summarize([result], plan)
    assert (summary.turns, summary.answered) == (1, 0)
    assert summary.answer.count == 1
    assert summary.answer.worst == 4_000
