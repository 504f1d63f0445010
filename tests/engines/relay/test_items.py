"""The upstream's conversation is made the one that ours is, before each answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from antiphon.core.causes import EngineErred, RateLimitsChanged
from antiphon.core.effects import (
    Configure,
    Generate,
    ItemAdded,
    ItemCut,
    ItemRemoved,
    StopGenerating,
)
from antiphon.engines.relay.interpreter import Interpreter
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.protocol import server
from antiphon.protocol.client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    ResponseCreate,
    SessionUpdate,
)
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputText,
    Item,
    Message,
    OutputAudio,
)
from antiphon.protocol.session import PcmFormat, Session

SECOND = bytes(48_000)


def said(text: str, item_id: str) -> Message:
    return Message(id=item_id, role="assistant", status="completed", content=(OutputAudio(text),))


def typed(text: str, item_id: str) -> Message:
    return Message(id=item_id, role="user", status="completed", content=(InputText(text),))


class Upstream:
    """What a server would say, by hand."""

    def __init__(self, finding: TurnFinding = "ours") -> None:
        self.now_s = 0.0
        self.metadata: dict[str, str] = {}
        self._name = ""
        self._named: set[object] = set()
        self.relay = Interpreter("sess", finding, lambda: self.now_s)
        self.relay.command(Configure(Session(id="sess", model="m", expires_at=0)))
        self.relay.plug()
        self.written()

    def written(self) -> list[ClientEvent]:
        events = list(self.relay.to_upstream)
        self.relay.to_upstream.clear()
        return events

    def asked(self, *items: Item, name: str = "resp_ours") -> list[ClientEvent]:
        """What is written for an answer, but for the asking itself.  Items of the assistant are
        what the core made of the answer before.
        """
        for item in items:
            self.opened(item)
        self._name = name
        self.relay.command(Generate(response_id=name, items=items))
        *changes, ask = self.written()
        assert isinstance(ask, ResponseCreate)
        assert ask.response is not None
        assert isinstance(ask.response.metadata, dict)
        self.metadata = ask.response.metadata
        return changes

    def opened(self, item: Item) -> None:
        """The core has made an item of what it was told of the answer."""
        is_answer = isinstance(item, FunctionCall) or (
            isinstance(item, Message) and item.role == "assistant"
        )
        if is_answer and item.id not in self._named:
            self._named.add(item.id)
            self.relay.command(ItemAdded(item, None, self._name))

    def response(self, kind: Any, response_id: str = "resp_theirs", **fields: Any) -> None:
        response = server.Response(
            id=response_id,
            status="in_progress",
            conversation_id="conv",
            output_modalities=("audio",),
            max_output_tokens="inf",
            audio=server.ResponseAudioOut(server.ResponseVoice(PcmFormat(), "marin")),
            metadata=self.metadata,
            **fields,
        )
        self.relay.event(kind(event_id="e", response=response))

    def item(self, kind: Any, item: Item) -> None:
        event = kind(event_id="e", response_id="resp_theirs", output_index=0, item=item)
        self.relay.event(event)

    def part(self, kind: Any, item_id: str, delta: Any) -> None:
        self.relay.event(
            kind(
                event_id="e",
                response_id="resp_theirs",
                item_id=item_id,
                output_index=0,
                content_index=0,
                delta=delta,
            )
        )

    def says(self, text: str, item_id: str = "item_theirs") -> None:
        message = Message(id=item_id, role="assistant", content=())
        self.response(server.ResponseCreated)
        self.item(server.ResponseOutputItemAdded, message)
        self.part(server.ResponseOutputAudioTranscriptDelta, item_id, text)
        self.part(server.ResponseOutputAudioDelta, item_id, SECOND)
        self.item(server.ResponseOutputItemDone, message)
        self.response(server.ResponseDone)


def created(event: ClientEvent) -> tuple[str, str | None]:
    assert isinstance(event, ConversationItemCreate)
    return str(event.item.id), event.previous_item_id


def test_what_a_client_made_is_made_there_once_in_its_place() -> None:
    upstream = Upstream()
    one, two, between = typed("one", "i1"), typed("two", "i2"), typed("and", "i3")
    assert [created(e) for e in upstream.asked(one, two)] == [("i1", None), ("i2", None)]
    upstream.says("Yes.")
    answer = said("Yes.", "i4")
    assert [created(e) for e in upstream.asked(one, between, two, answer)] == [("i3", "i1")]
    assert upstream.asked(one, between, two, answer) == []
    first = typed("zero", "i0")
    assert [created(e) for e in upstream.asked(first, one, between, two, answer)] == [
        ("i0", "root")
    ]


def test_what_is_deleted_here_is_deleted_there_by_its_name_there() -> None:
    upstream = Upstream()
    upstream.asked(typed("one", "i1"))
    upstream.says("Yes.")
    upstream.asked(typed("one", "i1"), said("Yes.", "i2"), name="resp_2")
    upstream.response(server.ResponseCreated, "resp_theirs_2")
    upstream.response(server.ResponseDone, "resp_theirs_2")
    gone = upstream.asked(name="resp_3")
    assert [e.item_id for e in gone if isinstance(e, ConversationItemDelete)] == [
        "i1",
        "item_theirs",
    ]
    assert len(gone) == 2


def test_what_stands_elsewhere_there_is_put_in_its_place_and_as_little_as_may_be() -> None:
    upstream = Upstream()
    one, two, three = typed("one", "i1"), typed("two", "i2"), typed("three", "i3")
    upstream.asked(one, two, three)
    gone, anew = upstream.asked(three, one, two, name="resp_2")
    assert isinstance(gone, ConversationItemDelete)
    assert gone.item_id == "i3"
    assert created(anew) == ("i3_1", "root")
    assert upstream.asked(three, one, two, name="resp_3") == []


def test_an_answer_is_cut_there_at_the_words_that_were_heard() -> None:
    upstream = Upstream()
    upstream.asked()
    upstream.says("one two three four")
    [cut] = upstream.asked(said("one two", "i1"))
    assert cut == ConversationItemTruncate(
        event_id="cut:item_theirs", item_id="item_theirs", audio_end_ms=388
    )
    assert upstream.asked(said("one two", "i1"), name="resp_2") == []


def test_an_answer_of_which_nothing_was_heard_is_cut_to_nothing() -> None:
    upstream = Upstream()
    upstream.asked()
    upstream.says("one two three four")
    [cut] = upstream.asked(said("", "i1"))
    assert isinstance(cut, ConversationItemTruncate)
    assert cut.audio_end_ms == 0


def test_what_came_after_an_answer_was_stopped_goes_there_too() -> None:
    upstream = Upstream()
    upstream.asked()
    message = Message(id="item_theirs", role="assistant", content=())
    upstream.response(server.ResponseCreated)
    upstream.item(server.ResponseOutputItemAdded, message)
    upstream.part(server.ResponseOutputAudioTranscriptDelta, "item_theirs", "one two")
    upstream.part(server.ResponseOutputAudioDelta, "item_theirs", SECOND)
    upstream.opened(said("one two", "i1"))
    upstream.relay.command(StopGenerating("resp_ours"))
    upstream.written()
    upstream.part(server.ResponseOutputAudioTranscriptDelta, "item_theirs", " three")
    upstream.part(server.ResponseOutputAudioDelta, "item_theirs", SECOND)
    upstream.item(server.ResponseOutputItemAdded, Message(id="never", role="assistant", content=()))
    upstream.response(server.ResponseDone)
    deleted, cut = upstream.asked(said("one two", "i1"), name="resp_2")
    assert isinstance(deleted, ConversationItemDelete)
    assert deleted.item_id == "never"
    assert isinstance(cut, ConversationItemTruncate)
    assert cut.audio_end_ms == 1000


def test_a_call_is_known_by_its_id_and_only_its_output_is_new() -> None:
    upstream = Upstream()
    upstream.asked()
    call = FunctionCall(id="theirs", name="f", call_id="call_1", arguments="")
    upstream.response(server.ResponseCreated)
    upstream.item(server.ResponseOutputItemAdded, call)
    upstream.relay.event(
        server.ResponseFunctionCallArgumentsDone(
            event_id="e",
            response_id="resp_theirs",
            item_id="theirs",
            output_index=0,
            call_id="call_1",
            name="f",
            arguments="{}",
        )
    )
    upstream.response(server.ResponseDone)
    ours = FunctionCall(id="i1", name="f", call_id="call_1", arguments="{}")
    output = FunctionCallOutput(id="i2", call_id="call_1", output="ten")
    assert [created(e) for e in upstream.asked(ours, output)] == [("i2", None)]


def test_a_call_is_told_whole_to_another_upstream() -> None:
    upstream = Upstream()
    upstream.asked()
    call = FunctionCall(id="theirs", name="f", call_id="call_1", arguments="")
    upstream.response(server.ResponseCreated)
    upstream.item(server.ResponseOutputItemAdded, call)
    done = server.ResponseFunctionCallArgumentsDone(
        event_id="e",
        response_id="resp_theirs",
        item_id="theirs",
        output_index=0,
        call_id="call_1",
        name="f",
        arguments='{"a": 1}',
    )
    upstream.relay.event(done)
    upstream.opened(FunctionCall(id="i1", name="f", call_id="call_1", arguments=""))
    upstream.response(server.ResponseDone)
    upstream.relay.unplug()
    upstream.relay.plug()
    [again] = [e for e in upstream.written() if isinstance(e, ConversationItemCreate)]
    assert isinstance(again.item, FunctionCall)
    assert (again.item.id, again.item.arguments) == ("i1", '{"a": 1}')


def test_two_messages_in_a_row_are_one_here_and_both_go_with_it() -> None:
    upstream = Upstream()
    upstream.asked()
    upstream.response(server.ResponseCreated)
    for name, text in (("a", "One moment. "), ("b", "It is ten.")):
        message = Message(id=name, role="assistant", content=())
        upstream.item(server.ResponseOutputItemAdded, message)
        upstream.part(server.ResponseOutputAudioTranscriptDelta, name, text)
        upstream.part(server.ResponseOutputAudioDelta, name, SECOND)
        upstream.item(server.ResponseOutputItemDone, message)
    upstream.response(server.ResponseDone)
    whole = said("One moment. It is ten.", "i1")
    assert upstream.asked(whole) == []
    gone_a, gone_b, again = upstream.asked(said("One moment.", "i1"), name="resp_2")
    assert isinstance(gone_a, ConversationItemDelete)
    assert isinstance(gone_b, ConversationItemDelete)
    assert isinstance(again, ConversationItemCreate)
    assert isinstance(again.item, Message)
    assert [part.text for part in again.item.content] == ["One moment."]  # type: ignore[union-attr]


def test_an_answer_is_asked_for_again_once_the_cancelled_one_has_ended() -> None:
    upstream = Upstream()
    upstream.asked(name="resp_1")
    upstream.response(server.ResponseCreated)
    upstream.relay.command(StopGenerating("resp_1"))
    upstream.written()
    upstream.asked(name="resp_2")
    detail = server.ErrorDetail(
        code="conversation_already_has_active_response", message="busy", event_id="ask:resp_2"
    )
    upstream.relay.event(server.Error(event_id="e", error=detail))
    assert upstream.written() == []
    upstream.response(server.ResponseDone)
    [ask] = upstream.written()
    assert isinstance(ask, ResponseCreate)
    assert not upstream.relay.news


def error(event_id: str | None, code: str) -> server.Error:
    detail = server.ErrorDetail(code=code, message="What is wrong.", event_id=event_id)
    return server.Error(event_id="e", error=detail)


@pytest.mark.parametrize(
    ("event_id", "code", "told"),
    [
        ("set", "invalid_value", True),
        ("item:i1", "invalid_value", True),
        (None, "server_error", True),
        ("stop:r", "response_cancel_not_active", False),
        ("cut:i1", "invalid_value", False),
        (None, "session_expired", False),
    ],
)
def test_an_error_of_what_the_client_can_know_of_is_told(
    event_id: str | None, code: str, told: bool
) -> None:
    relay = Upstream().relay
    relay.event(error(event_id, code))
    assert bool(relay.news) is told
    if told:
        assert relay.take_news() == EngineErred(error(None, code).error)


def test_rate_limits_there_are_told_here() -> None:
    relay = Upstream().relay
    limits = (server.RateLimit("requests", 10, 3, 1.5),)
    relay.event(server.RateLimitsUpdated(event_id="e", rate_limits=limits))
    assert relay.take_news() == RateLimitsChanged(limits)


def test_what_one_answer_alone_is_to_see_changes_nothing_there() -> None:
    upstream = Upstream()
    upstream.asked(typed("one", "i1"))
    upstream.says("Yes.")
    other = typed("other", "x")
    upstream.relay.command(
        Generate(response_id="resp_2", items=(other,), items_are_conversation=False)
    )
    [ask] = upstream.written()
    assert isinstance(ask, ResponseCreate)
    assert ask.response is not None
    assert ask.response.conversation is UNSET
    assert ask.response.input == (msgspec.structs.replace(other, id=UNSET, status=UNSET),)
    assert upstream.asked(typed("one", "i1"), said("Yes.", "i2")) == []


def test_an_answer_is_cut_there_at_the_very_moment_at_which_it_was_cut_here() -> None:
    upstream = Upstream()
    upstream.asked()
    upstream.says("one two three four")
    upstream.opened(said("one two three four", "i1"))
    upstream.relay.command(ItemCut(said("one two", "i1"), 450))
    assert upstream.written() == [], "there is time until the next answer"
    [cut] = upstream.asked(said("one two", "i1"))
    assert isinstance(cut, ConversationItemTruncate)
    assert cut.audio_end_ms == 450
    assert upstream.asked(said("one two", "i1"), name="resp_2") == []


def test_a_cut_that_cuts_nothing_is_not_told() -> None:
    upstream = Upstream()
    upstream.asked()
    upstream.says("one two")
    upstream.opened(said("one two", "i1"))
    upstream.relay.command(ItemCut(said("one two", "i1"), 1085))
    assert upstream.asked(said("one two", "i1")) == []


def test_who_answers_of_itself_is_told_at_once_what_changed() -> None:
    upstream = Upstream("duplex")
    one, two = typed("one", "i1"), typed("two", "i2")
    upstream.relay.command(ItemAdded(one, None))
    upstream.relay.command(ItemAdded(two, "i1"))
    upstream.relay.command(ItemAdded(typed("zero", "i0"), None))
    assert [created(e) for e in upstream.written()] == [("i1", None), ("i2", None), ("i0", "root")]
    upstream.asked(typed("zero", "i0"), one, two)
    upstream.says("one two three four")
    upstream.opened(said("one two three four", "i3"))
    upstream.relay.command(ItemCut(said("one two", "i3"), 450))
    upstream.relay.command(ItemRemoved("i2"))
    cut, gone = upstream.written()
    assert isinstance(cut, ConversationItemTruncate)
    assert (cut.item_id, cut.audio_end_ms) == ("item_theirs", 450)
    assert isinstance(gone, ConversationItemDelete)
    assert gone.item_id == "i2"
    assert upstream.asked(typed("zero", "i0"), one, said("one two", "i3"), name="resp_2") == []


def test_what_changes_while_there_is_no_upstream_is_told_to_the_next() -> None:
    upstream = Upstream("duplex")
    upstream.relay.unplug()
    upstream.relay.command(ItemAdded(typed("one", "i1"), None))
    upstream.relay.command(ItemAdded(typed("two", "i2"), "i1"))
    upstream.relay.command(ItemRemoved("i1"))
    assert upstream.written() == []
    upstream.relay.plug()
    items = [e for e in upstream.written() if isinstance(e, ConversationItemCreate)]
    assert [created(e) for e in items] == [("i2", None)]


def test_what_is_known_of_the_user_is_the_end_of_the_instructions_there() -> None:
    upstream = Upstream()
    session = Session(id="sess", model="m", expires_at=0, instructions="Be brief.")
    upstream.relay.command(Configure(session, "Notes."))
    [update] = upstream.written()
    assert isinstance(update, SessionUpdate)
    assert update.session.instructions == "Be brief.\n\nNotes."
    upstream.relay.command(
        Generate(response_id="resp_1", items=(), instructions="Be brief.", memory="Notes.")
    )
    *_, ask = upstream.written()
    assert isinstance(ask, ResponseCreate)
    assert ask.response is not None
    assert ask.response.instructions is UNSET, "as the session has it"
