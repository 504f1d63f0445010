"""All responses of a conversation: who may begin, who is stopped, whose news counts.

At most one writes to the conversation; out-of-band ones run beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET

from antiphon.core.causes import (
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    Ms,
    ToolAnswered,
)
from antiphon.core.context import ContextTooLong, Window
from antiphon.core.created import Created
from antiphon.core.effects import Effect, Generate, RunTool, StopGenerating, TurnCommitted
from antiphon.core.faults import Fault
from antiphon.core.items import Entry, HeardPart, MessageEntry
from antiphon.core.planning import Planner
from antiphon.core.records import ContextCut
from antiphon.core.response import Plan, Response
from antiphon.core.server_calls import ServerCalls
from antiphon.core.stage import Stage
from antiphon.core.usage import NO_TOKENS, Tokens
from antiphon.protocol.client import ResponseOptions
from antiphon.protocol.items import Item
from antiphon.protocol.server import RateLimit, RateLimitsUpdated, ResponseError
from antiphon.protocol.session import (
    Session,
)

MAX_OUT_OF_BAND = 16
"""Overflow policy: one more is refused."""
MAX_DISOWNED = 64
"""Overflow policy: of answers that an engine began and we ended, the oldest is forgotten."""
UNLIMITED = (
    RateLimit("requests", 1_000_000, 1_000_000, 0.0),
    RateLimit("tokens", 100_000_000, 100_000_000, 0.0),
)
"""We set no rate limits of our own; clients expect the event all the same."""

ResponseNews = EngineSaid | EngineSpoke | EngineWrote | EngineCalled | EngineFinished | EngineFailed


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an engine is asked for; another one can be asked for the same."""

    options: ResponseOptions
    context: Sequence[Entry]
    untold: list[Created]
    """What of the context is audio whose words the engine is to find out."""


