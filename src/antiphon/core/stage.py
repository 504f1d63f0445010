"""What the nouns of one conversation share."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from antiphon.core.causes import EngineMoved
from antiphon.core.context import Window
from antiphon.core.deadlines import Deadlines
from antiphon.core.effects import Effect
from antiphon.core.faults import Fault
from antiphon.core.history import History
from antiphon.core.ids import Ids
from antiphon.core.items import Entry, ImagePart, MessageEntry
from antiphon.core.life import SessionLife
from antiphon.core.pictures import check_image_url
from antiphon.core.records import Recorder, SessionChanged
from antiphon.core.settings import check_known_voice, replace, voice_name
from antiphon.core.sounding import ClientSounding, ServerSounding, Sounding
from antiphon.core.terms import Terms
from antiphon.core.transcripts import Transcripts
from antiphon.protocol.server import Error, ErrorDetail, Usage
from antiphon.protocol.session import Answering, AnySession, Session, Voice
from antiphon.protocol.voices import answering_voice


@dataclass(slots=True, eq=False)
class Stage:
    terms: Terms
    conversation_id: str
    session: AnySession
    ids: Ids
    deadlines: Deadlines
    life: SessionLife
    recorder: Recorder
    history: History
    transcripts: Transcripts
    sounding: Sounding
    window: Window
    used: Usage
    """By all responses so far."""
    voice_heard: bool = False
    """The assistant has spoken: its voice can no longer change."""
    memory: str = ""
    """What engines are shown of the user."""
    drawn_for: str = ""
    """As in `Generate`."""

    @staticmethod
    def set_for(terms: Terms) -> Stage:
        """As it is before the first cause: empty, or as an earlier conversation left it."""
        past = terms.past
        ids = Ids(terms.seed, 0 if past is None else past.ids_used)
        deadlines = Deadlines()
        recorder = Recorder(ids, on=terms.recorded)
        history = History(ids, recorder, () if past is None else past.items)
        history.engine_follows = terms.engine_follows_items
        on_server = terms.playout == "server"
        conversation_id = ids.new("conv") if past is None else past.conversation_id
        drawn_for = (None if past is None else past.drawn_for) or conversation_id
        return Stage(
            terms=terms,
            conversation_id=conversation_id,
            session=terms.session,
            ids=ids,
            deadlines=deadlines,
            life=SessionLife(deadlines, linger_ms=terms.linger_ms),
            recorder=recorder,
            history=history,
            transcripts=Transcripts(ids, history),
            sounding=ServerSounding(ids, history, deadlines) if on_server else ClientSounding(),
            window=Window(None if past is None else past.cut),
            used=Usage() if past is None else past.used,
            voice_heard=past is not None and past.voice_heard,
            memory=terms.memory,
            drawn_for=drawn_for if terms.recorded else "",
        )

    def tell_settings(self, out: list[Effect]) -> None:
        """To the log, if one is kept."""
        # Only a fork's draws follow from another conversation.
        forked_from = "" if self.drawn_for == self.conversation_id else self.drawn_for
        change = SessionChanged(self.session, self.conversation_id, forked_from)
        self.recorder.tell(change, out)

    def move(self, cause: EngineMoved) -> None:
        """Another engine is there, which may be able to do other things."""
        self.terms = replace(
            self.terms,
            engine_name=cause.name,
            engine_voices=cause.voices,
            engine_speaks=cause.speaks,
            engine_finds_turns=cause.finds_turns,
            engine_begins=cause.begins,
            engine_takes_images=cause.takes_images,
            engine_follows_items=cause.follows_items,
            engine_speculates=cause.speculates,
        )
        self.history.engine_follows = cause.follows_items
        if not isinstance(self.session, Session):
            return
        if cause.model is not None:
            self.session = replace(self.session, model=cause.model)
        if cause.voice is not None:
            audio = self.session.audio
            output = replace(audio.output, voice=cause.voice)
            self.session = replace(self.session, audio=replace(audio, output=output))

    @property
    def shown_session(self) -> AnySession:
        """As clients see it: with who really answers."""
        if not self.terms.engine_name:
            return self.session
        voice = None
        if isinstance(self.session, Session):
            asked = voice_name(self.session.audio.output.voice)
            voice = answering_voice(asked, self.terms.engine_voices)
        answering = Answering(
            self.terms.engine_name,
            voice,
            cost=self.tells_cost,
            timeline=self.tells_timeline,
            recording=self.terms.records_sound,
        )
        return replace(self.session, antiphon=answering)

    @property
    def tells_cost(self) -> bool:
        """A client wants to know what each answer cost."""
        wanted = self.session.antiphon
        return wanted is not UNSET and wanted.cost

    @property
    def tells_timeline(self) -> bool:
        """A client wants to know where the time of each turn went."""
        wanted = self.session.antiphon
        return wanted is not UNSET and wanted.timeline

    def check_voice(self, voice: Voice, param: str) -> None:
        """Raises:
        Fault: the engine has no voice of that name, and the operator wants that told.
        """
        if self.terms.strict:
            check_known_voice(voice, self.terms.engine_voices, param)

    def new_item_id(self) -> str:
        """One that no item has: a client may have guessed the next."""
        item_id = self.ids.new("item")
        while self.history.get(item_id) is not None:
            item_id = self.ids.new("item")
        return item_id

    def check_images(self, entry: Entry, where: str) -> None:
        """Raises:
        Fault: there is a picture, and the session's engine makes nothing of any, or of that.
        """
        for index, part in enumerate(entry.parts if isinstance(entry, MessageEntry) else ()):
            if not isinstance(part, ImagePart):
                continue
            place = f"{where}.content[{index}]"
            if not self.terms.engine_takes_images:
                raise Fault(
                    "unsupported_content_type",
                    "This session's model takes no images: send text or audio, or use a model "
                    "that takes them.",
                    param=place,
                )
            remote = self.terms.image_urls
            check_image_url(part.image_url, remote=remote, param=f"{place}.image_url")

    def error(
        self, fault: Fault, event_id: str | None = None, *, kind: str = "invalid_request_error"
    ) -> Error:
        """A mistake, told; ``event_id`` is that of the client event at fault, if one is."""
        detail = ErrorDetail(
            type=kind,
            code=fault.code,
            message=fault.message,
            param=fault.param,
            event_id=event_id,
        )
        return Error(event_id=self.ids.event(), error=detail)
