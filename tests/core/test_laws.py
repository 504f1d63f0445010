"""Whatever happens, in whatever order: the laws hold.

`ANTIPHON_LAWS=deep` looks much longer, at random; otherwise the same scripts run each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from antiphon.core import causes
from antiphon.core.causes import Word
from antiphon.core.conversation import Conversation
from antiphon.core.effects import RunTool, SendTo, Speculate, StopSpeculating
from antiphon.core.records import Recollection, Record
from antiphon.journal.tape import Step, step
from antiphon.protocol import client, items, server
from antiphon.protocol import session as wire
from antiphon.protocol.server import ErrorDetail, Logprob
from antiphon.testing.virtual_call import CLIENT, session
from tests.core.witness import LawfulCall

DEEP = os.environ.get("ANTIPHON_LAWS") == "deep"
LAWFUL = settings(
    max_examples=20_000 if DEEP else 50,
    derandomize=not DEEP,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

Op = tuple[str, Any]
SIDEBAND = "sideband"


class World:
    """Carries out a script; ``pick`` numbers choose among what exists at that moment."""

    def __init__(self, call: LawfulCall) -> None:
        self.call = call
        self.chapter = "answer"
        """With which the engine's own names begin."""
        self.forgotten: set[str] = set()
        """Names that an engine of this chapter cannot know."""
        self._connections = [CLIENT]

    def run(self, script: list[Op]) -> None:
        for name, given_ in script:
            getattr(self, name)(given_)

    # --- The client ----------------------------------------------------------

    def says(self, event: Callable[[World], client.ClientEvent]) -> None:
        self.call.client(event(self), connection=self._connections[-1])

    def item_id(self, pick: int) -> str:
        known = [item.id for item in self.call.conversation.items]
        seen = [*known, self.call.turn_id or "item_none", self.speaking or "item_none"]
        return str(seen[pick % len(seen)])

    @property
    def speaking(self) -> str | None:
        return self.call.witness.speaking or self.call.witness.turn

    def response_id(self, pick: int) -> str:
        known = [*self.call.witness.responses, "resp_none"]
        alive = self.alive
        if alive and pick % 4:
            return alive[pick % len(alive)]
        return known[pick % len(known)]

    @property
    def alive(self) -> list[str]:
        return [r for r, seen in self.call.witness.responses.items() if not seen.done]

    def engine_name(self, pick: int) -> str:
        """What the engine calls a response that it speaks of."""
        response_id = self.response_id(pick)
        name = self.engine_name_of(response_id)
        if name in ("resp_none", *self.forgotten):
            return f"{self.chapter}_{pick % 3}"
        return name

    def engine_name_of(self, response_id: str) -> str:
        names = {named: name for name, named in self.call.witness.names.items()}
        return names.get(response_id, response_id)

    # --- The engine and the world --------------------------------------------

    def voice(self, given_: tuple[int, float]) -> None:
        ms, probability = given_
        self.call.user_speaks(ms, probability=probability)

    def turn(self, ms: int) -> None:
        self.call.user_speaks(ms).user_is_quiet(600)

    def pauses(self, words: str) -> None:
        """The user says something and pauses; an engine that judges tells what it was."""
        self.call.user_speaks(200).user_is_quiet(200)
        self.call.give(causes.TurnJudged(self.item_id(self.newest), 0.7, words))

    @property
    def newest(self) -> int:
        """The pick of the turn that is open, or of what was added last."""
        return len(self.call.conversation.items) + 1

    def answer(self, ms: int) -> None:
        """The engine speaks, where a response runs; all at once, as engines do."""
        if self.alive:
            newest = self.engine_name_of(self.alive[-1])
            self.call.engine_speaks(ms, "Yes.", response=newest)

    def audio(self, pcm: bytes) -> None:
        if self.call.terms.playout == "server":
            self.call.give(causes.Heard(pcm[: len(pcm) // 2 * 2]))
        else:
            self.call.client(client.InputAudioBufferAppend(audio=pcm))

    def wait(self, ms: int) -> None:
        self.call.wait(ms)

    def ticks(self, _: None) -> None:
        self.call.give(causes.Tick())

    def engine(self, news: Callable[[World], causes.Cause]) -> None:
        self.call.give(news(self))

    def own_function(self, is_called: bool) -> None:
        """The engine calls one of the server's, or one that it called is answered."""
        if not is_called:
            for effect in [e for e in self.call.everything if isinstance(e, RunTool)][-1:]:
                self.call.give(causes.ToolAnswered(effect.call_id, "done"))
        elif self.alive:
            name, call_id = self.engine_name_of(self.alive[0]), f"own_{len(self.call.tape)}"
            self.call.give(causes.EngineCalled(name, call_id, OWN.name, "{}"))
            self.call.give(causes.EngineFinished(name))

    def sideband(self, joins: bool) -> None:
        if joins and SIDEBAND not in self._connections:
            self._connections.append(SIDEBAND)
            self.call.give(causes.Attached(SIDEBAND, owns=False))
        elif not joins and SIDEBAND in self._connections:
            self._connections.remove(SIDEBAND)
            self.call.give(causes.Detached(SIDEBAND))

    def owner(self, comes: bool) -> None:
        self.call.give(causes.Attached(CLIENT) if comes else causes.Detached(CLIENT))

    def new_name(self) -> str:
        """For an answer that the engine begins."""
        return f"{self.chapter}_new_{len(self.call.tape)}"

    # --- Between two chapters ------------------------------------------------

    def rest(self) -> None:
        """Let end what is under way, so that nothing but what lasts is left."""
        input_ = wire.AudioInputPatch(noise_reduction=None)
        detection = self.call.conversation.session.audio.input.turn_detection
        if isinstance(detection, wire.ServerVad):
            patient = wire.TurnDetectionPatch(idle_timeout_ms=None)
            input_ = wire.AudioInputPatch(noise_reduction=None, turn_detection=patient)
        patch = wire.SessionPatch(audio=wire.AudioPatch(input=input_))
        self.call.client(client.SessionUpdate(session=patch), client.InputAudioBufferClear())
        for effect in [e for e in self.call.everything if isinstance(e, RunTool)]:
            self.call.give(causes.ToolAnswered(effect.call_id, "done"))
        while self.alive:
            self.call.give(causes.EngineFinished(self.engine_name_of(self.alive[-1])))
        for item in self.call.conversation.items:
            self.call.give(causes.TranscriptEnded(str(item.id), "So it was."))
        self.call.wait(600_000)
        self.call.client(client.SessionUpdate(session=wire.SessionPatch()))


PICK = st.integers(0, 50)
TEXT = st.sampled_from(["", "a", "Yes. ", "I see what you mean."])
PCM = st.builds(
    lambda samples, value: bytes([value, 0]) * samples,
    st.sampled_from([0, 1, 239, 480, 2_400, 4_800, 12_345]),
    st.integers(0, 255),
)
EVENT_ID = st.sampled_from([None, "mine_1", "mine_2"])
FORMAT = st.sampled_from([wire.PcmFormat(), wire.PcmuFormat(), wire.PcmaFormat()])
ABSENT = st.just(msgspec.UNSET)
TOOL = wire.FunctionTool("look", parameters={})
OWN = wire.FunctionTool("remember", parameters={})


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return ABSENT | st.none() | values


DETECTION = st.builds(
    wire.TurnDetectionPatch,
    type=ABSENT | st.sampled_from(["server_vad", "semantic_vad"]),
    threshold=_maybe(st.sampled_from([0.0, 0.5, 1.0])),
    prefix_padding_ms=_maybe(st.sampled_from([0, 300, 2_000])),
    silence_duration_ms=_maybe(st.sampled_from([0, 200, 500])),
    idle_timeout_ms=_maybe(st.just(5_000)),
    eagerness=_maybe(st.sampled_from(["low", "high"])),
    create_response=_maybe(st.booleans()),
    interrupt_response=_maybe(st.booleans()),
    overlap=_maybe(
        st.builds(
            wire.OverlapPatch,
            interruption_ms=_maybe(st.sampled_from([0, 200])),
            wait_ms=_maybe(st.sampled_from([0, 5_000])),
        )
    ),
)
INPUT = st.builds(
    wire.AudioInputPatch,
    format=_maybe(FORMAT),
    transcription=_maybe(
        st.builds(
            wire.TranscriptionPatch, model=st.sampled_from(["whisper-1", "gpt-realtime-whisper"])
        )
    ),
    noise_reduction=_maybe(
        st.builds(wire.NoiseReductionPatch, type=st.sampled_from(["near_field", "far_field"]))
    ),
    turn_detection=_maybe(DETECTION),
)
SESSION_PATCH = st.builds(
    wire.SessionPatch,
    type=ABSENT | st.sampled_from(["realtime", "realtime", "transcription"]),
    output_modalities=_maybe(st.sampled_from([("audio",), ("text",), ("text", "audio"), ()])),
    instructions=_maybe(TEXT),
    tools=_maybe(st.sampled_from([(), (TOOL,), (wire.McpTool("a"), wire.McpTool("a"))])),
    tool_choice=_maybe(st.sampled_from(["none", wire.FunctionChoice("look")])),
    max_output_tokens=_maybe(st.sampled_from(["inf", 1, 50])),
    truncation=_maybe(
        st.sampled_from(
            ["disabled", "auto", wire.RetentionRatio(0.5, wire.TokenLimits(post_instructions=60))]
        )
    ),
    audio=_maybe(
        st.builds(
            wire.AudioPatch,
            input=_maybe(INPUT),
            output=_maybe(
                st.builds(
                    wire.AudioOutputPatch,
                    format=_maybe(FORMAT),
                    voice=_maybe(st.sampled_from(["alloy", "marin"])),
                )
            ),
        )
    ),
)


def _content(role: str) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(items.InputText, TEXT),
        st.builds(items.InputAudio, st.none() | TEXT, ABSENT | PCM),
        st.builds(items.OutputText, TEXT),
        st.builds(items.OutputAudio, st.none() | TEXT),
        st.just(items.InputImage("data:image/png;base64,iVBORw0KGgo=")),
    )


def _item(item_id: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    message = st.sampled_from(["system", "user", "user", "assistant"]).flatmap(
        lambda role: st.builds(
            items.Message,
            id=item_id,
            role=st.just(role),
            content=st.lists(_content(role), max_size=3).map(tuple),
        )
    )
    call = st.builds(
        items.FunctionCall,
        id=item_id,
        name=st.just("look"),
        call_id=st.just("call_1"),
        arguments=st.just("{}"),
    )
    output = st.builds(
        items.FunctionCallOutput,
        id=item_id,
        call_id=st.sampled_from(["call_1", "call_none"]),
        output=TEXT,
    )
    return st.one_of(message, message, call, output)


def _in_world(kind: type, **fields: Any) -> st.SearchStrategy[Callable[[World], Any]]:
    """An event or a cause; fields that are functions are asked of the world, when it is."""
    return st.fixed_dictionaries(fields).map(
        lambda drawn: (
            lambda world: kind(
                **{
                    name: value(world) if callable(value) else value
                    for name, value in drawn.items()
                }
            )
        )
    )


ITEM_ID = PICK.map(lambda pick: lambda world: world.item_id(pick))
RESPONSE_ID = PICK.map(lambda pick: lambda world: world.response_id(pick))
ENGINE_NAME = PICK.map(lambda pick: lambda world: world.engine_name(pick))
NEW_NAME = PICK.map(lambda _: lambda world: world.new_name())


def _create_item() -> st.SearchStrategy[Callable[[World], Any]]:
    def build(drawn: tuple[Any, Any, Any, str]) -> Callable[[World], Any]:
        item, item_pick, previous_pick, how = drawn

        def event(world: World) -> client.ConversationItemCreate:
            own = {"new": f"mine_{item_pick}", "taken": world.item_id(item_pick)}.get(how)
            placed = item if own is None else msgspec.structs.replace(item, id=own)
            previous = {0: None, 1: "root", 2: ""}.get(
                previous_pick % 6, world.item_id(previous_pick)
            )
            return client.ConversationItemCreate(item=placed, previous_item_id=previous)

        return event

    how = st.sampled_from(["server", "server", "new", "taken"])
    return st.tuples(_item(ABSENT), PICK, PICK, how).map(build)


RESPONSE_OPTIONS = st.none() | st.builds(
    client.ResponseOptions,
    conversation=_maybe(st.sampled_from(["auto", "none", "none"])),
    output_modalities=_maybe(st.sampled_from([("audio",), ("text",)])),
    metadata=_maybe(st.just({"k": "v"})),
    max_output_tokens=_maybe(st.sampled_from([1, 20, "inf"])),
    tool_choice=_maybe(st.sampled_from(["auto", wire.FunctionChoice("look")])),
    tools=_maybe(st.sampled_from([(), (TOOL,)])),
    audio=_maybe(
        st.builds(
            client.ResponseAudio,
            st.builds(client.ResponseAudioOutput, _maybe(FORMAT), _maybe(st.sampled_from(["ash"]))),
        )
    ),
    input=_maybe(
        st.lists(_item(ABSENT) | st.just(items.ItemReference(id="item_none")), max_size=3).map(
            tuple
        )
    ),
)

CLIENT_EVENT = st.one_of(
    _in_world(client.ResponseCreate, event_id=EVENT_ID, response=RESPONSE_OPTIONS),
    _in_world(client.ResponseCreate, event_id=EVENT_ID),
    _in_world(client.ResponseCancel, event_id=EVENT_ID, response_id=st.none() | RESPONSE_ID),
    _in_world(client.SessionUpdate, event_id=EVENT_ID, session=SESSION_PATCH),
    _in_world(client.InputAudioBufferCommit, event_id=EVENT_ID),
    _in_world(client.InputAudioBufferClear, event_id=EVENT_ID),
    _in_world(client.OutputAudioBufferClear, event_id=EVENT_ID),
    _create_item(),
    _in_world(client.ConversationItemRetrieve, event_id=EVENT_ID, item_id=ITEM_ID),
    _in_world(
        client.ConversationItemTruncate,
        event_id=EVENT_ID,
        item_id=ITEM_ID,
        content_index=st.sampled_from([0, 0, 0, 1]),
        audio_end_ms=st.sampled_from([0, 50, 100, 400, 5_000]),
    ),
    _in_world(client.ConversationItemDelete, event_id=EVENT_ID, item_id=ITEM_ID),
)
WORDS = st.sampled_from([(), (Word(1, 1_000), Word(3, 4_800))])
NEWS = st.one_of(
    _in_world(causes.EngineSpoke, response_id=ENGINE_NAME, pcm=PCM, words=WORDS),
    _in_world(causes.EngineSpoke, response_id=ENGINE_NAME, pcm=PCM, words=WORDS),
    _in_world(causes.EngineSaid, response_id=ENGINE_NAME, text=TEXT),
    _in_world(causes.EngineWrote, response_id=ENGINE_NAME, text=TEXT),
    _in_world(
        causes.EngineCalled,
        response_id=ENGINE_NAME,
        call_id=st.sampled_from(["call_1", "call_2"]),
        name=st.just("look"),
        arguments=st.sampled_from(["", "{}"]),
        ended=st.booleans(),
    ),
    _in_world(
        causes.EngineFinished,
        response_id=ENGINE_NAME,
        reason=st.sampled_from([None, None, "max_output_tokens", "content_filter"]),
        input_tokens=st.none() | st.integers(0, 500),
        output_tokens=st.none() | st.integers(0, 500),
        cached_tokens=st.none() | st.integers(0, 1_000),
    ),
    _in_world(causes.EngineFinished, response_id=ENGINE_NAME),
    _in_world(causes.EngineFailed, response_id=ENGINE_NAME, message=st.just("no")),
    _in_world(causes.TranscriptGrew, item_id=ITEM_ID, delta=TEXT),
    _in_world(
        causes.TranscriptEnded,
        item_id=ITEM_ID,
        text=TEXT,
        logprobs=st.sampled_from([(), (Logprob("a", -0.1, (97,)),)]),
    ),
    _in_world(causes.TranscriptFailed, item_id=ITEM_ID, code=st.just("no"), message=st.just("no")),
    _in_world(causes.EngineBegan, response_id=NEW_NAME),
    _in_world(causes.TurnFound, from_sample=st.sampled_from([None, 0, 4_800, 10**9])),
    _in_world(causes.TurnEnded, at_sample=st.sampled_from([None, 0, 10**9])),
    _in_world(
        causes.TurnJudged,
        item_id=ITEM_ID,
        completeness=st.sampled_from([-1.0, 0.9, 2.0]),
        words=st.sampled_from([None, "", "Mm-hmm.", "Stop."]),
    ),
    _in_world(
        causes.Speculated,
        used=st.booleans(),
        input_tokens=st.none() | st.just(7),
        output_tokens=st.sampled_from([0, 3]),
    ),
)
RARE = st.one_of(
    _in_world(causes.EngineLost, message=st.just("gone")),
    _in_world(
        causes.EngineMoved,
        name=st.just("other"),
        speaks=st.booleans(),
        finds_turns=st.booleans(),
        begins=st.booleans(),
        takes_images=st.booleans(),
        follows_items=st.booleans(),
        speculates=st.booleans(),
        voice=st.sampled_from([None, "ash"]),
        message=st.just("gone"),
    ),
    _in_world(
        causes.MessageRefused,
        connection=st.just(CLIENT),
        detail=st.just(ErrorDetail(code="invalid_event", message="No JSON.")),
    ),
    _in_world(causes.ShuttingDown),
)
VOICE = st.tuples(st.sampled_from([20, 40, 100, 600]), st.sampled_from([0.0, 0.36, 0.5, 0.9, 0.9]))


def _ops(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Op]:
    return st.tuples(st.just(name), values)


_OFTEN = (
    _ops("says", CLIENT_EVENT),
    _ops("says", CLIENT_EVENT),
    _ops("engine", NEWS),
    _ops("engine", NEWS),
    _ops("voice", VOICE),
    _ops("turn", st.sampled_from([100, 300])),
    _ops("pauses", st.sampled_from(["Yes.", "No, wait."])),
    _ops("answer", st.sampled_from([100, 700])),
    _ops("own_function", st.booleans()),
)
_SELDOM = (
    _ops("audio", st.binary(max_size=7) | PCM),
    _ops("wait", st.sampled_from([0, 1, 300, 6_000])),
    _ops("ticks", st.none()),
    _ops("sideband", st.booleans()),
)
OPS = st.one_of(*_OFTEN, st.one_of(*_SELDOM, _ops("owner", st.sampled_from([True, True, False]))))
OPS_WITH_ITS_OWNER = st.one_of(*_OFTEN, st.one_of(*_SELDOM))
TERMS = st.fixed_dictionaries(
    {
        "playout": st.sampled_from(["client", "server"]),
        "engine_speaks": st.sampled_from([True, True, False]),
        "engine_finds_turns": st.sampled_from([False, False, True]),
        "engine_begins": st.sampled_from([False, False, True]),
        "engine_takes_images": st.sampled_from([True, False]),
        "engine_follows_items": st.booleans(),
        "engine_speculates": st.booleans(),
        "linger_ms": st.sampled_from([0, 500, 500]),
        "recorded": st.booleans(),
        "server_tools": st.sampled_from([(), (OWN,)]),
        "memory": st.sampled_from(["", "Likes tea."]),
        "context_tokens": st.sampled_from([28_224, 120]),
        "session_max_ms": st.sampled_from([3_600_000, 60_000]),
    }
)
SETTINGS = st.sampled_from(
    [
        session(),
        session(
            audio=wire.Audio(
                input=wire.AudioInput(transcription=wire.Transcription(model="whisper-1"))
            )
        ),
        session(audio=wire.Audio(input=wire.AudioInput(turn_detection=None))),
        session(
            audio=wire.Audio(
                input=wire.AudioInput(
                    turn_detection=wire.ServerVad(idle_timeout_ms=5_000, interrupt_response=False),
                    transcription=wire.Transcription(model="gpt-realtime-whisper"),
                )
            )
        ),
        wire.TranscriptionSession(id="sess_virtual", expires_at=3600),
    ]
)


PART = st.lists(OPS, min_size=25, max_size=80 if DEEP else 35)
SCRIPT = st.builds(
    lambda first, rare, second: [*first, *rare, *second],
    PART,
    st.lists(_ops("engine", RARE) | _ops("wait", st.just(50_000)), max_size=1),
    PART,
)


@LAWFUL
@given(SETTINGS, TERMS, SCRIPT)
def test_the_laws_hold_whatever_happens(
    settings_: wire.AnySession, terms: dict[str, Any], script: list[Op]
) -> None:
    call = LawfulCall(settings_, **terms)
    World(call).run(script)
    again = Conversation(call.terms)
    followed = []
    for now_ms, cause in call.tape:
        effects = again.handle(cause, now_ms)
        followed += effects
        recorded = step(now_ms, cause, effects)
        data = msgspec.msgpack.encode(recorded)
        assert msgspec.msgpack.decode(data, type=Step) == recorded
    assert followed == call.everything
    assert again.items == call.conversation.items


@LAWFUL
@given(SETTINGS, TERMS, SCRIPT)
def test_speculation_changes_nothing_that_anybody_sees(
    settings_: wire.AnySession, terms: dict[str, Any], script: list[Op]
) -> None:
    """The same causes have the same effects with it and without; records and items too."""
    call = LawfulCall(settings_, **{**terms, "engine_speculates": True})
    World(call).run(script)
    plain = Conversation(replace(call.terms, engine_speculates=False))
    followed = []
    for now_ms, cause in call.tape:
        if isinstance(cause, causes.EngineMoved):
            cause = replace(cause, speculates=False)
        followed += plain.handle(cause, now_ms)
    speculative = (Speculate, StopSpeculating)
    assert followed == [e for e in call.everything if not isinstance(e, speculative)]
    assert plain.items == call.conversation.items
    assert plain.used == call.conversation.used


# --- What was recorded goes on -----------------------------------------------

CHAPTER = st.lists(OPS_WITH_ITS_OWNER, min_size=15, max_size=60 if DEEP else 25)


@LAWFUL
@given(SETTINGS, TERMS, CHAPTER, CHAPTER)
def test_a_conversation_goes_on_from_what_was_recorded(
    settings_: wire.AnySession, terms: dict[str, Any], first: list[Op], second: list[Op]
) -> None:
    # Calls of the server's own functions are no part of what is recorded.
    own: dict[str, Any] = {"recorded": True, "session_max_ms": 3_600_000, "server_tools": ()}
    whole = LawfulCall(settings_, **{**terms, **own})
    world = World(whole)
    world.run(first)
    world.rest()
    log = [effect for effect in whole.everything if isinstance(effect, Record)]
    at, began_ms, rested = len(whole.tape), whole.now_ms, len(whole.everything)
    heard = whole.witness.heard_samples
    played = max((getattr(c, "played_samples", 0) for _, c in whole.tape), default=0)
    world.chapter, world.forgotten = "second", set(whole.witness.names)
    world.run(second)

    read = msgspec.msgpack.decode(msgspec.msgpack.encode(log), type=list[Record])
    told = Recollection(read)
    assert told.session is not None
    # Who joins is shown each item by two events; their ids shall not move those that follow.
    past = replace(told.past, ids_used=told.past.ids_used - 2 * len(told.past.items))
    again = Conversation(replace(whole.terms, session=told.session, past=past))
    again.handle(causes.Attached(CLIENT), 0)
    followed = []
    for now_ms, cause in whole.tape[at:]:
        followed += again.handle(_moved(cause, heard, played), now_ms - began_ms)
    assert _timeless(followed) == _timeless(whole.everything[rested:])
    assert again.items == whole.conversation.items
    assert again.used == whole.conversation.used


def _moved(cause: causes.Cause, heard: int, played: int) -> causes.Cause:
    """A cause of the second chapter, where media time begins anew with it."""
    moved: dict[str, int] = {}
    for name in ("at_sample", "from_sample"):
        at = getattr(cause, name, None)
        if at is not None:
            moved[name] = at - heard
    if hasattr(cause, "played_samples"):
        moved["played_samples"] = max(0, cause.played_samples - played)
    return replace(cause, **moved) if moved else cause


def _timeless(effects: list[Any]) -> list[Any]:
    """Without what depends on when the session began, and without audio that may be forgotten."""
    media = {"at_sample": 0, "from_sample": 0, "audio_start_ms": 0}
    if_spoken = {"audio_end_ms": 0}
    plain = []
    for effect in effects:
        names = {name: value for name, value in media.items() if hasattr(effect, name)}
        if isinstance(effect, server.SpeechStopped | server.InputAudioBufferTimeoutTriggered):
            names |= if_spoken
        elif (
            isinstance(effect, SendTo)
            and isinstance(effect.event, server.ConversationItemRetrieved)
        ) or isinstance(effect, Record):
            continue
        plain.append(replace(effect, **names) if names else effect)
    return plain
