"""Stories of a conversation as the client sees it, in virtual time."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.protocol import server
from antiphon.protocol.client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
    SessionUpdate,
)
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputText,
    Message,
)
from antiphon.talk import notices
from antiphon.talk.actions import Abort, Actions, Send, Show
from antiphon.talk.conversation import Conversation, State
from antiphon.talk.notices import Notice
from antiphon.talk.playback import Playback
from antiphon.talk.settings import Settings
from antiphon.talk.way_back import Way
from antiphon.upstream import wire

ASK = ResponseCreate(response=ResponseOptions())


def news(kind: type[msgspec.Struct], **fields: object) -> server.ServerEvent:
    """An event as a server sends it that tells no more than these fields."""
    message = {"type": kind.__struct_config__.tag, **fields}
    event = wire.read(msgspec.json.encode(message))
    assert isinstance(event, kind), event
    return event


class Story:
    """A client in virtual time; `take` gives what it did since the last look."""

    def __init__(self, settings: Settings | None = None, *, may_ask: bool = False) -> None:
        self.now_ms = 0.0
        self.playback = Playback(cushion_ms=0)
        settings = settings or Settings()
        self.conversation = Conversation(settings, self.playback, may_ask=may_ask)
        self._actions: Actions = []
        self.connects()
        self.take()

    def connects(self, **resume: str) -> Story:
        session: dict[str, Any] = {"id": "sess_1", "model": "fake"}
        if resume:
            session["antiphon"] = {"engine": "fake", "resume": resume}
        self.server(news(server.SessionCreated, session=session))
        return self.server(news(server.SessionUpdated, session=session))

    def server(self, *events: server.ServerEvent) -> Story:
        for event in events:
            self._actions += self.conversation.receive(event, self.now_ms)
        return self

    def does(self, actions: Actions) -> Story:
        self._actions += actions
        return self

    def time_passes(self, ms: int) -> Story:
        for _ in range(0, ms, 20):
            self.now_ms += 20
            self.playback.pull(480)
            self._actions += self.conversation.tick(self.now_ms)
        return self

    def user_speaks(self, item_id: str = "u1") -> Story:
        self.server(news(server.SpeechStarted, item_id=item_id))
        self.time_passes(500)
        return self.server(
            news(server.SpeechStopped, item_id=item_id),
            news(server.InputAudioBufferCommitted, item_id=item_id),
        )

    def reply_begins(self, response_id: str = "r1") -> Story:
        return self.server(news(server.ResponseCreated, response={"id": response_id}))

    def agent_says(self, text: str, ms: int, item_id: str = "a1") -> Story:
        return self.server(
            news(server.ResponseOutputAudioTranscriptDelta, item_id=item_id, delta=text),
            news(server.ResponseOutputAudioDelta, item_id=item_id, delta=b"\1\2" * 24 * ms),
        )

    def reply_ends(self, status: str = "completed", *items: str) -> Story:
        for item_id in items or ("a1",):
            self.server(news(server.ResponseOutputAudioDone, item_id=item_id))
        return self.server(news(server.ResponseDone, response={"id": "r1", "status": status}))

    def take(self) -> Actions:
        taken, self._actions = self._actions, []
        return taken

    def sent(self) -> list[ClientEvent]:
        return [action.event for action in self.take() if isinstance(action, Send)]

    def shown(self) -> list[Notice]:
        return [
            action.notice
            for action in self.take()
            if isinstance(action, Show) and not isinstance(action.notice, notices.StateChanged)
        ]

    def is_in(self, state: State) -> bool:
        return self.conversation.state is state


def test_the_settings_are_sent_before_anything_else() -> None:
    conversation = Conversation(Settings(), Playback())
    assert conversation.state == "connecting"
    assert conversation.microphone(bytes(960)) == []
    session = {"id": "sess_1", "model": "fake"}
    assert conversation.receive(news(server.SessionCreated, session=session), 0) == [
        Send(SessionUpdate(event_id="settings", session=Settings().patch()))
    ]
    conversation.receive(news(server.SessionUpdated, session=session), 0)
    assert not conversation.owes_reply
    assert conversation.microphone(bytes(960)) == [Send(InputAudioBufferAppend(audio=bytes(960)))]


def test_another_engine_that_goes_on_with_the_session_is_named() -> None:
    story = Story()

    def told(engine: str) -> list[Notice]:
        session = {"id": "sess_1", "model": "fake", "antiphon": {"engine": engine}}
        actions = story.conversation.receive(news(server.SessionUpdated, session=session), 0)
        return [action.notice for action in actions if isinstance(action, Show)]

    assert told("offline") == [notices.Note(text="engine offline answers now")]
    assert told("offline") == []


def test_only_antiphon_is_asked_for_what_others_do_not_know() -> None:
    conversation = Conversation(Settings(), Playback())
    session = {"id": "sess_1", "model": "fake", "antiphon": {"engine": "offline"}}
    [action] = conversation.receive(news(server.SessionCreated, session=session), 0)
    assert isinstance(action, Send)
    assert isinstance(action.event, SessionUpdate)
    assert action.event.session == Settings().patch(knows_overlap=True)
    assert action.event.session != Settings().patch()


def overlap(state: str, item_id: str = "u2") -> server.ServerEvent:
    return news(server.OverlapChanged, item_id=item_id, state=state)


def interrupted_reply() -> Story:
    story = Story().user_speaks().reply_begins().agent_says("One two three.", 3_000)
    story.time_passes(500).take()
    return story


def test_a_sound_that_may_be_nothing_makes_the_reply_soft_and_stops_nothing() -> None:
    story = interrupted_reply().server(overlap("open"))
    assert story.playback.pull(1) != b"\1\2"
    story.server(overlap("backchannel"), news(server.InputAudioBufferCommitted, item_id="u2"))
    assert story.playback.pull(1) == b"\1\2"
    assert story.sent() == []
    story.reply_ends().time_passes(3_000)
    assert story.is_in(State.LISTENING), "nobody owes an answer"


def test_one_that_proves_to_be_more_cuts_it() -> None:
    story = interrupted_reply().server(overlap("open"), overlap("interruption"))
    assert [type(event) for event in story.sent()] == [ConversationItemTruncate]


def test_where_the_server_plays_the_start_of_speech_cuts_nothing_that_is_not_known() -> None:
    story = interrupted_reply()
    story.server(overlap("open"), news(server.SpeechStarted, item_id="u2"))
    assert story.playback.pull(1) == b"\1\2", "it comes softly"
    assert story.sent() == []
    story.server(overlap("noise"), news(server.SpeechStopped, item_id="u2"))
    story.reply_ends().time_passes(3_000)
    assert story.is_in(State.LISTENING)


def test_a_session_that_is_to_be_kept_is_used_as_it_is() -> None:
    settings = Settings(keep_session=True)
    conversation = Conversation(settings, Playback())
    created = news(server.SessionCreated, session={"id": "sess_1", "model": "fake"})
    actions = conversation.receive(created, 0)
    assert not [action for action in actions if isinstance(action, Send)]
    assert conversation.is_ready

    call = FunctionCall(id="f1", status="completed", call_id="c", name="book", arguments="{}")
    story = (
        Story(settings)
        .user_speaks()
        .reply_begins()
        .server(news(server.ResponseOutputItemDone, item=call))
    )
    story.server(news(server.ResponseDone, response={"id": "r1", "status": "completed"}))
    assert story.sent() == []
    assert story.conversation.replies_done == 0, "the answer comes after the function"
    story.reply_begins().agent_says("Booked.", 100).reply_ends().time_passes(300)
    assert story.conversation.replies_done == 1


def test_a_turn_walks_through_its_states() -> None:
    story = Story()
    story.server(news(server.SpeechStarted, item_id="u1"))
    assert story.is_in(State.HEARING)
    story.server(
        news(server.SpeechStopped, item_id="u1"),
        news(server.InputAudioBufferCommitted, item_id="u1"),
    )
    assert story.is_in(State.THINKING)
    story.reply_begins().agent_says("Hello.", 100)
    assert story.is_in(State.THINKING)
    story.time_passes(20)
    assert story.is_in(State.SPEAKING)
    story.reply_ends().time_passes(60)
    assert story.is_in(State.SPEAKING)
    assert not story.conversation.is_idle
    story.time_passes(20)
    assert story.is_in(State.LISTENING)
    assert story.conversation.is_idle


def test_a_reply_is_told_as_said_when_it_has_been_heard() -> None:
    story = Story().user_speaks().reply_begins().agent_says("Hello you.", 200).reply_ends()
    story.take()
    story.time_passes(180)
    assert [n for n in story.shown() if isinstance(n, notices.AgentSaid)] == []
    story.time_passes(20)
    assert story.shown() == [notices.AgentSaid(item_id="a1", text="Hello you.")]


def test_speaking_over_a_reply_stops_it_and_truncates_at_what_was_heard() -> None:
    story = Story().user_speaks().reply_begins()
    story.agent_says("one two three four", 1800).reply_ends().time_passes(700)
    story.take()

    story.server(news(server.SpeechStarted, item_id="u2"))

    assert story.take() == [
        Show(notices.AgentSaid(item_id="a1", text="one two", cut="three four", audio_end_ms=700)),
        Send(ConversationItemTruncate(item_id="a1", content_index=0, audio_end_ms=700)),
        Show(notices.StateChanged(state="hearing you")),
    ]
    assert story.playback.pending_ms == 0


def test_sound_of_a_cut_reply_that_comes_late_is_not_played() -> None:
    story = Story().user_speaks().reply_begins().agent_says("one two", 500).time_passes(100)
    story.server(news(server.SpeechStarted, item_id="u2"))
    story.take()
    story.agent_says("three", 500).reply_ends("cancelled")
    assert story.playback.pending_ms == 0
    assert story.shown() == []


def test_of_two_items_the_one_not_yet_heard_is_truncated_to_nothing() -> None:
    story = Story().user_speaks().reply_begins()
    story.agent_says("One.", 400, "a1").agent_says("Two.", 400, "a2")
    story.reply_ends("completed", "a1", "a2").time_passes(100)
    story.take()
    story.server(news(server.SpeechStarted, item_id="u2"))
    assert story.sent() == [
        ConversationItemTruncate(item_id="a1", content_index=0, audio_end_ms=100),
        ConversationItemTruncate(item_id="a2", content_index=0, audio_end_ms=0),
    ]


def test_a_reply_heard_to_its_end_is_not_truncated() -> None:
    story = Story().user_speaks().reply_begins().agent_says("One.", 400).reply_ends()
    story.time_passes(600)
    story.take()
    story.server(news(server.SpeechStarted, item_id="u2"))
    assert story.sent() == []


def test_words_without_any_sound_were_not_heard() -> None:
    story = Story().user_speaks().reply_begins()
    story.server(
        news(server.ResponseOutputAudioTranscriptDelta, item_id="a1", delta="Never spoken.")
    )
    story.take()
    story.server(news(server.SpeechStarted, item_id="u2"))
    assert story.take()[:1] == [Show(notices.AgentSaid(item_id="a1", text="", cut="Never spoken."))]


def test_a_written_reply_is_heard_when_it_is_read() -> None:
    story = Story().reply_begins()
    story.server(news(server.ResponseOutputTextDelta, item_id="a1", delta="Hello."))
    assert story.is_in(State.SPEAKING)
    story.server(
        news(server.ResponseOutputTextDone, item_id="a1", text="Hello."),
        news(server.ResponseDone, response={"id": "r1", "status": "completed"}),
    )
    assert notices.AgentSaid(item_id="a1", text="Hello.") in story.shown()


def test_what_is_typed_has_an_id_that_no_earlier_run_gave() -> None:
    """In a conversation that goes on, those items are there."""

    def typed() -> object:
        story = Story()
        story.take()
        story.does(story.conversation.type_text("again", story.now_ms))
        [created] = [e for e in story.sent() if isinstance(e, ConversationItemCreate)]
        return created.item.id

    assert typed() != typed()


def test_typing_into_a_reply_cancels_cuts_and_asks_when_it_is_over() -> None:
    story = Story().user_speaks().reply_begins().agent_says("one two", 1000).time_passes(300)
    story.take()
    story.does(story.conversation.type_text("wait", story.now_ms))
    *before, created = story.sent()
    assert before == [
        ResponseCancel(response_id="r1"),
        ConversationItemTruncate(item_id="a1", content_index=0, audio_end_ms=300),
    ]
    assert isinstance(created, ConversationItemCreate)
    assert isinstance(created.item, Message)
    assert created.item.content == (InputText("wait"),)
    story.reply_ends("cancelled")
    assert story.sent() == [ASK]


def test_manual_turns_are_committed_and_asked_for_by_the_client() -> None:
    story = Story(Settings(turns="manual"))
    story.does(story.conversation.end_turn(0))
    assert story.sent() == [InputAudioBufferCommit(), ASK]
    story.server(news(server.InputAudioBufferCommitted, item_id="u1")).reply_begins().agent_says(
        "one", 500
    )
    story.time_passes(100).take()
    story.does(story.conversation.interrupt(story.now_ms))
    assert story.sent() == [
        ResponseCancel(response_id="r1"),
        ConversationItemTruncate(item_id="a1", content_index=0, audio_end_ms=100),
        InputAudioBufferClear(),
    ]


def call_item(call_id: str, name: str) -> server.ServerEvent:
    item = FunctionCall(id=call_id, status="completed", name=name, call_id=call_id, arguments="{}")
    return news(server.ResponseOutputItemDone, item=item)


def test_all_outputs_are_sent_then_one_response_is_asked_for() -> None:
    story = Story(Settings(tool_results={"one": "1", "two": "2"})).user_speaks().reply_begins()
    story.take()
    story.server(call_item("c1", "one"), call_item("c2", "two"))
    assert story.sent() == [
        ConversationItemCreate(item=FunctionCallOutput(call_id="c1", output="1")),
        ConversationItemCreate(item=FunctionCallOutput(call_id="c2", output="2")),
    ]
    story.server(news(server.ResponseDone, response={"id": "r1", "status": "completed"}))
    assert story.sent() == [ASK]
    assert story.conversation.replies_done == 0


def test_a_result_that_the_user_must_give_is_waited_for() -> None:
    story = Story(may_ask=True).user_speaks().reply_begins()
    story.server(
        call_item("c1", "weather"),
        news(server.ResponseDone, response={"id": "r1", "status": "completed"}),
    )
    assert ASK not in story.sent()
    assert story.is_in(State.WAITING)
    story.does(story.conversation.answer_call("c1", "rain", story.now_ms))
    assert story.sent() == [
        ConversationItemCreate(item=FunctionCallOutput(call_id="c1", output="rain")),
        ASK,
    ]


def test_a_call_of_a_cancelled_reply_asks_for_nothing() -> None:
    story = Story(Settings(tool_results={"one": "1"})).user_speaks().reply_begins()
    story.server(call_item("c1", "one")).take()
    story.server(news(server.ResponseDone, response={"id": "r1", "status": "cancelled"}))
    assert story.sent() == []


def test_captions_of_the_user_grow_and_end() -> None:
    story = Story().user_speaks()
    story.take()
    story.server(
        news(server.TranscriptionDelta, item_id="u1", delta="good "),
        news(server.TranscriptionDelta, item_id="u1", delta="morn"),
        news(server.TranscriptionCompleted, item_id="u1", transcript="Good morning."),
    )
    assert story.shown() == [
        notices.UserSaid(item_id="u1", text="good ", final=False),
        notices.UserSaid(item_id="u1", text="good morn", final=False),
        notices.UserSaid(item_id="u1", text="Good morning."),
    ]


def test_a_reply_that_was_owed_is_asked_for_after_the_rebuilding() -> None:
    story = Story().user_speaks()
    item = Message(id="u1", role="user", content=(InputAudio(),))
    story.server(
        news(server.ConversationItemDone, item=item),
        news(server.TranscriptionCompleted, item_id="u1", transcript="Hi."),
    )
    story.does(story.conversation.disconnected(story.now_ms))
    assert story.is_in(State.RECONNECTING)
    story.take()
    story.connects()
    assert story.sent()[1:] == [
        ConversationItemCreate(
            item=Message(id="u1", role="user", content=(InputText("Hi."),)),
            previous_item_id="root",
        ),
        ASK,
    ]


def test_a_conversation_that_the_server_keeps_is_not_rebuilt() -> None:
    story = Story().user_speaks()
    item = Message(id="u1", role="user", content=(InputText("Hi."),))
    story.server(news(server.ConversationItemDone, item=item))
    story.does(story.conversation.disconnected(story.now_ms))
    story.take()
    story.connects(conversation_id="conv_1", continues="conversation")
    assert story.conversation.way_back.way == Way("conv_1")
    assert not [sent for sent in story.sent() if isinstance(sent, ConversationItemCreate)]


def test_a_session_that_is_come_back_to_goes_on_as_it_was() -> None:
    story = Story()
    story.connects(conversation_id="conv_1", token="rt_1")
    story.user_speaks().reply_begins().agent_says("one two three", 1000)
    story.time_passes(100).does(story.conversation.disconnected(story.now_ms))
    assert story.is_in(State.RECONNECTING)
    way = story.conversation.way_back.way
    assert way is not None
    assert (way.conversation_id, way.token) == ("conv_1", "rt_1")
    story.take()
    story.connects(conversation_id="conv_1", token="rt_2", continues="session")
    assert story.sent() == [], "nothing that the session has already"
    story.agent_says(" four", 500)
    assert story.playback.pending_ms == 1400
    story.server(news(server.SpeechStarted, item_id="u2"))
    [truncate] = story.sent()
    assert isinstance(truncate, ConversationItemTruncate)
    assert truncate.audio_end_ms == 100


def test_what_had_come_before_the_connection_broke_is_played_but_not_truncated() -> None:
    story = Story().user_speaks().reply_begins().agent_says("one two three", 1000)
    story.time_passes(100).does(story.conversation.disconnected(story.now_ms))
    story.time_passes(100)
    assert story.playback.pending_ms == 800
    story.connects().take()
    story.server(news(server.SpeechStarted, item_id="u2"))
    # The new session holds this item as text: there is no sound to truncate.
    assert story.sent() == []
    assert story.playback.pending_ms == 0


def test_a_race_for_the_response_is_won_at_the_second_try() -> None:
    story = Story()
    story.does(story.conversation.type_text("hi", 0)).take()
    code = "conversation_already_has_active_response"
    story.reply_begins().server(news(server.Error, error={"message": "busy", "code": code}))
    assert story.take() == []
    story.reply_ends()
    assert story.sent() == [ASK]


def test_errors_are_shown_and_refused_settings_end_it() -> None:
    story = Story()
    story.server(
        news(server.Error, error={"message": "Bad.", "code": "invalid_value", "param": "x"})
    )
    assert story.take() == [
        Show(notices.ServerError(message="Bad.", code="invalid_value", param="x"))
    ]
    story.server(news(server.Error, error={"message": "No such voice.", "event_id": "settings"}))
    assert story.take() == [Abort("the server refused the settings: No such voice.")]


def test_a_response_that_never_begins_is_not_awaited_for_ever() -> None:
    story = Story().user_speaks()
    assert story.is_in(State.THINKING)
    story.time_passes(20_100)
    assert story.is_in(State.LISTENING)


def test_progress_tells_the_words_heard_and_those_to_come() -> None:
    story = Story().user_speaks().reply_begins().agent_says("one two three four", 1800)
    assert story.conversation.progress == ("", "one two three four")
    story.time_passes(700)
    assert story.conversation.progress == ("one two", "three four")
