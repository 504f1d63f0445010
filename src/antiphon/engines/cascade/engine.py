"""A cascade: a recogniser, a brain and a synthesiser make an engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from antiphon.core.causes import EngineFailed, Speculated
from antiphon.core.effects import (
    Configure,
    EngineCommand,
    Generate,
    Hear,
    InputDropped,
    Speculate,
    StopGenerating,
    StopSpeculating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.cascade.answering import FAILED_TEXT, Answer
from antiphon.engines.cascade.draft import Draft
from antiphon.engines.cascade.hearing import Hearing
from antiphon.engines.cascade.news import NewsQueue
from antiphon.engines.cascade.parts import Brain, Grammar, Recognizer, Synthesizer
from antiphon.engines.cascade.utterance import joined
from antiphon.engines.engine import Abilities, SessionNews
from antiphon.protocol.items import InputAudio, Item, Message
from antiphon.protocol.session import STREAMS_WHILE_SPOKEN, AnySession, Session, Transcription

log = logging.getLogger(__name__)

TRANSCRIPT_TIMEOUT_S = 15.0
"""An answer waits so long for what the user said, and as long again as it took to say: a
recording that was sent at once is recognised after it was committed.  Then it answers without."""


class Manner(Struct, frozen=True, kw_only=True):
    """How a cascade answers, whatever its parts are."""

    follows_language: bool = False
    """The brain answers in the language that it is spoken to in, and so does the voice, where a
    session names none."""
    holding_after_s: float = 0.0
    """As of `Answer`."""
    speculates: bool = False
    """Answers are begun in pauses that probably end a turn.  What is thrown away of them has cost
    what the parts cost."""


PLAIN = Manner()


class CascadeEngine:
    """Turn-based; serves any number of sessions with shared parts."""

    def __init__(
        self,
        name: str,
        description: str,
        *,
        recognizer: Recognizer,
        brain: Brain,
        synthesizer: Synthesizer,
        manner: Manner = PLAIN,
    ) -> None:
        self.name = name
        self.description = description
        self._recognizer = recognizer
        self._brain = brain
        self._synthesizer = synthesizer
        self._manner = manner

    def with_brain(self, brain: Brain, *, name: str) -> CascadeEngine:
        """The same ears, voice and manner; the parts stay this one's to start and close."""
        return CascadeEngine(
            name,
            self.description,
            recognizer=self._recognizer,
            brain=brain,
            synthesizer=self._synthesizer,
            manner=self._manner,
        )

    @property
    def abilities(self) -> Abilities:
        return Abilities(
            judges_turns=True,
            takes_images=True,
            speculates=self._manner.speculates,
            voices=self._synthesizer.voices,
        )

    async def start(self) -> None:
        await asyncio.gather(
            self._recognizer.start(), self._brain.start(), self._synthesizer.start()
        )

    def open(self, session_id: str) -> CascadeSession:
        return CascadeSession(
            session_id,
            self._recognizer,
            self._brain,
            self._synthesizer,
            self._manner,
        )

    async def aclose(self) -> None:
        await asyncio.gather(
            self._recognizer.aclose(), self._brain.aclose(), self._synthesizer.aclose()
        )