class Responses:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._planner = Planner(stage)
        self._active: Response | None = None
        self._beside: dict[str, Response] = {}
        self._disowned: deque[str] = deque(maxlen=MAX_DISOWNED)
        """Engines' own names of answers that are over, or that may not be."""
        self._asked: dict[str, _Asked] = {}
        """How those that run were asked for, by their ids; none where the engine began."""
        self._rate_limits: tuple[RateLimit, ...] = UNLIMITED
        past = stage.terms.past
        self._server_calls = ServerCalls(stage.recorder, () if past is None else past.server_calls)

    @property
    def active(self) -> Response | None:
        """The one that writes to the conversation."""
        return self._active

    @property
    def any_runs(self) -> bool:
        return self._active is not None or bool(self._beside)

    # --- Beginning -----------------------------------------------------------

    def create(self, options: ResponseOptions, out: list[Effect]) -> None:
        """Begin a response.

        Raises:
            Fault: it may not begin; nothing has changed.
        """
        in_conversation = options.conversation != "none"
        session = self._check(in_conversation=in_conversation)
        untold: list[Created] = []
        entries = self._planner.context(options.input, untold)
        plan = self._planner.plan(session, options, in_conversation=in_conversation)
        window = self._stage.window if in_conversation else None
        last_cut = self._stage.window.last_cut
        try:
            context, seen = self._planner.fit(plan, entries, session, window)
        except ContextTooLong:
            self._refuse(plan, out)
            return
        if (cut := self._stage.window.last_cut) is not None and cut is not last_cut:
            self._stage.recorder.tell(ContextCut(cut), out)
        self._begin(plan.with_context(seen), out)
        if untold:
            kept = {entry.id for entry in context}
            untold = [created for created in untold if created.entry.id in kept]
        asked = _Asked(options, context, untold)
        self._asked[plan.id] = asked
        self._ask(plan, asked, out)

    def foresee(
        self, item_id: str, words: str, samples: int, *, replaces: Sequence[str] = ()
    ) -> tuple[Generate, Tokens] | None:
        """What an engine would be asked for if the open turn were over, and what it would see.

        None: for nothing.  No id is used, and nothing changes.  ``replaces``: as of `Pause`.
        """
        part = HeardPart(words, samples=samples)
        entries = [entry for entry in self._stage.history if entry.id not in replaces]
        entries.append(MessageEntry(item_id, "user", parts=[part]))
        options, window = ResponseOptions(), Window(self._stage.window.last_cut)
        try:
            session = self._check(in_conversation=True)
            plan = self._planner.plan(session, options, in_conversation=True, response_id="")
            context, seen = self._planner.fit(plan, entries, session, window)
        except (Fault, ContextTooLong):
            return None
        return self._request(plan, _Asked(options, context, [])), seen

    def _ask(self, plan: Plan, asked: _Asked, out: list[Effect]) -> None:
        out += [TurnCommitted(created.entry.id, created.untold_pcm) for created in asked.untold]
        out.append(self._request(plan, asked))

    def _request(self, plan: Plan, asked: _Asked) -> Generate:
        session, given = self._stage.session, asked.options.input
        assert isinstance(session, Session), "only a realtime session has responses"
        return Generate(
            response_id=plan.engine_name,
            items=self._items(asked.context),
            items_are_conversation=given is UNSET or given is None,
            instructions=plan.instructions,
            memory=self._stage.memory,
            tools=plan.tools,
            server_tools=plan.server_tools,
            tool_choice=plan.tool_choice,
            modality=plan.modality,
            voice=plan.voice,
            speed=plan.speed,
            max_output_tokens=plan.max_output_tokens,
            parallel_tool_calls=plan.parallel_tool_calls,
            reasoning_effort=plan.reasoning_effort,
            may_truncate=session.truncation != "disabled",
            out_of_band=not plan.in_conversation,
            drawn_for=self._stage.drawn_for,
        )

    def _items(self, context: Sequence[Entry]) -> tuple[Item, ...]:
        """What an engine is shown of it."""
        whole = self._stage.history.whole()
        if context is whole.entries and not self._server_calls.any_kept:
            return whole.items
        return tuple(self._server_calls.among(context, self._stage.history.for_engine))

    def adopt(self, engine_name: str, out: list[Effect]) -> None:
        """Begin a response that the engine is giving already, under a name of its own.

        Raises:
            Fault: it may not begin; nothing has changed.
        """
        session = self._check(in_conversation=True)
        plan = self._planner.plan(
            session, ResponseOptions(), in_conversation=True, engine_name=engine_name
        )
        try:
            entries = self._stage.history.whole().entries
            _, seen = self._planner.fit(plan, entries, session, None)
        except ContextTooLong:
            seen = NO_TOKENS  # What an engine leaves out of its own context, only it knows.
        self._begin(plan.with_context(seen), out)

    def disown(self, engine_name: str) -> None:
        """News of that answer counts no more, and has been told."""
        self._disowned.append(engine_name)

    def _check(self, *, in_conversation: bool) -> Session:
        session = self._stage.session
        if not isinstance(session, Session):
            raise Fault("invalid_event", "A transcription session has no responses.")
        if in_conversation and self._active is not None:
            raise Fault(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if not in_conversation and len(self._beside) >= MAX_OUT_OF_BAND:
            raise Fault(
                "rate_limit_exceeded",
                f"{MAX_OUT_OF_BAND} out-of-band responses are in progress; wait for one to end.",
            )
        return session

    def _begin(self, plan: Plan, out: list[Effect]) -> None:
        response = Response(plan, self._stage)
        response.created(out)
        if plan.in_conversation:
            self._active = response
        else:
            self._beside[plan.id] = response

    def _refuse(self, plan: Plan, out: list[Effect]) -> None:
        """A response that fails before it has begun."""
        fixed_tokens = self._planner.fixed_tokens(plan)
        response = Response(plan.with_context(Tokens(text=fixed_tokens)), self._stage)
        response.created(out)
        error = ResponseError(
            type="invalid_request_error",
            code="context_length_exceeded",
            message="The conversation does not fit the model's context and truncation is "
            "disabled; delete items or set session.truncation to 'auto'.",
        )
        response.fail(error, out)
        self._announce_rate_limits(out)

    # --- News ----------------------------------------------------------------

    def on_news(self, news: ResponseNews, now_ms: Ms, out: list[Effect]) -> Response | None:
        """Returns the response, where this ended it."""
        response = self._named(news.response_id)
        if response is None:
            self._on_stray(news.response_id, out)
            return None
        match news:
            case EngineSpoke():
                response.speak(news.pcm, news.words, now_ms, out)
            case EngineSaid():
                response.say(news.text, out)
            case EngineWrote():
                response.write(news.text, out)
            case EngineCalled() if any(t.name == news.name for t in response.plan.server_tools):
                self._call_server(response, news, out)
            case EngineCalled():
                response.call(news, out)
            case EngineFinished() if self._pauses(response, news):
                response.rest(out)
                self._go_on_if_answered(response, out)
                return None
            case EngineFinished():
                response.finish(news, out)
                return self._ended(response, out)
            case EngineFailed():
                error = ResponseError(type=news.type, code=news.code, message=news.message)
                response.fail(error, out)
                return self._ended(response, out)
        if response.has_spent_its_tokens:
            out.append(StopGenerating(response.plan.engine_name))
            response.cut(out)
            return self._ended(response, out)
        return None

    def on_answered(self, cause: ToolAnswered, out: list[Effect]) -> None:
        """The server has carried out a function."""
        self._server_calls.answer(cause.call_id, cause.output, self._stage.new_item_id, out)
        if self._active is not None:
            self._go_on_if_answered(self._active, out)

    def _call_server(self, response: Response, news: EngineCalled, out: list[Effect]) -> None:
        response.rest(out)
        history = self._stage.history
        arguments = self._server_calls.grow(
            news, response.id, history.last_id, self._stage.new_item_id, out
        )
        if arguments is not None:
            turns = [e for e in history if isinstance(e, MessageEntry) and e.role == "user"]
            out.append(RunTool(news.call_id, news.name, arguments, len(turns)))

    def _pauses(self, response: Response, news: EngineFinished) -> bool:
        """It is not over: the engine will be asked for more.  Where a client is to answer a call as
        well, that asks for more.
        """
        if news.reason is not None or response.calls_client:
            return False
        if not self._server_calls.pause(response.id):
            return False
        response.pause(news)
        return True

    def _go_on_if_answered(self, response: Response, out: list[Effect]) -> None:
        calls, asked = self._server_calls, self._asked.get(response.id)
        if asked is None or not calls.is_paused(response.id) or not calls.is_answered(response.id):
            return
        may_call = calls.go_on(response.id)
        plan = response.plan
        response.plan = plan.asked_again(
            self._stage.ids.new("resp"), plan.server_tools if may_call else ()
        )
        seen = {entry.id: entry for entry in (*asked.context, *response.entries)}
        context = [entry for entry in seen.values() if self._is_there(entry)]
        again = _Asked(asked.options, context, [])
        self._asked[response.id] = again
        self._ask(response.plan, again, out)

    def _is_there(self, entry: Entry) -> bool:
        return self._stage.history.get(entry.id) is entry

    def on_rate_limits(self, limits: tuple[RateLimit, ...], out: list[Effect]) -> None:
        """What an engine tells of itself; each response that ends repeats it."""
        if limits != self._rate_limits:
            self._rate_limits = limits
            self._announce_rate_limits(out)

    # --- Ending --------------------------------------------------------------

    def cancel(self, response_id: str | None, out: list[Effect]) -> Response:
        """A client's wish.  Returns the response that this ended.

        Raises:
            Fault: nothing to cancel.  LiveKit knows it by the message, Pipecat by the code.
        """
        response = self._active if response_id is None else self._find(response_id)
        if response is None:
            raise Fault(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        return self._cancel(response, "client_cancelled", out)

    def cancel_all(self, out: list[Effect]) -> None:
        """There is nobody left to answer."""
        for response in self._running:
            self._cancel(response, "client_cancelled", out)

    def interrupt(self, out: list[Effect]) -> Response | None:
        """The user speaks: the conversation's response stops, those beside it do not."""
        response = self._active
        if response is None:
            return None
        return self._cancel(response, "turn_detected", out)

    def fail_all(self, error: ResponseError, out: list[Effect]) -> list[Response]:
        """Nothing more can come of any of them.  Returns those that this ended."""
        running = self._running
        for response in running:
            response.fail(error, out)
            self._ended(response, out)
        return running

    # --- Another engine ------------------------------------------------------

    def fail_begun(
        self, error: ResponseError, out: list[Effect]
    ) -> tuple[list[Response], ResponseOptions | None]:
        """Another engine takes over: what the one before had begun to say nobody can end.

        Returns the responses that this ended, and how the conversation's was asked for, where
        that is one of them.
        """
        ended, interrupted = [], None
        for response in self._running:
            asked = self._asked.get(response.id)
            if asked is not None and not response.has_begun:
                continue
            if response is self._active:
                interrupted = ResponseOptions() if asked is None else asked.options
            response.fail(error, out)
            ended.append(self._ended(response, out))
        return ended, interrupted

    def ask_again(self, out: list[Effect]) -> None:
        """Ask another engine for the answers that are awaited."""
        self._rate_limits = UNLIMITED  # It tells its own.
        for response in self._running:
            if not self._server_calls.is_paused(response.id):  # Else it is asked once that ends.
                self._ask(response.plan, self._asked[response.id], out)

    # --- Small ---------------------------------------------------------------

    def _cancel(
        self,
        response: Response,
        reason: Literal["turn_detected", "client_cancelled"],
        out: list[Effect],
    ) -> Response:
        out.append(StopGenerating(response.plan.engine_name))
        response.cancel(reason, out)
        return self._ended(response, out)

    @property
    def _running(self) -> list[Response]:
        return [*([self._active] if self._active else []), *self._beside.values()]

    def _on_stray(self, engine_name: str, out: list[Effect]) -> None:
        """News of no response that runs.  Mostly, the engine had not yet heard that we ended it."""
        if self._stage.ids.made(engine_name) or engine_name in self._disowned:
            return
        out.append(StopGenerating(engine_name))
        self.disown(engine_name)
        message = "The engine sent part of a response that nobody asked for; it was told to stop."
        out.append(self._stage.error(Fault("engine_error", message), kind="server_error"))

    def _ended(self, response: Response, out: list[Effect]) -> Response:
        self._announce_rate_limits(out)
        if response.plan.engine_name != response.id:
            self.disown(response.plan.engine_name)
        if response is self._active:
            self._active = None
        else:
            del self._beside[response.id]
        self._asked.pop(response.id, None)
        self._server_calls.end(response.id)
        return response

    def _announce_rate_limits(self, out: list[Effect]) -> None:
        if self._stage.terms.announce_rate_limits:
            limits = self._rate_limits
            out.append(RateLimitsUpdated(event_id=self._stage.ids.event(), rate_limits=limits))

    def _named(self, engine_name: str) -> Response | None:
        """By what the engine calls it."""
        if self._active is not None and self._active.plan.engine_name == engine_name:
            return self._active
        return self._beside.get(engine_name)

    def _find(self, response_id: str) -> Response | None:
        if self._active is not None and self._active.id == response_id:
            return self._active
        return self._beside.get(response_id)
