"""The brain that needs no language model, and says so."""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import string
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.context import keyed_inputs, last_reply, text_of
from antiphon.engines.cascade.llm.offline.checkpoints import Checkpoints, Place
from antiphon.engines.cascade.llm.offline.dialogue import Dialogue
from antiphon.engines.cascade.llm.offline.grammars import Grammars
from antiphon.engines.cascade.llm.offline.instructions import (
    MAX_SCRIPT_CHARS,
    carried_script,
    read_instructions,
)
from antiphon.engines.cascade.llm.offline.open_dialogue import OpenDialogue
from antiphon.engines.cascade.llm.offline.paraphrases import load_similarity
from antiphon.engines.cascade.llm.offline.pieces import pieces_of, within
from antiphon.engines.cascade.llm.offline.resuming import (
    after_inputs,
    answered_before,
    resumed,
    take,
    without_clock,
)
from antiphon.engines.cascade.llm.offline.script import Script
from antiphon.engines.cascade.llm.offline.script_file import (
    load_script,
    parse_script,
    with_tool_items,
)
from antiphon.engines.cascade.llm.offline.situation import (
    Call,
    Similarity,
    Situation,
    Surroundings,
    begin,
)
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

HOST = Path(__file__).with_name("host.toml")
"""What is played where nobody has chosen a script."""

Clock = Callable[[], dt.datetime]
"""Local time, with its zone."""


def _local_time() -> dt.datetime:
    return dt.datetime.now().astimezone()


@lru_cache(maxsize=1)
def host() -> Script:
    return load_script(HOST)


class OfflineBrain:
    """Scripted agents, one of them made for talking of this and that; no language model."""

    name = "offline"

    def __init__(
        self,
        script: Script | None = None,
        *,
        clock: Clock = _local_time,
        new_random: Callable[[], random.Random] = random.Random,
        similarity: Similarity | None = None,
    ) -> None:
        """Without a ``script`` it plays `HOST`; without ``similarity`` `start` looks for one."""
        self._script = script or host()
        self._clock = clock
        self._new_random = new_random
        self._similarity = similarity
        self._grammars = Grammars()

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
        if self._similarity is None:
            self._similarity = load_similarity()
        self.open("").expects(Generate(response_id="", items=()))  # So that nobody waits for it.

    def open(self, session_id: str) -> OfflineMind:
        del session_id
        drawing = self._new_random()
        return OfflineMind(self._script, self._clock, drawing, self._similarity, self._grammars)

    async def aclose(self) -> None:
        """Nothing to free."""


class _Plan(Struct, frozen=True, kw_only=True):
    """An answer, whole, and what will be remembered once it is given."""

    after: Situation
    reply: str = ""
    calls: tuple[Call, ...] = ()