class CascadeSession:
    """One conversation's use of the cascade."""

    def __init__(
        self,
        session_id: str,
        recognizer: Recognizer,
        brain: Brain,
        synthesizer: Synthesizer,
        manner: Manner,
    ) -> None:
        self._session_id = session_id
        self._manner = manner
        self._synthesizer = synthesizer
        self._mind = brain.open(session_id)
        self._news = NewsQueue()
        self._hearing = Hearing(recognizer, self._news)
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._draft: Draft | None = None
        """Of what will probably be asked for."""
        self._thrown: set[asyncio.Task[None]] = set()
        self._session: AnySession | None = None
        self._context: tuple[Item, ...] = ()
        """What the newest answer saw: what the user says next follows from it."""

    def __aiter__(self) -> AsyncIterator[SessionNews]:
        return self._news.__aiter__()

    def send(self, command: EngineCommand) -> None:
        match command:
            case Hear():
                self._hearing.hear(command.pcm)
            case Generate():
                self._generate(command)
            case StopGenerating():
                self._stop(command.response_id)
            case Speculate():
                self._speculate(command.request)
            case StopSpeculating():
                self._throw_away()
            case TurnBegan():
                self._begin_turn(command)
            case TurnCommitted():
                if self._hearing.open_item_id == command.item_id:
                    self._hearing.commit()
                else:
                    self._hear_whole(command.item_id, command.pcm)
            case InputDropped():
                self._hearing.drop()
            case Configure():
                self._session = command.session

    async def aclose(self) -> None:
        self._hearing.close()
        self._news.close()
        self._throw_away()
        answers = list(self._answers.values())
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
        await asyncio.gather(*self._thrown)

    # --- The user ------------------------------------------------------------

    def _begin_turn(self, turn: TurnBegan) -> None:
        wanted = self._transcription
        shown_live = wanted is not None and wanted.model in STREAMS_WHILE_SPOKEN
        self._hearing.begin(
            turn.item_id,
            turn.pcm,
            grammar=self._expected(),
            language=self._language,
            live=shown_live or turn.overlaps,
            overlaps=turn.overlaps,
        )

    @property
    def _transcription(self) -> Transcription | None:
        return self._session.audio.input.transcription if self._session else None

    @property
    def _language(self) -> str | None:
        wanted = self._transcription
        return wanted.language if wanted else None

    def _hear_whole(self, item_id: str, pcm: bytes) -> None:
        self._hearing.hear_whole(item_id, pcm, grammar=self._expected(), language=self._language)

    def _expected(self) -> Grammar | None:
        session = self._session
        if not isinstance(session, Session):
            return None
        return self._mind.expects(
            Generate(
                response_id="",
                items=self._context,
                instructions=session.instructions,
                tools=session.tools,
                tool_choice=session.tool_choice,
            )
        )

    # --- The answer ----------------------------------------------------------

    def _generate(self, request: Generate) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._answers[request.response_id] = task
        task.add_done_callback(lambda _: self._answers.pop(request.response_id, None))

    def _stop(self, response_id: str) -> None:
        task = self._answers.get(response_id)
        if task is not None:
            task.cancel()
        self._news.forget(response_id)
        self._throw_away()

    async def _answer(self, request: Generate) -> None:
        try:
            items = joined([await self._understood(item) for item in request.items])
            request = self._as_heard(request, items)
            if not request.out_of_band:
                self._context = items
            problem = "" if request.out_of_band else self._problem_of_last(items)
            language = self._answer_language
            if self._draft is not None and not request.out_of_band:
                if not problem and self._draft.is_of(request, language):
                    await self._give_draft(request.response_id)
                    return
                self._throw_away()
            answer = Answer(
                request,
                self._mind,
                self._synthesizer,
                self._news,
                language=language,
                holding_after_s=self._manner.holding_after_s,
            )
            await (answer.give_up(problem) if problem else answer.give())
        except Exception:
            log.exception("session %s: the answer failed", self._session_id)
            self._news.tell(EngineFailed(request.response_id, FAILED_TEXT, is_unavailable=True))

    def _as_heard(self, request: Generate, items: tuple[Item, ...]) -> Generate:
        language = self._language or self._hearing.language or ""
        return msgspec.structs.replace(request, items=items, heard_language=language)

    @property
    def _answer_language(self) -> str | None:
        if self._language is None and self._manner.follows_language:
            return self._hearing.language
        return self._language

    # --- Before it is asked for ----------------------------------------------

    def _speculate(self, request: Generate) -> None:
        self._throw_away()
        request = self._as_heard(request, joined(request.items))
        self._draft = Draft(
            request,
            self._mind,
            self._synthesizer,
            self._news,
            language=self._answer_language,
            holding_after_s=self._manner.holding_after_s,
        )

    async def _give_draft(self, response_id: str) -> None:
        draft, self._draft = self._draft, None
        assert draft is not None, "there is one"
        self._news.tell(Speculated(used=True))
        await draft.give(response_id)

    def _throw_away(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            task = asyncio.get_running_loop().create_task(self._part_with(draft))
            self._thrown.add(task)
            task.add_done_callback(self._thrown.discard)

    async def _part_with(self, draft: Draft) -> None:
        self._news.tell(await draft.throw_away())

    def _problem_of_last(self, items: tuple[Item, ...]) -> str:
        """Why it is not known what the user said last; "" where it is."""
        last = items[-1] if items else None
        if not isinstance(last, Message) or last.role != "user" or not last.id:
            return ""
        return self._hearing.problem_of(last.id)

    async def _understood(self, item: Item) -> Item:
        """The item, with what the user said in place of the sound."""
        if not isinstance(item, Message) or item.role != "user":
            return item
        content = []
        for part in item.content:
            if isinstance(part, InputAudio) and part.transcript is None and item.id:
                part = InputAudio(await self._text_of(item.id))
            content.append(part)
        return msgspec.structs.replace(item, content=tuple(content))

    async def _text_of(self, item_id: str) -> str:
        try:
            async with asyncio.timeout(TRANSCRIPT_TIMEOUT_S + self._hearing.duration_s(item_id)):
                return await self._hearing.text_of(item_id)
        except TimeoutError:
            log.warning("session %s: no transcript of %s in time", self._session_id, item_id)
            return ""
