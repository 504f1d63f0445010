from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import (
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    TranscriptEnded,
    TranscriptFailed,
    TranscriptGrew,
    TurnJudged,
    Word,
)
from antiphon.core.effects import (
    Configure,
    Generate,
    InputDropped,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.scripted import (
    Beat,
    Call,
    Fail,
    Failure,
    Finish,
    Hearing,
    Hold,
    Player,
    Reply,
    Say,
    Script,
    ScriptedEngine,
    Speak,
    Wait,
    Write,
)
from antiphon.protocol.items import InputAudio, Message
from antiphon.protocol.session import FunctionChoice, FunctionTool, Session
from antiphon.testing import run_in_virtual_time


def generate(response_id: str = "r", **options: Any) -> Generate:
    return Generate(response_id=response_id, items=(), **options)


def player(*replies: Reply, **script: Any) -> Player:
    return Player(Script(replies=replies, **script))


def all_news(player: Player, now_ms: int = 0) -> list[EngineNews]:
    return list(iter(lambda: player.next(now_ms), None))


def test_a_reply_is_played_in_order_and_finished() -> None:
    p = player((Say(text="Hm. "), Speak(ms=200, text="One two"), Call(name="f")))
    p.take(generate())
    said, said2, first, second, call, finished = all_news(p)
    assert (said, said2) == (EngineSaid("r", "Hm. "), EngineSaid("r", "One two"))
    assert isinstance(first, EngineSpoke)
    assert isinstance(second, EngineSpoke)
    assert len(first.pcm) == len(second.pcm) == 4_800
    # "One" ends at 3/7 of 4,800 samples; both count from the item's start, "Hm. " included.
    assert first.words == (Word(7, 2_057),)
    assert second.words == (Word(11, 4_800),)
    assert call == EngineCalled("r", "call_0000000000000001", "f", "{}", True)
    assert finished == EngineFinished("r")


@given(
    st.lists(
        st.builds(
            Speak,
            ms=st.integers(1, 400),
            text=st.text("ab ", max_size=30),
            delta_ms=st.sampled_from([20, 100]),
        ),
        max_size=4,
    )
)
def test_words_lie_within_what_is_spoken(steps: list[Speak]) -> None:
    p = player(tuple(steps))
    p.take(generate())
    news = all_news(p)
    words = [word for n in news if isinstance(n, EngineSpoke) for word in n.words]
    text = "".join(n.text for n in news if isinstance(n, EngineSaid))
    samples = sum(len(n.pcm) // 2 for n in news if isinstance(n, EngineSpoke))
    assert all(a.text_end <= b.text_end for a, b in itertools.pairwise(words))
    assert all(a.end_sample <= b.end_sample for a, b in itertools.pairwise(words))
    assert all(w.text_end <= len(text) and w.end_sample <= samples for w in words)
    assert len(words) == sum(len(step.text.split()) for step in steps)
    assert samples == sum(24 * step.ms for step in steps)


def test_a_written_response_has_no_speech() -> None:
    p = player((Say(text="Hm. "), Speak(ms=200, text="One.")))
    p.take(generate(modality="text"))
    assert all_news(p) == [EngineWrote("r", "Hm. "), EngineWrote("r", "One."), EngineFinished("r")]


def test_arguments_come_in_pieces() -> None:
    p = player((Call(name="f", arguments=('{"a":', "1}"), call_id="call_x"),))
    p.take(generate())
    assert all_news(p)[:2] == [
        EngineCalled("r", "call_x", "f", '{"a":', False),
        EngineCalled("r", "call_x", "f", "1}", True),
    ]


def test_a_failure_ends_the_reply() -> None:
    p = player((Fail(message="no", code="c"), Write(text="never")))
    p.take(generate())
    assert all_news(p) == [EngineFailed("r", "no", "c")]


def test_a_finish_says_how() -> None:
    p = player((Finish(reason="max_output_tokens", input_tokens=1, output_tokens=2),))
    p.take(generate())
    assert all_news(p) == [EngineFinished("r", "max_output_tokens", 1, 2)]


def test_nothing_comes_of_a_stopped_response() -> None:
    p = player((Write(text="a"), Write(text="b")))
    p.take(generate())
    assert p.next(0) == EngineWrote("r", "a")
    p.take(StopGenerating("r"))
    assert all_news(p) == []


def test_a_hold_lasts_until_the_command_it_waits_for() -> None:
    p = player((Hold(until="configure"), Write(text="now")))
    p.take(generate())
    assert all_news(p) == []
    assert p.next_ms is None
    assert not p.take(InputDropped()) or all_news(p) == []
    assert p.take(Configure(Session(id="s", model="m", expires_at=1)))
    assert all_news(p) == [EngineWrote("r", "now"), EngineFinished("r")]


def test_responses_do_not_wait_for_each_other() -> None:
    p = player((Write(text="a"), Hold()), (Write(text="b"),))
    p.take(generate("one"))
    p.take(generate("two", out_of_band=True))
    assert all_news(p) == [EngineWrote("one", "a"), EngineWrote("two", "b"), EngineFinished("two")]


def test_paced_speech_keeps_its_pace() -> None:
    p = player((Speak(ms=300, delta_ms=100, paced=True),))
    p.take(generate())
    assert len(all_news(p, 1000)) == 1
    assert p.next_ms == 1100
    assert all_news(p, 1099) == []
    # Late by 50 ms, and on time again with the next.
    assert len(all_news(p, 1150)) == 1
    assert p.next_ms == 1200
    assert len(all_news(p, 1200)) == 1
    assert all_news(p, 1300) == [EngineFinished("r")]


def test_a_wait_is_a_wait() -> None:
    p = player((Wait(ms=500), Write(text="late")))
    p.take(generate())
    assert all_news(p, 0) == []
    assert p.next_ms == 500
    assert len(all_news(p, 500)) == 2


TOOLS = (FunctionTool("f"), FunctionTool("g"))


@pytest.mark.parametrize(
    ("choice", "reply", "called"),
    [
        ("auto", (Write(text="a"),), []),
        ("required", (Write(text="a"),), ["f"]),
        (FunctionChoice("g"), (Write(text="a"),), ["g"]),
        (FunctionChoice("g"), (Write(text="a"), Call(name="g")), ["g"]),
        (FunctionChoice("g"), (Fail(message="no"),), []),
    ],
)
def test_a_forced_tool_is_called(choice: Any, reply: Reply, called: list[str]) -> None:
    p = player(reply)
    p.take(generate(tools=TOOLS, tool_choice=choice))
    assert [n.name for n in all_news(p) if isinstance(n, EngineCalled)] == called


def test_what_it_hears() -> None:
    p = player(
        hears=(
            Hearing(text="a b", grows=("a ", "b"), completeness=0.9),
            Hearing(failure=Failure("bad", "Nothing.")),
        )
    )
    p.take(TurnBegan("i1", 0))
    assert all_news(p) == [
        TranscriptGrew("i1", "a "),
        TranscriptGrew("i1", "b"),
        TurnJudged("i1", 0.9),
    ]
    p.take(TurnCommitted("i1", b""))
    assert all_news(p) == [TranscriptEnded("i1", "a b")]
    p.take(TurnCommitted("i2", b""))
    assert all_news(p) == [TranscriptFailed("i2", "bad", "Nothing.")]


def test_a_dropped_turn_is_heard_next_time() -> None:
    p = player(hears=(Hearing(text="a", grows=("a",)), Hearing(text="b")))
    p.take(TurnBegan("i1", 0))
    p.take(InputDropped())
    all_news(p)
    p.take(TurnCommitted("i2", b""))
    assert all_news(p) == [TranscriptGrew("i2", "a"), TranscriptEnded("i2", "a")]


@pytest.mark.parametrize(
    ("policy", "third"), [("repeat_last", "b"), ("use_default", "Yes, I hear you.")]
)
def test_when_the_script_is_used_up(policy: Any, third: str) -> None:
    p = player((Write(text="a"),), (Write(text="b"),), when_used_up=policy)
    for expected in ("a", "b", third):
        p.take(generate(modality="text"))
        assert all_news(p) == [EngineWrote("r", expected), EngineFinished("r")]


def test_a_script_can_be_read_from_json() -> None:
    text = (
        '{"replies": [[{"do": "speak", "ms": 20, "text": "Hi."}, {"do": "hold"}]],'
        ' "hears": [{"text": "hello"}], "when_used_up": "use_default"}'
    )
    script = msgspec.json.decode(text, type=Script)
    assert script.replies == ((Speak(ms=20, text="Hi."), Hold()),)
    assert msgspec.json.decode(msgspec.json.encode(script), type=Script) == script


# --- With a loop -------------------------------------------------------------------


def test_one_timer_paces_all_sessions() -> None:
    """A hundred speakers wake the loop once a beat, not a hundred times."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        script = Script(replies=((Speak(ms=1000, delta_ms=20, paced=True),),))
        engine = ScriptedEngine(script)
        moments: set[float] = set()

        async def listen(i: int) -> float:
            session = engine.open(f"s{i}")
            session.send(generate(f"r{i}"))
            async for news in session:
                moments.add(round(loop.time(), 6))
                if isinstance(news, EngineFinished):
                    await session.aclose()
            return loop.time()

        ends = await asyncio.gather(*(listen(i) for i in range(100)))
        assert len(moments) == 51
        assert 1.0 <= max(ends) <= 1.03

    run_in_virtual_time(main())


def test_a_reader_that_does_not_read_holds_the_engine_back() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script(replies=((Write(text="x"),) * 1000,)))
        session = engine.open("s")
        session.send(generate())
        reader = aiter(session)
        assert await anext(reader) == EngineWrote("r", "x")
        await asyncio.sleep(3600)
        session.send(StopGenerating("r"))  # All that was not read was never made.
        session.send(generate("r2", modality="text"))
        assert await anext(reader) == EngineWrote("r2", "x")
        await session.aclose()
        assert [news async for news in reader] == []

    run_in_virtual_time(main())


def test_beats_stop_when_nobody_waits() -> None:
    async def main() -> None:
        beat, woken = Beat(period_ms=20), []
        beat.wake_at(30, lambda: woken.append(beat.now_ms()))
        beat.wake_at(10, lambda: woken.append(beat.now_ms()))
        beat.wake_at(35, lambda: woken.append(beat.now_ms()))
        await asyncio.sleep(0.1)
        assert woken == [21, 41, 41]
        await asyncio.get_running_loop().create_future()  # Nothing is left to wake us.

    with pytest.raises(RuntimeError, match="all tasks wait"):
        run_in_virtual_time(main())


def test_another_may_choose_the_reply_by_what_was_understood() -> None:
    def choose(command: Generate, understood: Mapping[str, str]) -> Reply | None:
        return (Write(text=f"You said {understood['turn_1']}."),) if command.items else None

    script = Script(replies=((Write(text="Next."),),), hears=(Hearing(text="yes"),))
    p = Player(script, choose)
    p.take(TurnCommitted("turn_1", b""))
    item = Message(role="user", content=(InputAudio(),))
    p.take(Generate(response_id="first", items=(item,)))
    p.take(Generate(response_id="second", items=()))
    written = [news.text for news in all_news(p) if isinstance(news, EngineWrote)]
    assert written == ["You said yes.", "Next."]
