"""A kit that checks the promises of `antiphon.engines.engine`, for authors of engines.

async def test_my_engine_keeps_its_promises() -> None:
    await check_engine(MyEngine)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Literal

from msgspec.structs import replace

from antiphon.core.causes import (
    EngineBegan,
    EngineCalled,
    EngineFailed,
    EngineSpoke,
    EngineWrote,
    Speculated,
    TranscriptEnded,
    TranscriptFailed,
    TurnEnded,
    TurnFound,
)
from antiphon.core.effects import (
    Generate,
    Hear,
    InputDropped,
    ItemAdded,
    ItemCut,
    ItemRemoved,
    Speculate,
    StopGenerating,
    StopSpeculating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.engine import Engine
from antiphon.protocol.items import FunctionCallOutput, InputImage, InputText, Item, Message
from antiphon.protocol.session import FunctionChoice, FunctionTool, ToolChoice
from antiphon.testing.promises import PromiseBroken, in_time
from antiphon.testing.watched_session import Bench

__all__ = ["CHECKS", "PromiseBroken", "check_engine", "check_promise"]

STOP_WITHIN_S = 0.1
"""`EngineSession`: "After `StopGenerating(r)`, news of ``r`` ends within 100 ms."""
ONE_SECOND = (b"\x40\x1f" * 60 + b"\xc0\xe0" * 60) * 200
"""A tone, 200 Hz: no words, but a turn all the same."""
TOOLS = (
    FunctionTool("get_time", "The time of day.", {"type": "object", "properties": {}}),
    FunctionTool("get_weather", "The weather outside.", {"type": "object", "properties": {}}),
)


async def check_engine(
    make_engine: Callable[[], Engine],
    *,
    speech: bytes = ONE_SECOND,
    patience_s: float = 10.0,
    skip: Collection[str] = (),
) -> None:
    """Check one promise after the other, each on a fresh engine.

    Args:
        make_engine: a new engine; the kit starts and closes it.
        speech: a turn of a user, 16-bit mono at 24 kHz; where words matter, give some.
        patience_s: how long an answer may take.
        skip: names of checks, as in `CHECKS`.

    Raises:
        PromiseBroken: the first one found.
    """
    for name in CHECKS:
        if name not in skip:
            await check_promise(name, make_engine, speech=speech, patience_s=patience_s)


async def check_promise(
    name: str,
    make_engine: Callable[[], Engine],
    *,
    speech: bytes = ONE_SECOND,
    patience_s: float = 10.0,
) -> None:
    """One check of `CHECKS`; for a test of each."""
    await in_time(lambda: _check(name, make_engine, speech, patience_s))


async def _check(
    name: str, make_engine: Callable[[], Engine], speech: bytes, patience_s: float
) -> None:
    before = asyncio.all_tasks()
    engine = make_engine()
    bench = Bench(name, engine, speech, patience_s)
    await engine.start()
    try:
        await CHECKS[name](bench)
    finally:
        await engine.aclose()
    left = await bench.tasks_besides(before)
    bench.require(not left, f"after Engine.aclose() these tasks still run: {left}")


# --- The checks ----------------------------------------------------------------


def ask(
    response_id: str = "resp_1",
    *,
    text: str = "Count slowly from one to twenty.",
    modality: Literal["audio", "text"] | None = None,
    tools: tuple[FunctionTool, ...] = (),
    tool_choice: ToolChoice = "auto",
    out_of_band: bool = False,
    speaks: bool = True,
) -> Generate:
    item = Message(id="item_ask", status="completed", role="user", content=(InputText(text),))
    return Generate(
        response_id=response_id,
        items=(item,),
        instructions="Do as you are told.",
        modality=modality or ("audio" if speaks else "text"),
        tools=tools,
        tool_choice=tool_choice,
        out_of_band=out_of_band,
    )


async def _ends_once(bench: Bench) -> None:
    speaks = bench.engine.abilities.speaks
    async with bench.open() as session:
        for i, modality in enumerate(("audio", "text") if speaks else ("text",)):
            session.send(ask(f"resp_{i}", modality="audio" if modality == "audio" else "text"))
            await session.answer(f"resp_{i}")
        await session.settle()  # What comes after the end is found here.


