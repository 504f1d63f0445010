"""The brain that needs no language model, and says so."""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import string
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.context import keyed_inputs, last_reply, text_of
from antiphon.engines.cascade.llm.offline import free_talk
from antiphon.engines.cascade.llm.offline.checkpoints import Checkpoints, Place
from antiphon.engines.cascade.llm.offline.dialogue import (
    Dialogue,
    Situation,
    Surroundings,
    begin,
)
from antiphon.engines.cascade.llm.offline.free_talk import FreeTalk, FreeTurn, Listener
from antiphon.engines.cascade.llm.offline.grammars import grammar_of
from antiphon.engines.cascade.llm.offline.instructions import (
    MAX_SCRIPT_CHARS,
    carried_script,
    read_instructions,
)
from antiphon.engines.cascade.llm.offline.pieces import pieces_of, within
from antiphon.engines.cascade.llm.offline.results import read_result
from antiphon.engines.cascade.llm.offline.resuming import after_inputs, resumed, take
from antiphon.engines.cascade.llm.offline.script import Script
from antiphon.engines.cascade.llm.offline.script_file import load_script, parse_script
from antiphon.engines.cascade.llm.offline.small_talk import greeting
from antiphon.engines.cascade.llm.offline.tool_arguments import (
    enum_of,
    forced_arguments,
    properties_of,
)
from antiphon.engines.cascade.llm.offline.tool_choice import functions, parameters_of, rank
from antiphon.engines.cascade.parts import CallTool, Grammar, SayText, Thinking, Thought
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputImage, Message
from antiphon.protocol.session import FunctionChoice, FunctionTool

log = logging.getLogger(__name__)

Clock = Callable[[], dt.datetime]
"""Local time, with its zone."""


def _local_time() -> dt.datetime:
    return dt.datetime.now().astimezone()


class OfflineBrain:
    """Small talk, the client's functions, and scripted agents; no language model."""

    name = "offline"

    def __init__(
        self,
        script: Script | None = None,
        *,
        clock: Clock = _local_time,
        new_random: Callable[[], random.Random] = random.Random,
    ) -> None:
        self._script = script
        self._clock = clock
        self._new_random = new_random

    @classmethod
    def from_file(cls, path: Path) -> OfflineBrain:
        """A brain that plays the script at ``path``; its warnings are logged.

        Raises:
            ConfigurationError: the script cannot be used.
        """
        script = load_script(path)
        for warning in script.warnings:
            log.warning("%s", warning)
        return cls(script)

    async def start(self) -> None:
        """Nothing to get ready."""

    def open(self, session_id: str) -> OfflineMind:
        del session_id
        return OfflineMind(self._script, self._clock, self._new_random())

    async def aclose(self) -> None:
        """Nothing to free."""


class _State(Struct, frozen=True):
    """All that a conversation remembers."""

    situation: Situation | None
    talk: FreeTalk = FreeTalk()


class _Plan(Struct, frozen=True, kw_only=True):
    """An answer, whole, and what will be remembered once it is given."""

    after: _State
    reply: str = ""
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """``call_id``, name, arguments."""


