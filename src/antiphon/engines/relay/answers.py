"""The assistant's side: answers asked of the upstream, and what it says.

An answer that we ask for carries our name in its metadata, which the upstream repeats.  One without
is one that the upstream began of itself.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.core.causes import (
    EngineBegan,
    EngineCalled,
    EngineCounted,
    EngineFailed,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
)
from antiphon.core.effects import Generate
from antiphon.engines.relay.mirror import Held, Kind, Mirror
from antiphon.engines.relay.pace import Speech
from antiphon.engines.relay.wishes import options_of
from antiphon.protocol import server
from antiphon.protocol.client import ClientEvent, ResponseCancel, ResponseCreate
from antiphon.protocol.items import FunctionCall, Item
from antiphon.protocol.session import Session

NAME = "antiphon_response"
"""Our name of an answer, in its metadata."""
MAX_ASKED = 2
"""An answer that was lost, or failed, before anything of it came is asked for once more."""
STILL_ACTIVE = "conversation_already_has_active_response"
OUT_OF_SERVICE = frozenset({"rate_limit_exceeded", "insufficient_quota"})
"""Whatever is asked of the upstream, it does not answer for a while."""
LOST_CODE = "upstream_lost"
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(eq=False, slots=True)
class Answer:
    name: str
    """As the core knows it."""
    generate: Generate | None
    """None: the upstream began it of itself."""
    upstream_id: str | None = None
    asked: int = 0
    heard_s: float = 0.0
    """When something came of it last, or it was asked for."""
    waits_for: Literal["turns", "end"] | None = None
    """It is not asked for yet: it is to see turns that the upstream has not named, or the one
    before it has not ended there."""
    is_told: bool = False
    """The core knows something of it."""
    is_stopped: bool = False
    """The core wants to know no more of it."""
    held: dict[str, Held] = field(default_factory=dict)
    """Its items, by the upstream's ids."""
    last: Held | None = None
    """Of those, the one that was told of last."""
    calls: dict[str, Call] = field(default_factory=dict)
    """By the same ids, those that are calls."""

    @property
    def in_conversation(self) -> bool:
        return self.generate is None or not self.generate.out_of_band


@dataclass(eq=False, slots=True)
class Call:
    call_id: str
    name: str
    sent: int = 0
    """Characters of its arguments that were told."""
    has_ended: bool = False