async def _speaks(bench: Bench) -> None:
    speaks = bench.engine.abilities.speaks
    async with bench.open() as session:
        session.send(ask(speaks=speaks))
        await session.answer()
        failed = session.of("resp_1", EngineFailed)
        bench.require(not failed, f"a plain question failed: {failed}")
        kinds: Any = EngineSpoke if speaks else EngineWrote
        bench.require(bool(session.of("resp_1", kinds)), f"no {kinds.__name__} came")


async def _stops(bench: Bench) -> None:
    speaks = bench.engine.abilities.speaks
    async with bench.open() as session:
        session.send(ask(speaks=speaks))
        await session.until(lambda: bool(session.of("resp_1")), "any news of resp_1")
        session.send(StopGenerating("resp_1"))
        await asyncio.sleep(STOP_WITHIN_S)
        count = len(session.of("resp_1"))
        await session.settle()
        late = session.of("resp_1")[count:]
        if late:
            bench.late(f"{len(late)} news more than 100 ms after StopGenerating")
        session.send(ask("resp_2", speaks=speaks))
        await session.answer("resp_2")


async def _iterates_until_closed(bench: Bench) -> None:
    speaks = bench.engine.abilities.speaks
    async with bench.open() as session:
        session.send(ask(speaks=speaks))
        await session.answer()
        await session.settle()
        bench.require(not session.reading_has_ended, "iteration ended before aclose()")
        session.send(ask("resp_2", speaks=speaks))  # Closed in the middle of an answer.
        await asyncio.sleep(0)
        closed = await session.close_now()
        for command in (ask("resp_3"), StopGenerating("resp_2"), Hear(bytes(960), 0)):
            try:
                closed.send(command)
            except Exception as error:
                bench.fail(f"send({type(command).__name__}) after aclose() raised {error!r}")


async def _takes_anything(bench: Bench) -> None:
    image = Message(
        id="item_i", role="user", content=(InputImage("data:image/png;base64,iVBORw0KGgo="),)
    )
    orphan = FunctionCallOutput(id="item_o", call_id="call_x", output="")
    odd: dict[str, tuple[Item, ...]] = {
        "an empty context": (),
        "an image": (image,),
        "an output without its call": (orphan,),
        "an empty message": (Message(id="item_e", role="user", content=()),),
    }
    async with bench.open() as session:
        session.send(StopGenerating("resp_never"))
        session.send(StopSpeculating())
        session.send(Speculate(Generate(response_id="", items=())))
        session.send(InputDropped())
        session.send(TurnBegan("item_1", 0))
        session.send(InputDropped())
        for change in (ItemAdded(orphan, None), ItemCut(orphan, 100), ItemRemoved("item_never")):
            session.send(change)
        for i, (what, items) in enumerate(odd.items()):
            session.send(
                Generate(response_id=f"resp_{i}", items=items, voice="nobody's", speed=1.5)
            )
            await session.until(lambda i=i: session.has_ended(f"resp_{i}"), f"the end, for {what}")  # type: ignore[misc]
        session.send(ask("resp_r", tool_choice="required"))  # Without a tool.
        await session.answer("resp_r")


async def _transcribes(bench: Bench) -> None:
    transcribes = bench.engine.abilities.transcribes
    async with bench.open() as session:

        def known(item_id: str) -> bool:
            ends = (TranscriptEnded, TranscriptFailed)
            return any(isinstance(n, ends) and n.item_id == item_id for _, n in session.news)

        await session.turn("item_1")
        await session.turn("item_2", announced=False)
        session.send(TurnBegan("item_dropped", 0))
        session.send(InputDropped())
        await session.turn("item_3")
        session.send(TurnCommitted("item_4", b""))
        if transcribes:
            for i in (1, 2, 3, 4):
                item_id = f"item_{i}"
                await session.until(
                    lambda item_id=item_id: known(item_id),  # type: ignore[misc]
                    f"the transcript of {item_id}",
                )
        await session.settle()


