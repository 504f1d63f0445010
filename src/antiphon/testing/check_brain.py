"""A kit that checks the promises of a `Brain`, for authors of brains.

async def test_my_brain_keeps_its_promises() -> None:
    await check_brain(MyBrain)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass

from antiphon.core.effects import Generate
from antiphon.engines.cascade.parts import (
    Brain,
    CallTool,
    Grammar,
    Mind,
    SayText,
    Thinking,
    Thought,
)
from antiphon.errors import EngineUnavailable
from antiphon.protocol.items import (
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Item,
    Message,
)
from antiphon.protocol.session import FunctionChoice, ToolChoice
from antiphon.testing.check_engine import TOOLS, ask
from antiphon.testing.promises import Promise, in_time

STOPS_WITHIN_S = 0.1
CALL_ID_CHARS = 32
"""As the Realtime API allows."""


async def check_brain(
    make_brain: Callable[[], Brain], *, patience_s: float = 10.0, skip: Collection[str] = ()
) -> None:
    """Check one promise after the other, each on a fresh brain.

    Args:
        make_brain: a new one; the kit starts and closes it.
        patience_s: how long a thought may take.
        skip: names of checks, as in `BRAIN_CHECKS`.

    Raises:
        PromiseBroken: the first one found.
    """
    for name in BRAIN_CHECKS:
        if name not in skip:
            await check_brain_promise(name, make_brain, patience_s=patience_s)


async def check_brain_promise(
    name: str, make_brain: Callable[[], Brain], *, patience_s: float = 10.0
) -> None:
    """One check of `BRAIN_CHECKS`; for a test of each."""
    await in_time(lambda: _check(name, make_brain, patience_s))


async def _check(name: str, make_brain: Callable[[], Brain], patience_s: float) -> None:
    before = asyncio.all_tasks()
    brain = make_brain()
    bench = _Bench(name, brain, patience_s)
    await brain.start()
    try:
        await BRAIN_CHECKS[name](bench)
    finally:
        await brain.aclose()
    left = await bench.tasks_besides(before)
    bench.require(not left, f"after aclose() these tasks still run: {left}")


@dataclass
class _Bench(Promise):
    check: str
    brain: Brain
    patience_s: float

    @property
    def subject(self) -> str:
        return f"brain '{self.brain.name}'"

    def mind(self, session_id: str = "sess_check") -> Mind:
        return self.brain.open(session_id)

    async def thought(
        self, mind: Mind, request: Generate, *, may_fail: bool = False, what: str = "a thought"
    ) -> list[Thinking]:
        """A whole thought, judged."""
        thinking: list[Thinking] = []
        try:
            async with asyncio.timeout(self.patience_s), aclosing(mind.think(request)) as coming:
                async for part in coming:
                    thinking.append(part)
        except TimeoutError:
            self.fail(f"{what} did not end within {self.patience_s:g} s")
        except EngineUnavailable as error:
            self.require(may_fail, f"a plain request failed: {error}")
            return thinking
        self._judge(thinking)
        return thinking

    def _judge(self, thinking: list[Thinking]) -> None:
        ends = [at for at, part in enumerate(thinking) if isinstance(part, Thought)]
        self.require(ends == [len(thinking) - 1], "a thought ends with one Thought, and only then")
        cut = isinstance(end := thinking[-1], Thought) and end.reason is not None
        open_call, arguments = "", ""
        ended: set[str] = set()
        for part in thinking:
            if not isinstance(part, CallTool):
                self.require(not open_call or cut, "a call is left open")
                continue
            self.require(
                open_call in ("", part.call_id), f"{part.call_id} begins within {open_call}"
            )
            self.require(part.call_id not in ended, f"{part.call_id} goes on after its end")
            self.require(
                0 < len(part.call_id) <= CALL_ID_CHARS, f"call id {part.call_id!r} is no id"
            )
            arguments += part.arguments
            open_call = part.call_id
            if part.ended:
                self.require(_is_object(arguments), f"arguments {arguments!r} are no JSON object")
                ended.add(part.call_id)
                open_call = arguments = ""


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


# --- The checks -----------------------------------------------------------------


async def _answers(bench: _Bench) -> None:
    mind = bench.mind()
    for modality in ("audio", "text"):
        thinking = await bench.thought(
            mind, ask(modality="audio" if modality == "audio" else "text")
        )
        said = "".join(part.text for part in thinking if isinstance(part, SayText))
        bench.require(bool(said.strip()), f"a plain question has no answer in {modality}")


async def _stops(bench: _Bench) -> None:
    mind = bench.mind()
    for parts_heard in (1, 0):
        known = asyncio.all_tasks()
        thoughts = mind.think(ask())
        if parts_heard:
            await asyncio.wait_for(anext(thoughts), bench.patience_s)
        else:
            first = asyncio.ensure_future(anext(thoughts))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        try:
            await asyncio.wait_for(thoughts.aclose(), STOPS_WITHIN_S)
        except TimeoutError:
            bench.late(f"closing the iterator takes longer than {STOPS_WITHIN_S * 1000:.0f} ms")
        left = await bench.tasks_besides(known)
        bench.require(not left, f"after closing the iterator these tasks still run: {left}")
    await bench.thought(mind, ask())


async def _takes_anything(bench: _Bench) -> None:
    image = InputImage("data:image/png;base64,iVBORw0KGgo=")
    contexts: dict[str, tuple[Item, ...]] = {
        "an empty context": (),
        "an image": (Message(id="i", role="user", content=(image,)),),
        "an output without its call": (FunctionCallOutput(id="o", call_id="call_x", output=""),),
        "an empty message": (Message(id="e", role="user", content=()),),
        "a turn without words": (Message(id="s", role="user", content=(InputAudio(""),)),),
        "system alone": (Message(id="y", role="system", content=(InputText("Be brief."),)),),
    }
    mind = bench.mind()
    for what, items in contexts.items():
        request = Generate(response_id="resp_1", items=items)
        await bench.thought(mind, request, may_fail=True, what=f"the answer to {what}")
    await bench.thought(mind, ask(tool_choice="required"), may_fail=True)  # Without a tool.
    await bench.thought(mind, ask())


async def _honours_tool_choice(bench: _Bench) -> None:
    choices: tuple[tuple[ToolChoice, set[str]], ...] = (
        ("required", {tool.name for tool in TOOLS}),
        (FunctionChoice("get_weather"), {"get_weather"}),
    )
    for choice, wanted in choices:
        thinking = await bench.thought(
            bench.mind(), ask(tools=TOOLS, tool_choice=choice, modality="text")
        )
        called = {part.name for part in thinking if isinstance(part, CallTool)}
        bench.require(
            bool(called) and called <= wanted,
            f"tool_choice {choice!r}: expected a call of {wanted}, got {called or 'none'}",
        )


async def _expects(bench: _Bench) -> None:
    mind, other = bench.mind("sess_1"), bench.mind("sess_2")
    grammars: dict[str, Grammar] = {}
    for asked in (mind, other):
        with bench.at_once("expects()"):
            grammar = asked.expects(Generate(response_id="", items=()))
        if grammar is not None:
            known = grammars.setdefault(grammar.key, grammar)
            bench.require(known == grammar, f"two grammars have the key {grammar.key!r}")
            bench.require(grammar.jsgf.startswith("#JSGF V1.0"), "a grammar is no JSGF V1.0")


async def _side_by_side(bench: _Bench) -> None:
    mind, other = bench.mind("sess_1"), bench.mind("sess_2")
    stopped = mind.think(ask("resp_0", out_of_band=True))
    await asyncio.wait_for(anext(stopped), bench.patience_s)
    thoughts = asyncio.gather(
        bench.thought(mind, ask("resp_1")),
        bench.thought(mind, ask("resp_2", out_of_band=True)),
        bench.thought(other, ask("resp_3")),
    )
    await stopped.aclose()
    await thoughts


BRAIN_CHECKS: dict[str, Callable[[_Bench], Awaitable[None]]] = {
    "it answers a plain question": _answers,
    "closing the iterator ends the work at once": _stops,
    "it takes whatever a request may hold": _takes_anything,
    "a forced tool is called": _honours_tool_choice,
    "what it expects is told at once": _expects,
    "thoughts and minds run side by side": _side_by_side,
}