class OfflineMind:
    """One conversation.

    An answer is planned whole and then given piece by piece.  What it changes is kept
    once its first piece was taken and the next was asked for, and never for a response
    outside of the conversation.
    """

    def __init__(self, script: Script | None, clock: Clock, drawing: random.Random) -> None:
        self._configured = script
        self._clock = clock
        self._random = drawing
        self._carried: tuple[str, Script] | None = None
        self._playing: Script | None = None
        self._checkpoints: Checkpoints[_State] = Checkpoints(_State(None))
        self._has_answered = False
        self._play(script)

    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        if not request.out_of_band:
            self._play(self._script_of(request))
        place, key = self._place(request)
        plan = self._plan(request, place)
        reply = plan.reply
        if request.max_output_tokens != "inf":
            reply = within(reply, request.max_output_tokens)
        kept = request.out_of_band
        for piece in pieces_of(reply):
            yield SayText(piece)
            if not kept:
                self._keep(key, place, plan)
                kept = True
        cut = len(reply) < len(plan.reply)
        for call_id, name, arguments in () if cut else plan.calls:
            yield CallTool(call_id, name, json.dumps(arguments, ensure_ascii=False))
            if not kept:
                self._keep(key, place, plan)
                kept = True
        if not kept:
            self._keep(key, place, plan)
        yield Thought(reason="max_output_tokens" if cut else None)

    def _keep(self, key: str | None, place: Place[_State], plan: _Plan) -> None:
        self._checkpoints.keep(key, place.state, plan.after)
        self._has_answered = True

    def expects(self, request: Generate) -> Grammar | None:
        try:
            script = self._script_of(request)
        except EngineUnavailable:
            return None
        if script is not self._playing and not request.out_of_band:
            self._play(script)
        place, _ = self._place(request)
        state = self._plan(request, place).after if place.new else place.state
        if script and state.situation:
            dialogue = self._dialogue(script, request)
            return grammar_of(dialogue.expected(state.situation), script.pronunciations)
        return grammar_of(free_talk.expected(state.talk, self._tools(request)))

    # --- Which script, and where in it ---

    def _script_of(self, request: Generate) -> Script | None:
        """The script that plays: the one in the instructions, or the configured one."""
        text = carried_script(request.instructions)
        if text is None:
            directive = read_instructions(request.instructions).kind
            if self._carried and (directive != "none" or request.out_of_band):
                return self._carried[1]  # Instructions for this one response.
            return self._configured
        if self._carried is None or self._carried[0] != text:
            if len(text) > MAX_SCRIPT_CHARS:
                raise EngineUnavailable(
                    "offline",
                    f"the script in the instructions has over {MAX_SCRIPT_CHARS} characters",
                )
            try:
                script = parse_script(text, source="instructions")
            except ConfigurationError as error:
                raise EngineUnavailable("offline", f"the script cannot be used: {error}") from error
            self._carried = (text, script)
        return self._carried[1]

    def _play(self, script: Script | None) -> None:
        if script is self._playing and script is not None:
            return
        if script is None and self._playing is None:
            return
        self._playing = script
        situation = begin(script, self._random.randrange) if script else None
        self._checkpoints = Checkpoints(_State(situation))

    def _place(self, request: Generate) -> tuple[Place[_State], str | None]:
        """Where the conversation stands, and the key under which the answer is kept."""
        keys = [key for key, _ in keyed_inputs(request.items)]
        last = request.items[-1] if request.items else None
        again = isinstance(last, FunctionCallOutput) or (
            isinstance(last, Message) and last.role == "user"
        )
        place = self._checkpoints.find(keys, again=again)
        if self._playing and not self._has_answered:
            place = self._resumed(self._playing, request, place)
        return place, keys[-1] if keys else None

    def _resumed(self, script: Script, request: Generate, place: Place[_State]) -> Place[_State]:
        """Before our first answer a history is of another session; each input is heard once."""
        if place.state.situation is None:
            return place
        rest = after_inputs(
            request.items, sum(1 for _ in keyed_inputs(request.items)) - len(place.new)
        )
        situation, answered = resumed(self._dialogue(script, request), place.state.situation, rest)
        state = structs.replace(place.state, situation=situation)
        if answered and not request.out_of_band:
            self._checkpoints.keep(place.new[answered - 1], place.state, state)
        return Place(state, place.new[answered:])

    # --- The answer ---

    def _plan(self, request: Generate, place: Place[_State]) -> _Plan:
        plan = self._free_plan(request, place)
        forced = self._forced_tool(request)
        if forced is None or any(name == forced.name for _, name, _ in plan.calls):
            return plan
        if plan.calls and not isinstance(request.tool_choice, FunctionChoice):
            return plan
        text = "".join(self._new_texts(request, place)[-1:])
        arguments = forced_arguments(parameters_of(forced), text, self._clock().date())
        return _Plan(after=place.state, calls=((self._new_call_id(), forced.name, arguments),))

    def _forced_tool(self, request: Generate) -> FunctionTool | None:
        offered = functions(request.tools)
        if isinstance(request.tool_choice, FunctionChoice):
            name = request.tool_choice.name
            return next((tool for tool in offered if tool.name == name), None)
        if request.tool_choice == "required" and offered:
            texts = [text_of(i) for _, i in keyed_inputs(request.items) if isinstance(i, Message)]
            return rank(texts[-1] if texts else "", offered)[0].tool
        return None

    def _free_plan(self, request: Generate, place: Place[_State]) -> _Plan:
        directive = read_instructions(request.instructions)
        if directive.kind == "say":
            return _Plan(after=place.state, reply=directive.text)
        results = self._new_results(request, place)
        texts = self._new_texts(request, place)
        text = texts[-1] if texts else None
        script = self._playing
        if script and place.state.situation:
            dialogue = self._dialogue(script, request)
            return self._scripted(dialogue, place.state, place.state.situation, results, texts)
        if results:
            spoken = " ".join(read_result(output.output).text for output in results)
            return _Plan(after=place.state, reply=spoken)
        return self._unscripted(request, place.state, text)

    def _scripted(
        self,
        dialogue: Dialogue,
        state: _State,
        situation: Situation,
        results: list[FunctionCallOutput],
        texts: list[str],
    ) -> _Plan:
        turns = take(dialogue, situation, results, texts)
        calls = tuple(
            (turn.call.call_id, turn.call.tool, turn.call.arguments) for turn in turns if turn.call
        )
        return _Plan(
            after=structs.replace(state, situation=turns[-1].situation),
            reply=" ".join(turn.reply for turn in turns if turn.reply),
            calls=calls,
        )

    def _unscripted(self, request: Generate, state: _State, text: str | None) -> _Plan:
        around = Listener(
            self._clock(), self._tools(request), request.instructions, last_reply(request.items)
        )
        if text is None:
            return _Plan(after=state, reply=self._unasked(request, around))
        images = self._newest_has_image(request)
        turn: FreeTurn = (
            free_talk.describe_image(state.talk)
            if images and not text
            else free_talk.hear(state.talk, text, around)
        )
        calls = ((self._new_call_id(), turn.tool, turn.arguments),) if turn.tool else ()
        return _Plan(after=structs.replace(state, talk=turn.state), reply=turn.reply, calls=calls)

    def _unasked(self, request: Generate, around: Listener) -> str:
        """An answer is wanted though nobody said anything new."""
        waiting = request.items and isinstance(request.items[-1], FunctionCall)
        if waiting:
            return "I am still waiting for the function's answer."
        greets = read_instructions(request.instructions).kind == "greet"
        if greets or not around.last_reply:
            return greeting()
        return "I am still here. Say help to hear what I can do."

    # --- What is new ---

    def _new_results(self, request: Generate, place: Place[_State]) -> list[FunctionCallOutput]:
        """Outputs that are the newest input, with others just before them."""
        new = [item for key, item in keyed_inputs(request.items) if key in place.new]
        results: list[FunctionCallOutput] = []
        for item in reversed(new):
            if not isinstance(item, FunctionCallOutput):
                break
            results.append(item)
        return results[::-1]

    def _new_texts(self, request: Generate, place: Place[_State]) -> list[str]:
        """What the user said since the last answer, oldest first."""
        return [
            text_of(item).strip()
            for key, item in keyed_inputs(request.items)
            if key in place.new and isinstance(item, Message)
        ]

    def _newest_has_image(self, request: Generate) -> bool:
        inputs = [item for _, item in keyed_inputs(request.items) if isinstance(item, Message)]
        return bool(inputs) and any(isinstance(p, InputImage) for p in inputs[-1].content)

    def _tools(self, request: Generate) -> tuple[FunctionTool, ...]:
        return () if request.tool_choice == "none" else functions(request.tools)

    def _dialogue(self, script: Script, request: Generate) -> Dialogue:
        offered = {tool.name: tool for tool in self._tools(request)}

        def values(tool: str, parameter: str) -> tuple[str, ...]:
            if tool not in offered:
                return ()
            parameters = parameters_of(offered[tool])
            schema = properties_of(parameters, parameters).get(parameter, {})
            return tuple(str(value) for value in enum_of(schema, parameters))

        around = Surroundings(self._clock().date(), frozenset(offered), self._new_call_id)
        return Dialogue(script.with_tool_enums(values), around)

    def _new_call_id(self) -> str:
        letters = string.ascii_letters + string.digits
        return "call_" + "".join(self._random.choices(letters, k=16))