class Answers:
    """Args:
    write, tell: Events for the upstream, and news for the core.
    """

    def __init__(
        self,
        write: Callable[[ClientEvent], None],
        tell: Callable[[EngineNews], None],
        mirror: Mirror,
    ) -> None:
        self._write = write
        self._tell = tell
        self.mirror = mirror
        self._now_s = mirror.pace.now_s
        self.settings: Session | None = None
        """As the upstream has them; None: it refused them, or knows none."""
        self._plugged = False
        self._asked: dict[str, Answer] = {}
        """Not begun yet, by our names; few: the core bounds them."""
        self._running: dict[str, Answer] = {}
        """By the upstream's ids."""
        self._unnamed: dict[str, deque[Held]] = {}
        """By our names of answers, what was told of them and has no id of ours yet."""

    # --- For those who look on -----------------------------------------------

    @property
    def is_calm(self) -> bool:
        return not self._asked and not self._running

    def is_overdue(self, stall_s: float) -> bool:
        """An answer is awaited of which nothing has come for so long."""
        awaited = [*self._asked.values(), *self._running.values()]
        heard_s = min((a.heard_s for a in awaited if not a.is_stopped), default=None)
        return heard_s is not None and self._now_s() - heard_s > stall_s

    # --- Commands ------------------------------------------------------------

    def generate(self, command: Generate) -> None:
        answer = self._asked[command.response_id] = Answer(command.response_id, command)
        answer.heard_s = self._now_s()
        if self._plugged:
            self._ask(answer)

    def stop(self, name: str) -> None:
        answer = self._named(name)
        if answer is None or answer.is_stopped:
            return
        answer.is_stopped = True
        self._unnamed.pop(name, None)
        for held in answer.held.values():
            held.settled = True
        if answer.upstream_id is not None:
            cancel = ResponseCancel(event_id=f"stop:{name}", response_id=answer.upstream_id)
            self._write(cancel)
        elif not self._plugged or answer.waits_for is not None:
            del self._asked[name]
        elif answer.in_conversation:  # There is one at most, so it needs no id.
            self._write(ResponseCancel(event_id=f"stop:{name}"))

    def name_item(self, name: str, item: Item) -> None:
        """The core has opened an item for what was told of an answer, in the order of telling."""
        unnamed = self._unnamed.get(name, ())
        while unnamed:
            held = unnamed.popleft()
            if (held.kind == "called") == isinstance(item, FunctionCall):
                held.our_id = item.id or None
                return

    def was_told(self, news: EngineNews) -> None:
        """The core has dealt with it."""
        if isinstance(news, EngineFinished | EngineFailed):
            self._unnamed.pop(news.response_id, None)

    # --- What the upstream says ----------------------------------------------

    def on_created(self, event: server.ResponseCreated) -> None:
        response = event.response
        if response.id in self._running:
            return  # It was told twice.
        name = (response.metadata or {}).get(NAME, "")
        answer = self._asked.pop(name, None)
        if answer is None and response.conversation_id is not None:
            answer = self._asked_meanwhile()
        if answer is None:
            answer = Answer(response.id, None, asked=MAX_ASKED)
            self._tell(EngineBegan(answer.name))
        answer.upstream_id, answer.heard_s = response.id, self._now_s()
        self._running[response.id] = answer
        if answer.is_stopped:
            self._write(ResponseCancel(event_id=f"stop:{answer.name}", response_id=response.id))

    def adopt(self, response_id: str, *, is_owed: bool) -> bool:
        """Something comes of an answer whose `response.created` did not.

        It is the one that is owed, or else the only one that was asked for.  Returns whether it
        is owed.
        """
        if response_id in self._running or not response_id:
            return False
        asked = [a for a in self._asked.values() if a.waits_for is None and not a.is_stopped]
        if is_owed and not self._asked:
            answer = Answer(response_id, None, asked=MAX_ASKED)
            self._tell(EngineBegan(answer.name))
        elif len(asked) == len(self._asked) == 1 and not self._running:
            answer = self._asked.pop(asked[0].name)
        else:
            return False
        answer.upstream_id, answer.heard_s = response_id, self._now_s()
        self._running[response_id] = answer
        return answer.generate is None

    def _asked_meanwhile(self) -> Answer | None:
        """The upstream began of itself what was asked for a moment later: it will refuse that."""
        for name, answer in self._asked.items():
            if answer.in_conversation and not answer.is_stopped:
                return self._asked.pop(name)
        return None

    def on_item_added(self, event: server.ResponseOutputItemAdded) -> None:
        answer = self._running.get(event.response_id)
        item = event.item
        if answer is None or not isinstance(item.id, str):
            return
        if isinstance(item, FunctionCall):
            call_id = item.call_id if isinstance(item.call_id, str) else ""
            if not _CALL_ID.fullmatch(call_id):
                ours = re.sub(r"[^A-Za-z0-9_-]", "_", item.id)[-32:]
                self.mirror.call_ids[ours], call_id = call_id, ours
            answer.calls[item.id] = Call(call_id, item.name)
            held = Held("called", [item.id], item=replace(item, call_id=call_id))
        else:
            held = Held("written", [item.id])
        held.told = held.settled = False
        if answer.is_stopped:
            held.settled = True
        answer.held[item.id] = held
        if answer.in_conversation:
            self.mirror.add(held)

    def on_said(self, event: server.ResponseOutputAudioTranscriptDelta) -> None:
        found = self._talking(event.response_id, event.item_id, "spoken")
        if found is None or not event.delta:
            return
        answer, held = found
        self._spoken(held).say(event.delta)
        held.text += event.delta
        self._tell(EngineSaid(answer.name, event.delta))

    def on_spoke(self, event: server.ResponseOutputAudioDelta) -> None:
        found = self._talking(event.response_id, event.item_id, "spoken")
        if found is None:
            return
        answer, held = found
        pcm = event.delta[: len(event.delta) // 2 * 2]
        words = self._spoken(held).speak(len(pcm) // 2)
        self._tell(EngineSpoke(answer.name, pcm, words))

    def on_item_done(self, event: server.ResponseOutputItemDone) -> None:
        """Its words are whole, and their sound."""
        answer = self._running.get(event.response_id)
        held = None if answer is None else answer.held.get(event.item.id or "")
        if answer is None or answer.is_stopped or held is None or held.speech is None:
            return
        if words := held.speech.finish():
            self._tell(EngineSpoke(answer.name, b"", words))

    def on_wrote(self, event: server.ResponseOutputTextDelta) -> None:
        found = self._talking(event.response_id, event.item_id, "written")
        if found is None or not event.delta:
            return
        answer, held = found
        held.text += event.delta
        self._tell(EngineWrote(answer.name, event.delta))

    def on_arguments(
        self,
        event: server.ResponseFunctionCallArgumentsDelta | server.ResponseFunctionCallArgumentsDone,
    ) -> None:
        found = self._talking(event.response_id, event.item_id, "called")
        call = None if found is None else found[0].calls.get(event.item_id)
        if found is None or call is None or call.has_ended:
            return
        answer, held = found
        if isinstance(event, server.ResponseFunctionCallArgumentsDone):
            call.has_ended = True
            if isinstance(held.item, FunctionCall):
                held.item = replace(held.item, arguments=event.arguments)
            piece = event.arguments[call.sent :]
        else:
            piece = event.delta
            call.sent += len(piece)
        self._tell(EngineCalled(answer.name, call.call_id, call.name, piece, call.has_ended))

    def on_done(self, event: server.ResponseDone) -> None:
        response = event.response
        answer = self._running.pop(response.id, None)
        if answer is None:
            return
        for held in answer.held.values():
            held.settled = True
        if not answer.is_stopped and not self._asks_once_more(answer, response):
            self._tell(_end_of(answer.name, response))
        elif response.usage is not None and response.usage.total_tokens:
            self._tell(EngineCounted(answer.name, response.usage))
        self.ask_waiting("end")

    def _asks_once_more(self, answer: Answer, response: server.Response) -> bool:
        """A server's error that struck before anything was told is mostly gone a moment later: the
        same upstream is asked again, before the whole call moves to another engine.
        """
        details = response.status_details
        error = None if details is None or details.error is UNSET else details.error
        if (
            (error is None or error.type != "server_error" or error.code in OUT_OF_SERVICE)
            or answer.is_told
            or answer.generate is None
            or answer.asked >= MAX_ASKED
        ):
            return False
        answer.upstream_id = None
        self._asked[answer.name] = answer
        self._ask(answer)
        return True

    def on_refused(self, name: str, detail: server.ErrorDetail) -> None:
        """The upstream does not give an answer that was asked for."""
        answer = self._asked.pop(name, None)
        if answer is None or answer.is_stopped:
            return
        others = any(other.in_conversation for other in self._running.values())
        if detail.code == STILL_ACTIVE and others and answer.asked < MAX_ASKED:
            # What was cancelled has not ended there yet.
            answer.waits_for = "end"
            self._asked[name] = answer
        else:
            self._tell(EngineFailed(name, detail.message, detail.code, detail.type))

    # --- Another upstream ----------------------------------------------------

    def unplug(self) -> None:
        """The upstream is gone: what had begun to come is lost, what had not is asked for again."""
        self._plugged, self.settings = False, None
        running, self._running = list(self._running.values()), {}
        for answer in [*running, *self._asked.values()]:
            for held in answer.held.values():
                held.settled = True
            again = answer.generate is not None and answer.asked < MAX_ASKED
            if answer.is_stopped:
                self._asked.pop(answer.name, None)
            elif answer.is_told or not again:
                self._asked.pop(answer.name, None)
                message = "The upstream server was lost in the middle of the answer."
                self._tell(EngineFailed(answer.name, message, LOST_CODE, is_unavailable=True))
            else:
                answer.upstream_id = None
                self._asked[answer.name] = answer

    def plug(self, mirror: Mirror) -> None:
        self._plugged, self.mirror = True, mirror

    def ask_again(self) -> None:
        for answer in list(self._asked.values()):
            self._ask(answer)

    def ask_waiting(self, what: Literal["turns", "end"]) -> None:
        """The upstream has named a turn, or ended an answer."""
        for answer in list(self._asked.values()):
            if answer.waits_for == what:
                self._ask(answer)

    def fail_awaited(self, message: str, code: str) -> None:
        """There is no upstream."""
        for answer in self._asked.values():
            self._tell(EngineFailed(answer.name, message, code, is_unavailable=True))
        self._asked.clear()

    # --- Small ---------------------------------------------------------------

    def _ask(self, answer: Answer) -> None:
        answer.heard_s = self._now_s()
        command = answer.generate
        assert command is not None, "somebody asked for it"
        answer.waits_for = None
        is_aligned = command.items_are_conversation and not command.out_of_band
        if not is_aligned and not self.mirror.are_there(command.items):
            answer.waits_for = "turns"
            return
        answer.asked += 1
        context = None
        if is_aligned:
            changes: list[ClientEvent] = []
            self.mirror.align(command.items, changes)
            for change in changes:
                self._write(change)
        else:
            context = self.mirror.references(command.items)
        options = options_of(command, self.settings, context)
        options = replace(options, metadata={NAME: answer.name})
        self._write(ResponseCreate(event_id=f"ask:{answer.name}", response=options))

    def _named(self, name: str) -> Answer | None:
        if (answer := self._asked.get(name)) is not None:
            return answer
        return next((a for a in self._running.values() if a.name == name), None)

    def _talking(self, response_id: str, item_id: str, kind: Kind) -> tuple[Answer, Held] | None:
        """The answer and item that something is told of; None where nobody wants to know."""
        answer = self._running.get(response_id)
        if answer is None:
            return None
        answer.heard_s = self._now_s()
        held = answer.held.get(item_id)
        if held is None:  # The upstream did not announce it.
            held = answer.held[item_id] = Held(kind, [item_id], told=False, settled=False)
            if answer.in_conversation:
                self.mirror.add(held)
        if answer.is_stopped:
            held.has_more = True
            return None
        if not held.told:
            held.kind, held.told = kind, True
            last = answer.last
            if last is not None and last.kind == kind != "called":
                # To the core, one message goes on.
                self.mirror.drop(held)
                last.upstream_ids.append(item_id)
                held = answer.held[item_id] = last
            elif answer.in_conversation:
                self._unnamed.setdefault(answer.name, deque()).append(held)
        answer.is_told, answer.last = True, held
        return answer, held

    def _spoken(self, held: Held) -> Speech:
        if held.speech is None:
            held.speech = Speech(self.mirror.pace)
        return held.speech


def _end_of(name: str, response: server.Response) -> EngineFinished | EngineFailed:
    details = response.status_details
    if response.status in ("failed", "cancelled"):
        error = None if details is None or details.error is UNSET else details.error
        if error is None:
            return EngineFailed(name, f"The upstream {response.status} the answer.")
        is_unavailable = error.type == "server_error" or error.code in OUT_OF_SERVICE
        return EngineFailed(
            name, error.message, error.code, error.type, is_unavailable=is_unavailable
        )
    reason: Literal["max_output_tokens", "content_filter"] | None = None
    if response.status == "incomplete" and details is not None:
        is_filter = details.reason == "content_filter"
        reason = "content_filter" if is_filter else "max_output_tokens"
    return EngineFinished(name, reason, usage=response.usage)