class OfflineMind:
    """One conversation.

    An answer is planned whole and then given piece by piece.  What it changes is kept
    once its first piece was taken and the next was asked for, and never for a response
    outside of the conversation.
    """

    def __init__(
        self,
        script: Script,
        clock: Clock,
        drawing: random.Random,
        similarity: Similarity | None,
        grammars: Grammars,
    ) -> None:
        self._configured = script
        self._clock = clock
        self._random = drawing
        self._drawn_for = ""
        self._similarity = similarity
        self._grammars = grammars
        self._carried: tuple[str, Script] | None = None
        self._has_answered = False
        self._play(script)

    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        script = self._script_of(request)
        if not request.out_of_band and (script is not self._playing or self._is_new_to(request)):
            self._drawn_for = request.drawn_for
            self._play(script)
        place, key = self._place(request)
        plan = self._plan(request, place)
        reply = plan.reply
        if request.max_output_tokens != "inf":
            reply = within(reply, request.max_output_tokens)
        kept = request.out_of_band
        # To somebody who speaks another language, this much is said in it.
        foreign = (other.code for other in script.languages if other.reply == plan.reply)
        language = next(foreign, None)
        for piece in pieces_of(reply):
            yield SayText(piece, language)
            if not kept:
                self._keep(key, place, plan)
                kept = True
        cut = len(reply) < len(plan.reply)
        for call in () if cut else plan.calls:
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            yield CallTool(call.call_id, call.tool, arguments)
            if not kept:
                self._keep(key, place, plan)
                kept = True
        if not kept:
            self._keep(key, place, plan)
        yield Thought(reason="max_output_tokens" if cut else None)

    def _keep(self, key: str | None, place: Place, plan: _Plan) -> None:
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
        situation = self._plan(request, place).after if place.new else place.state
        expected = self._dialogue(request).expected(situation)
        return self._grammars.of(expected, script.pronunciations)

    # --- Which script, and where in it ---

    def _script_of(self, request: Generate) -> Script:
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

    def _is_new_to(self, request: Generate) -> bool:
        """Only now it is known what is drawn here."""
        return not self._has_answered and request.drawn_for != self._drawn_for

    def _play(self, script: Script) -> None:
        self._playing = script
        drawing = random.Random(self._drawn_for) if self._drawn_for else self._random
        self._checkpoints = Checkpoints(begin(script, drawing.randrange))

    def _place(self, request: Generate) -> tuple[Place, str | None]:
        """Where the conversation stands, and the key under which the answer is kept."""
        keys = [key for key, _ in keyed_inputs(request.items)]
        last = request.items[-1] if request.items else None
        again = isinstance(last, FunctionCallOutput) or (
            isinstance(last, Message) and last.role == "user"
        )
        place = self._checkpoints.find(keys, again=again)
        if not self._has_answered:
            place = self._resumed(request, place)
        return place, keys[-1] if keys else None

    def _resumed(self, request: Generate, place: Place) -> Place:
        """Before our first answer a history is of another session; each input is heard once."""
        rest = after_inputs(
            request.items, sum(1 for _ in keyed_inputs(request.items)) - len(place.new)
        )
        situation, answered = resumed(self._dialogue(request), place.state, rest)
        if self._playing.open:
            answered = max(answered, answered_before(rest))
            situation = without_clock(self._playing, situation)
        if answered and not request.out_of_band:
            self._checkpoints.keep(place.new[answered - 1], place.state, situation)
        return Place(situation, place.new[answered:])

    # --- The answer ---

    def _plan(self, request: Generate, place: Place) -> _Plan:
        plan = self._free_plan(request, place)
        forced = self._forced_tool(request)
        if forced is None or any(call.tool == forced.name for call in plan.calls):
            return plan
        if plan.calls and not isinstance(request.tool_choice, FunctionChoice):
            return plan
        text = "".join(self._new_texts(request, place)[-1:])
        arguments = forced_arguments(parameters_of(forced), text, self._clock().date())
        return _Plan(after=place.state, calls=(Call(self._new_call_id(), forced.name, arguments),))

    def _forced_tool(self, request: Generate) -> FunctionTool | None:
        offered = functions(request.tools)
        if isinstance(request.tool_choice, FunctionChoice):
            name = request.tool_choice.name
            return next((tool for tool in offered if tool.name == name), None)
        if request.tool_choice == "required" and offered:
            texts = [text_of(i) for _, i in keyed_inputs(request.items) if isinstance(i, Message)]
            return rank(texts[-1] if texts else "", offered)[0].tool
        return None

    def _free_plan(self, request: Generate, place: Place) -> _Plan:
        directive, now = read_instructions(request.instructions), place.state
        if directive.kind == "say":
            return _Plan(after=now, reply=directive.text)
        dialogue = self._dialogue(request)
        results, texts = self._new_results(request, place), self._new_texts(request, place)
        if not results and not texts:
            if request.items and isinstance(request.items[-1], FunctionCall):
                return _Plan(after=now, reply="I am still waiting for the function's answer.")
            if directive.kind == "greet" and now.greeted:
                turn = dialogue.greeting(now)
                return _Plan(after=turn.situation, reply=turn.reply)
        if texts and not texts[-1] and self._newest_has_image(request):
            reply = f"I was sent an image, but I cannot see. {dialogue.prompt(now).reply}"
            return _Plan(after=now, reply=reply)
        turns = take(dialogue, now, results, texts)
        calls = tuple(turn.call for turn in turns if turn.call)
        reply = " ".join(turn.reply for turn in turns if turn.reply)
        return _Plan(after=turns[-1].situation, reply=reply, calls=calls)

    # --- What is new ---

    def _new_results(self, request: Generate, place: Place) -> list[FunctionCallOutput]:
        """Outputs that are the newest input, with others just before them."""
        new = [item for key, item in keyed_inputs(request.items) if key in place.new]
        results: list[FunctionCallOutput] = []
        for item in reversed(new):
            if not isinstance(item, FunctionCallOutput):
                break
            results.append(item)
        return results[::-1]

    def _new_texts(self, request: Generate, place: Place) -> list[str]:
        """What the user said since the last answer, oldest first."""
        return [
            text_of(item).strip()
            for key, item in keyed_inputs(request.items)
            if key in place.new and isinstance(item, Message)
        ]

    def _heard_before(self, request: Generate) -> str:
        texts = [text_of(i) for _, i in keyed_inputs(request.items) if isinstance(i, Message)]
        return texts[-2].strip() if len(texts) > 1 else ""

    def _newest_has_image(self, request: Generate) -> bool:
        inputs = [item for _, item in keyed_inputs(request.items) if isinstance(item, Message)]
        return bool(inputs) and any(isinstance(p, InputImage) for p in inputs[-1].content)

    def _tools(self, request: Generate) -> tuple[FunctionTool, ...]:
        return () if request.tool_choice == "none" else functions(request.tools)

    def _dialogue(self, request: Generate) -> Dialogue:
        script = self._playing
        offered = {tool.name: tool for tool in self._tools(request)}

        items: dict[tuple[str, str], tuple[str, ...]] = {}
        for tool, parameter in script.tool_enums:
            if tool in offered:
                parameters = parameters_of(offered[tool])
                schema = properties_of(parameters, parameters).get(parameter, {})
                items[tool, parameter] = tuple(map(str, enum_of(schema, parameters)))
        around = Surroundings(
            self._clock(),
            offered,
            self._new_call_id,
            server_tools=frozenset(tool.name for tool in request.server_tools),
            instructions=request.instructions,
            last_reply=last_reply(request.items),
            last_heard=self._heard_before(request),
            similarity=self._similarity,
            heard_language=request.heard_language,
        )
        kind = OpenDialogue if script.open else Dialogue
        return kind(with_tool_items(script, items), around)

    def _new_call_id(self) -> str:
        letters = string.ascii_letters + string.digits
        return "call_" + "".join(self._random.choices(letters, k=16))