async def _finds_turns(bench: Bench) -> None:
    """Engines that find turns: one utterance, silence around it."""
    abilities = bench.engine.abilities
    if not abilities.finds_turns:
        return
    silence = bytes(len(ONE_SECOND))
    async with bench.open() as session:

        def came(kind: type) -> bool:
            return any(isinstance(news, kind) for _, news in session.news)

        at = await session.microphone(silence, 0)
        bench.require(not came(TurnFound), "a turn was found in silence")
        at = await session.microphone(bench.speech, at)
        await session.until(lambda: came(TurnFound), "TurnFound, while the user speaks,")
        await session.microphone(silence + silence, at)
        await session.until(lambda: came(TurnEnded), "TurnEnded, in the silence after,")
        if abilities.full_duplex:
            await session.until(lambda: came(EngineBegan), "EngineBegan, after a turn,")
            begun = [news.response_id for _, news in session.news if isinstance(news, EngineBegan)]
            await session.answer(begun[0])


async def _speculates(bench: Bench) -> None:
    """Engines that begin answers early: one that is asked for in the end, and one that is not."""
    abilities = bench.engine.abilities
    if not abilities.speculates:
        return
    wanted = ask("", speaks=abilities.speaks)
    async with bench.open() as session:

        def outcomes() -> list[bool]:
            return [news.used for _, news in session.news if isinstance(news, Speculated)]

        session.send(Speculate(wanted))
        await session.settle()
        told = [type(news).__name__ for _, news in session.news]
        bench.require(not told, f"of an answer that nobody has asked for came {told}")
        session.send(replace(wanted, response_id="resp_1"))
        await session.answer()
        await session.until(lambda: outcomes() == [True], "Speculated, as it was used,")
        session.send(Speculate(wanted))
        session.send(StopSpeculating())
        await session.until(lambda: outcomes() == [True, False], "Speculated, as it was not used,")
        session.send(Speculate(wanted))
        other = ask("resp_2", text="Say your name.", speaks=abilities.speaks)
        session.send(other)
        await session.answer("resp_2")
        await session.until(
            lambda: outcomes() == [True, False, False],
            "Speculated, as something else was asked for,",
        )


async def _honours_tool_choice(bench: Bench) -> None:
    choices: dict[str, ToolChoice] = {
        "resp_required": "required",
        "resp_named": FunctionChoice("get_weather"),
    }
    async with bench.open() as session:
        for response_id, choice in choices.items():
            session.send(ask(response_id, tools=TOOLS, tool_choice=choice, modality="text"))
            await session.answer(response_id)
            called = {call.name for call in session.of(response_id, EngineCalled)}
            wanted = {t.name for t in TOOLS} if choice == "required" else {"get_weather"}
            bench.require(
                bool(called) and called <= wanted,
                f"tool_choice {choice!r}: expected a call of {wanted}, got {called or 'none'}",
            )


async def _answers_side_by_side(bench: Bench) -> None:
    speaks = bench.engine.abilities.speaks
    async with bench.open() as session, bench.open() as other:
        session.send(ask("resp_1", speaks=speaks))
        session.send(ask("resp_2", modality="text", out_of_band=True))
        session.send(ask("resp_3", modality="text", out_of_band=True))
        other.send(ask("resp_4", speaks=speaks))
        session.send(StopGenerating("resp_3"))
        await session.answer("resp_2")
        await session.answer("resp_1")
        await other.answer("resp_4")


async def _leaves_nothing(bench: Bench) -> None:
    speaks = bench.engine.abilities.speaks

    async def one() -> None:
        async with bench.open() as session:
            session.send(ask(speaks=speaks))
            await session.turn("item_1")
            await session.until(lambda: bool(session.of("resp_1")), "any news of resp_1")

    await one()  # What all sessions share may begin with the first.
    known = asyncio.all_tasks()
    await one()
    left = await bench.tasks_besides(known)
    bench.require(not left, f"after aclose() these tasks of the session still run: {left}")


CHECKS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "each Generate ends exactly once": _ends_once,
    "it answers as its abilities say": _speaks,
    "StopGenerating is obeyed within 100 ms": _stops,
    "iteration ends with aclose, and only then": _iterates_until_closed,
    "send takes whatever a client may ask for": _takes_anything,
    "each committed turn has one transcript": _transcribes,
    "turns are found, and answered, as its abilities say": _finds_turns,
    "what is begun early is told when it is asked for": _speculates,
    "a forced tool is called": _honours_tool_choice,
    "responses and sessions run side by side": _answers_side_by_side,
    "nothing is left behind": _leaves_nothing,
}
