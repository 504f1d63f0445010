"""The laws of a conversation, checked on every cause and what followed.

The witness knows only what a client and an engine could know: it keeps a naive model of
the conversation from the effects alone, and compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from antiphon.core import causes
from antiphon.core.causes import Cause
from antiphon.core.conversation import Conversation
from antiphon.core.effects import (
    ClearPlayout,
    Close,
    DetectVoice,
    DuckPlayout,
    Effect,
    Generate,
    Hear,
    InputDropped,
    ItemAdded,
    ItemCut,
    ItemRemoved,
    PlayAudio,
    ScoreVoice,
    SendTo,
    Speculate,
    StopGenerating,
    StopSpeculating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.formats import encode_whole
from antiphon.core.input_buffer import MAX_SAMPLES
from antiphon.core.items import MAX_AUDIO_BYTES
from antiphon.core.records import Recollection, Record
from antiphon.core.terms import Terms
from antiphon.protocol import client, server
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Message
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AudioFormat
from antiphon.testing import VirtualCall

MAX_HELD_BYTES = 2 * (MAX_SAMPLES + 24_000) + 3 * MAX_AUDIO_BYTES

ANSWERS: dict[type, type] = {
    client.SessionUpdate: server.SessionUpdated,
    client.InputAudioBufferCommit: server.InputAudioBufferCommitted,
    client.InputAudioBufferClear: server.InputAudioBufferCleared,
    client.ConversationItemCreate: server.ConversationItemAdded,
    client.ConversationItemRetrieve: server.ConversationItemRetrieved,
    client.ConversationItemTruncate: server.ConversationItemTruncated,
    client.ConversationItemDelete: server.ConversationItemDeleted,
    client.ResponseCreate: server.ResponseCreated,
    client.ResponseCancel: server.ResponseDone,
}


@dataclass
class SeenItem:
    """An item of a response, as its events tell of it."""

    id: str
    type: str
    part: str = ""
    """open, closed, or none"""
    text: str = ""
    audio: bytes = b""
    arguments: str = ""
    spoken: bytes = b""
    """What the engine spoke into it."""
    done: bool = False


@dataclass
class SeenResponse:
    in_conversation: bool
    modality: str
    audio_format: AudioFormat
    metadata: dict[str, str] | None
    done: bool = False
    stopped: bool = False
    items: list[SeenItem] = field(default_factory=list)
    unheard: bytes = b""
    """Speech of the cause at hand, before the events say where it belongs."""

    @property
    def open_item(self) -> SeenItem | None:
        return self.items[-1] if self.items and not self.items[-1].done else None


class Witness:
    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.event_ids: set[str] = set()
        self.order: list[str] = []
        self.unfinished: set[str] = set()
        """Items added and not done."""
        self.responses: dict[str, SeenResponse] = {}
        self.generated: set[str] = set()
        self.names: dict[str, str] = {}
        """What the engine calls responses that it began: their ids."""
        self.strays: set[str] = set()
        """Answers of the engine that are no responses, and of which it was told."""
        self.recollection = Recollection()
        self.turn: str | None = None
        """Open at the engine."""
        self.turn_from = 0
        self.turn_pcm = b""
        """What the engine was given of it."""
        self.heard_samples = 0
        """How much of the microphone came, as far as engine and voice detector know."""
        self.given_to: int | None = None
        """How far the voice detector was given what was heard; None: it begins afresh."""
        self.speaking: str | None = None
        self.dropped: tuple[str | None, str | None] = None, None
        """What was open, and told to clients, when it was dropped last."""
        self.speculates = False
        self.overlap: str | None = None
        """The turn that may prove to be no interruption."""
        self.is_ducked = self.is_held = False
        self.committed: set[str] = set()
        self.transcribed: set[str] = set()
        self.sounding: set[str] = set()
        self.sounded: set[str] = set()
        self.silenced: set[str] = set()
        self.closed = False
        self._expect_added: str | None = None

    def see(
        self,
        cause: Cause,
        now_ms: int,
        effects: list[Effect],
        before: object,
        conversation: Conversation,
    ) -> None:
        if self.closed:
            assert effects == [], "nothing comes after the close"
            assert conversation.deadline_ms is None
            return
        if isinstance(cause, causes.EngineSpoke):
            seen = self.responses.get(self._id(cause.response_id))
            if seen is not None:
                seen.unheard = cause.pcm
        if isinstance(cause, causes.ClientSent):
            self._see_answer(cause, effects, before, conversation)
        if isinstance(cause, causes.EngineLost):
            self.speculates = False
        if isinstance(cause, causes.EngineBegan):
            self._see_beginning(cause, effects)
        if isinstance(cause, causes.EngineMoved):
            self.terms = replace(
                self.terms,
                engine_finds_turns=cause.finds_turns,
                engine_follows_items=cause.follows_items,
                engine_speculates=cause.speculates,
            )
            self.speculates = False
        for place, effect in enumerate(effects):
            self._see_effect(effect, cause)
            if isinstance(effect, Close):
                assert place == len(effects) - 1, "the close comes last"
                self.closed = True
        for response in self.responses.values():
            if response.open_item is not None:
                response.open_item.spoken += response.unheard
            response.unheard = b""
        self._see_state(cause, now_ms, conversation)

    def _see_state(self, cause: Cause, now_ms: int, conversation: Conversation) -> None:
        assert [item.id for item in conversation.items] == self.order
        assert conversation.held_audio_bytes <= MAX_HELD_BYTES
        self._see_records(conversation)
        if isinstance(cause, causes.Tick):
            assert conversation.deadline_ms is None or conversation.deadline_ms > now_ms
        if self.closed:
            assert all(r.done for r in self.responses.values()), "a response was never done"
        assert self.is_ducked == (self.overlap is not None and self.terms.playout == "server")
        assert sum(not r.done and r.in_conversation for r in self.responses.values()) <= 1

    def _see_records(self, conversation: Conversation) -> None:
        """What was recorded is what is there, but for what still grows."""
        if not self.terms.recorded or self.recollection.session is None:
            return
        assert self.recollection.session == conversation.session
        past = self.recollection.past
        assert [entry.id for entry in past.items] == self.order
        assert past.used == conversation.used
        for kept, item in zip(past.items, conversation.items, strict=True):
            assert item.status == "in_progress" or kept.wire() == item

    def _see_beginning(self, cause: causes.EngineBegan, effects: list[Effect]) -> None:
        created = [e.response.id for e in effects if isinstance(e, server.ResponseCreated)]
        told = [e for e in effects if isinstance(e, StopGenerating | server.Error)]
        assert not any(isinstance(e, Generate) for e in effects), "it answers already"
        if created:
            assert told == []
            [self.names[cause.response_id]] = created
        else:
            assert len(told) == 2, "the engine is told to stop, the client that it was"
            self.strays.add(cause.response_id)

    # --- Answers -------------------------------------------------------------

    def _see_answer(
        self,
        cause: causes.ClientSent,
        effects: list[Effect],
        before: object,
        conversation: Conversation,
    ) -> None:
        refused = [
            e for e in effects if isinstance(e, SendTo) and isinstance(e.event, server.Error)
        ]
        if refused:
            assert effects == refused, "an error is all that follows from a mistake"
            [refusal] = refused
            assert refusal.connection == cause.connection
            assert isinstance(refusal.event, server.Error)
            assert refusal.event.error.event_id == cause.event.event_id
            assert refusal.event.error.message
            assert dump(conversation) == before, "a mistake changes nothing"
            return
        wanted = ANSWERS.get(type(cause.event))
        if wanted is None:
            return
        answers = [
            e.event if isinstance(e, SendTo) else e
            for e in effects
            if isinstance(e.event if isinstance(e, SendTo) else e, wanted)
        ]
        if isinstance(cause.event, client.ResponseCancel):
            answers = [
                a
                for a in answers
                if isinstance(a, server.ResponseDone) and a.response.status == "cancelled"
            ]
        assert len(answers) == 1, f"{len(answers)} answers to {type(cause.event).__name__}"
        if isinstance(cause.event, client.ConversationItemRetrieve):
            assert effects == [SendTo(cause.connection, answers[0])]  # type: ignore[arg-type]

    # --- Effects -------------------------------------------------------------

    def _see_effect(self, effect: Effect, cause: Cause) -> None:
        if isinstance(effect, Record):
            assert self.terms.recorded
            self.recollection.add(effect)
            return
        event = effect.event if isinstance(effect, SendTo) else effect
        if self._expect_added is not None:
            assert isinstance(event, server.ConversationItemAdded)
            assert event.item.id == self._expect_added
            self._expect_added = None
        if isinstance(event, ServerEvent):
            assert event.event_id not in self.event_ids, "each event has its own id"
            self.event_ids.add(event.event_id)
            self._see_item_event(event)
            self._see_turn_event(event)
            self._see_response_event(event)
            self._see_part_event(event)
            self._see_playout_event(event)
        else:
            self._see_command(event, cause)

    def _see_command(self, command: Effect, cause: Cause) -> None:
        if isinstance(command, Hear | ScoreVoice):
            end = command.at_sample + len(command.pcm) // 2
            self.heard_samples = max(self.heard_samples, end)
        match command:
            case DetectVoice():
                self.given_to = None
            case ScoreVoice(pcm, at_sample):
                assert self.given_to in (None, at_sample), "what is scored has no gaps"
                self.given_to = at_sample + len(pcm) // 2
            case Hear(pcm, at_sample) if self.turn is not None:
                heard_to = self.turn_from + len(self.turn_pcm) // 2
                assert at_sample == heard_to, "what is heard of a turn has no gaps"
                self.turn_pcm += pcm
            case TurnBegan(item_id, from_sample, pcm):
                assert self.turn is None
                self.turn, self.turn_from, self.turn_pcm = item_id, from_sample, pcm
                if item_id == self.dropped[0]:  # It goes on with the turn before.
                    self.speaking = self.dropped[1]
            case InputDropped():
                self.dropped = self.turn, self.speaking
                self.turn = self.speaking = None
            case TurnCommitted(item_id=item_id) if _brings_input(cause):
                assert item_id not in self.order, "it is for this response alone"
            case TurnCommitted(item_id, pcm):
                assert item_id in self.order
                if item_id == self.turn:
                    self._see_whole_turn(pcm)
                self.committed.add(item_id)
            case Generate(response_id=response_id):
                self._see_request(response_id, cause)
            case Speculate() | StopSpeculating():
                self._see_speculation(command)
            case ItemAdded() | ItemCut() | ItemRemoved():
                self._see_change(command)
            case StopGenerating(name) if self._id(name) not in self.responses:
                if not isinstance(cause, causes.EngineBegan):
                    assert name not in self.strays, "told once"
                self.strays.add(name)
            case StopGenerating(name):
                seen = self.responses[self._id(name)]
                assert not seen.done
                assert not seen.stopped
                seen.stopped = True
            case _:
                self._see_playing(command, cause)

    def _see_request(self, response_id: str, cause: Cause) -> None:
        if response_id not in self.responses and response_id not in self.names:
            assert isinstance(cause, causes.ToolAnswered | causes.EngineFinished)
            self._see_going_on(response_id)
            return
        response_id = self._id(response_id)
        if isinstance(cause, causes.EngineMoved):
            assert not self.responses[response_id].items, "it was told of it already"
        else:
            assert response_id not in self.generated
        assert not self.responses[response_id].done
        self.generated.add(response_id)
        if self.responses[response_id].in_conversation:
            self.speculates = False

    def _see_going_on(self, name: str) -> None:
        """The engine is asked for more of a response, under a name that it does not know yet."""
        [running] = [i for i, r in self.responses.items() if not r.done and r.in_conversation]
        assert name not in self.generated | self.names.keys() | self.responses.keys()
        assert running in self.generated
        self.names[name] = running

    def _see_playing(self, command: Effect, cause: Cause) -> None:
        match command:
            case PlayAudio(pcm):
                assert isinstance(cause, causes.EngineSpoke)
                response_id = self._id(cause.response_id)
                assert not self.responses[response_id].done
                assert response_id not in self.silenced, "sound after it was cleared"
                assert pcm == cause.pcm
            case ClearPlayout():
                self.silenced |= self.sounding
            case DuckPlayout(on, holds):
                assert self.terms.playout == "server"
                assert (on, holds) != (self.is_ducked, self.is_held)
                assert on or not holds
                assert not (on and self.is_held), "it is held until the verdict"
                self.is_ducked, self.is_held = on, holds

    def _see_speculation(self, command: Speculate | StopSpeculating) -> None:
        assert self.terms.engine_speculates
        if isinstance(command, StopSpeculating):
            assert self.speculates, "there is something to stop"
            self.speculates = False
            return
        self.speculates = True
        request = command.request
        assert request.response_id == ""
        assert not request.out_of_band
        assert all(response.done or not response.in_conversation for response in self.alive)
        *before, said = request.items
        assert said.id == self.turn, "it is about what is being said"
        told = [str(item.id) for item in before if item.id in self.order]
        assert [item_id for item_id in self.order if item_id in told] == told
        for item in before:  # What the server called itself no client is told.
            if item.id not in self.order:
                assert isinstance(item, FunctionCall | FunctionCallOutput)
                assert self.terms.server_tools

    @property
    def alive(self) -> list[SeenResponse]:
        return [response for response in self.responses.values() if not response.done]

    def _see_change(self, change: ItemAdded | ItemCut | ItemRemoved) -> None:
        assert self.terms.engine_follows_items
        match change:
            case ItemAdded(item, previous):
                at = self.order.index(str(item.id))
                assert previous == (self.order[at - 1] if at else None)
            case ItemCut(item):
                assert item.id in self.order
            case ItemRemoved(item_id):
                assert item_id in self.order, "its event follows"

    def _see_whole_turn(self, pcm: bytes) -> None:
        """The engine has heard the turn, and no more of what follows it."""
        self.turn = None
        if self.terms.engine_finds_turns:  # It heard all, and said itself where the turn ends.
            assert self.turn_pcm.startswith(pcm)
        else:
            assert self.turn_pcm == pcm

    def _see_item_event(self, event: ServerEvent) -> None:
        match event:
            case server.ConversationItemAdded(previous_item_id=previous, item=item):
                assert isinstance(item.id, str)
                if item.id in self.order:  # acknowledged again
                    at = self.order.index(item.id)
                    assert previous == (self.order[at - 1] if at else None)
                    self.unfinished.add(item.id)
                    return
                at = 0 if previous is None else self.order.index(previous) + 1
                self.order.insert(at, item.id)
                self.unfinished.add(item.id)
            case server.ConversationItemDone(previous_item_id=previous, item=item):
                assert isinstance(item.id, str)
                self.unfinished.remove(item.id)
                at = self.order.index(item.id)
                assert previous == (self.order[at - 1] if at else None)
            case server.ConversationItemDeleted(item_id=item_id):
                self.order.remove(item_id)
                self.unfinished.discard(item_id)
                self.committed.discard(item_id)
                self.transcribed.discard(item_id)
            case server.ConversationItemTruncated(item_id=item_id):
                assert item_id in self.order
            case server.TranscriptionCompleted() | server.TranscriptionFailed():
                assert event.item_id in self.committed
                assert event.item_id not in self.transcribed, "one transcript a turn"
                self.transcribed.add(event.item_id)
            case server.TranscriptionDelta(item_id=item_id):
                assert item_id not in self.transcribed
            case _:
                pass

    def _see_turn_event(self, event: ServerEvent) -> None:
        match event:
            case server.OverlapChanged(item_id=item_id, state="open"):
                assert self.overlap is None
                self.overlap = item_id
            case server.OverlapChanged(item_id=item_id):
                assert self.overlap == item_id, "it ends once"
                self.overlap = None
            case server.SpeechStarted(item_id=item_id):
                assert self.speaking is None
                held = self.overlap is not None and self.terms.playout == "client"
                assert not held, "a client that plays would be silent"
                self.speaking = item_id
            case server.SpeechStopped(item_id=item_id):
                assert self.speaking == item_id
            case server.InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous):
                assert item_id not in self.order
                assert self.speaking in (None, item_id)
                assert previous == (self.order[-1] if self.order else None)
                self.speaking = None
                self._expect_added = item_id
            case _:
                pass

    def _see_response_event(self, event: ServerEvent) -> None:
        match event:
            case server.ResponseCreated(response=response):
                assert response.id not in self.responses
                assert response.status == "in_progress"
                assert response.usage is None
                self.responses[response.id] = SeenResponse(
                    in_conversation=response.conversation_id is not None,
                    modality=response.output_modalities[0],
                    audio_format=response.audio.output.format,
                    metadata=response.metadata,
                )
            case server.ResponseOutputItemAdded(response_id=response_id, item=item):
                seen = self._live(response_id)
                assert seen.open_item is None
                assert event.output_index == len(seen.items)
                assert item.status == "in_progress"
                assert isinstance(item.id, str)
                seen.items.append(SeenItem(item.id, type(item).__name__))
                if seen.in_conversation:
                    self._expect_added = item.id
            case server.ResponseOutputItemDone(response_id=response_id, item=item):
                seen = self._live(response_id)
                open_item = seen.open_item
                assert open_item is not None
                assert open_item.id == item.id
                assert event.output_index == len(seen.items) - 1
                assert open_item.part in ("closed", "")
                assert (open_item.part == "closed") == isinstance(item, Message)
                assert item.status in ("completed", "incomplete")
                assert item.id not in self.unfinished
                open_item.done = True
            case server.ResponseDone(response=response):
                self._see_done(response)
            case _:
                pass

    def _see_done(self, response: server.Response) -> None:
        seen = self._live(response.id)
        assert seen.open_item is None
        assert [item.id for item in response.output] == [item.id for item in seen.items]
        assert response.metadata == seen.metadata
        assert (response.status == "completed") == (response.status_details is None)
        if response.status_details is not None:
            assert response.status_details.type == response.status
        usage = response.usage
        assert usage is not None
        made, taken = usage.output_token_details, usage.input_token_details
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        assert usage.input_tokens == taken.text_tokens + taken.audio_tokens + taken.image_tokens
        assert usage.output_tokens == made.text_tokens + made.audio_tokens
        cached = taken.cached_tokens_details
        assert (
            taken.cached_tokens
            == cached.text_tokens + cached.audio_tokens + cached.image_tokens
            <= usage.input_tokens
        )
        seen.done = True

    def _see_part_event(self, event: ServerEvent) -> None:
        response_id = getattr(event, "response_id", None)
        item_id = getattr(event, "item_id", None)
        if response_id is None or item_id is None:
            return
        seen = self._live(response_id)
        item = seen.open_item
        assert item is not None
        assert item.id == item_id
        assert event.output_index == len(seen.items) - 1  # type: ignore[union-attr]
        match event:
            case server.ResponseContentPartAdded():
                assert item.part == ""
                item.part = "open"
            case server.ResponseContentPartDone(part=part):
                assert item.part == "open"
                item.part = "closed"
                text = part.text if isinstance(part, server.TextPart) else part.transcript
                assert text == item.text
            case (
                server.ResponseOutputTextDelta(delta=delta)
                | server.ResponseOutputAudioTranscriptDelta(delta=delta)
            ):
                assert item.part == "open"
                assert delta
                item.text += delta
            case server.ResponseOutputAudioDelta(delta=audio):
                assert item.part == "open"
                assert audio
                item.audio += audio
            case (
                server.ResponseOutputTextDone(text=text)
                | server.ResponseOutputAudioTranscriptDone(transcript=text)
            ):
                assert text == item.text
            case server.ResponseOutputAudioDone():
                assert item.part == "open"
                if self.terms.playout == "client":
                    item.spoken, seen.unheard = item.spoken + seen.unheard, b""
                    assert item.audio == encode_whole(seen.audio_format, item.spoken)
            case server.ResponseFunctionCallArgumentsDelta(delta=delta):
                item.arguments += delta
            case server.ResponseFunctionCallArgumentsDone(arguments=arguments):
                assert arguments == item.arguments
            case _:
                raise AssertionError(event)

    def _see_playout_event(self, event: ServerEvent) -> None:
        match event:
            case server.OutputAudioBufferStarted(response_id=response_id):
                assert self.terms.playout == "server"
                assert response_id not in self.sounded, "it starts once"
                self._live(response_id)
                self.sounding.add(response_id)
                self.sounded.add(response_id)
            case server.OutputAudioBufferStopped(response_id=response_id):
                self.sounding.remove(response_id)
                assert self.responses[response_id].done
            case server.OutputAudioBufferCleared(response_id=response_id):
                self.sounding.remove(response_id)
            case _:
                pass

    def _id(self, name: str) -> str:
        """Of the response that the engine calls so."""
        return self.names.get(name, name)

    def _live(self, response_id: str) -> SeenResponse:
        seen = self.responses[response_id]
        assert not seen.done, "nothing of a response follows its done"
        return seen


def _brings_input(cause: Cause) -> bool:
    if not isinstance(cause, causes.ClientSent):
        return False
    event = cause.event
    return isinstance(event, client.ResponseCreate) and bool(
        event.response and event.response.input
    )


def dump(conversation: Conversation) -> object:
    return conversation.session, conversation.items, conversation.deadline_ms


class LawfulCall(VirtualCall):
    """A `VirtualCall` that a witness watches."""

    def give(self, cause: Cause) -> list[Effect]:
        if not hasattr(self, "witness"):
            self.witness = Witness(self.terms)
            self.everything: list[Effect] = []
        before, now_ms = dump(self.conversation), self.now_ms
        effects = super().give(cause)
        self.everything += effects
        self.witness.see(cause, now_ms, effects, before, self.conversation)
        return effects
