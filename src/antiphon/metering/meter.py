"""One session's meter: what happens in it → lines.

It sees what a tape sees, causes and what followed, and reads nothing else: a tape that is replayed
gives the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from msgspec.structs import replace

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    Cause,
    EngineBegan,
    EngineCounted,
    EngineFinished,
    EngineMoved,
    EngineSaid,
    EngineSpoke,
    Ms,
    Speculated,
    TranscriptEnded,
)
from antiphon.core.effects import Configure, Effect, Speculate, TurnCommitted
from antiphon.core.terms import Terms
from antiphon.metering.lines import (
    Account,
    Line,
    LineKind,
    Used,
    day_of,
    line_of,
    quantities_of,
    quantities_of_transcription,
)
from antiphon.metering.prices import TOKEN_KINDS, PriceTable
from antiphon.protocol.server import (
    Response,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    TranscriptionCompleted,
    TranscriptionUsage,
    Usage,
)
from antiphon.protocol.session import AnySession, Session

BYTES_PER_MS = 2 * MEDIA_RATE_HZ // 1000
TIME_LINE_MS: Ms = 60_000
"""Of an engine that is paid by the minute, a line at least so often: what a crash would lose."""

MAX_ESTIMATES = 64
"""Answers that were stopped, and whose bill may still come.  Overflow policy: the oldest keeps our
estimate."""

MAX_TURNS = 64
"""Turns whose words are awaited.  Overflow policy: the oldest is not billed."""

BilledKind = LineKind | Literal["recognition"]
BilledAs = Callable[[BilledKind, str, str | None], str]
"""``(kind, engine, model)``: the name in the table of prices; "": nobody sends a bill for it.
``model`` is the one that was asked for: the session's, or that of the transcription.  A
"recognition" is a transcription that no client has asked for.
"""


def as_asked(kind: BilledKind, engine: str, model: str | None) -> str:
    """By the model that was asked for, or the engine where none was."""
    return "" if kind in ("speech", "recognition") else model or engine


class _Speech:
    """What was said of answers, and is not billed yet."""

    def __init__(self) -> None:
        self._said: dict[str, list[int]] = {}
        """Characters, and bytes of sound, by what the engine calls the answer."""
        self.running: set[str] = set()
        """Ids of answers; what has none of these names is a further round of one of them."""
        self._lines = 0

    def saw(self, cause: Cause) -> None:
        if isinstance(cause, EngineSaid | EngineSpoke):
            said = self._said.setdefault(cause.response_id, [0, 0])
            if isinstance(cause, EngineSaid):
                said[0] += len(cause.text)
            else:
                said[1] += len(cause.pcm)

    def began(self, response_id: str) -> None:
        self.running.add(response_id)

    def ended(self, response_id: str, *, in_conversation: bool) -> tuple[int, int]:
        """Characters and bytes of sound of the answer and its further rounds."""
        self.running.discard(response_id)
        names = [response_id]
        if in_conversation:
            names += [name for name in self._said if name not in self.running]
        found = [self._said.pop(name, (0, 0)) for name in dict.fromkeys(names)]
        return sum(one[0] for one in found), sum(one[1] for one in found)

    def taken(self) -> list[tuple[str, int, int]]:
        """All that is not billed yet; it will not be told again."""
        found = [(name, *said) for name, said in self._said.items()]
        self._said.clear()
        return found  # type: ignore[return-value]

    def number(self) -> int:
        """Of the next line."""
        self._lines += 1
        return self._lines


class Meter:
    """Args:
    terms: What the session begins with.
    account: Who pays for it.
    """

    def __init__(
        self,
        terms: Terms,
        account: Account,
        prices: PriceTable,
        *,
        conversation_id: str,
        billed_as: BilledAs = as_asked,
    ) -> None:
        self.account = account
        self.session_id = terms.session.id
        self._conversation_id = conversation_id
        self._prices = prices
        self._billed_as = billed_as
        self._engine = terms.engine_name
        self._session: AnySession = terms.session
        self._began_ms = (terms.session.expires_at * 1000) - terms.session_max_ms
        """Unix time; from what the session says of itself, so that a tape says it too."""
        self._now_ms: Ms = 0
        self._paid_until_ms: Ms = 0
        self._time_lines = self._speculations = 0
        self._foreseen_tokens = 0
        """Of the input of the answer that was begun early last."""
        self._estimates: dict[str, Used] = {}
        """By what the engine calls the answers."""
        self._speech = _Speech()
        self._turns: dict[str, int] = {}
        """How many bytes of sound were given to be recognised, by ids of items."""
        self._own_names: dict[str, str] = {}
        """Our ids of answers that run, and how the engine that began them calls them."""

    # --- What happens --------------------------------------------------------

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> list[Line]:
        """What that costs."""
        self._now_ms = now_ms
        lines: list[Line] = []
        counted = _counts(cause)
        self._speech.saw(cause)
        if isinstance(cause, EngineMoved):
            lines += self._while_it_served()
            for name, *said in self._speech.taken():
                lines += self._spoken(name, *said)
        elif isinstance(cause, EngineCounted):
            lines += self._corrected(cause)
        elif isinstance(cause, Speculated) and not cause.used:
            lines += self._thrown_away(cause)
        for effect in effects:
            kind = type(effect)
            if kind is ResponseDone:
                lines += self._whole_response(effect.response, counted=counted)  # type: ignore[union-attr]
            elif kind is TurnCommitted:
                self._heard(effect)  # type: ignore[arg-type]
            elif kind is TranscriptionCompleted:
                lines += self._transcription(effect)  # type: ignore[arg-type]
            elif kind is Speculate:
                self._foreseen_tokens = effect.input_tokens  # type: ignore[union-attr]
            elif kind is Configure:
                self._session = effect.session  # type: ignore[union-attr]
            elif kind is ResponseCreated:
                self._began(effect.response.id, cause)  # type: ignore[union-attr]
        if isinstance(cause, TranscriptEnded):
            lines += self._recognized(cause, lines)
        if isinstance(cause, EngineMoved):
            self._engine = cause.name
            self._estimates.clear()  # Of that engine nothing more is heard.
        if now_ms - self._paid_until_ms >= TIME_LINE_MS or lines:
            lines += self._while_it_served()
        return lines

    def followed(self, now_ms: Ms, event: ServerEvent, session: Session) -> list[Line]:
        """What it costs that another server, which holds the session and answers in it, told;
        ``session`` is as it is then.
        """
        self._now_ms, self._session = now_ms, session
        lines: list[Line] = []
        if isinstance(event, ResponseDone):
            counted = event.response.usage is not None
            lines.append(self._response(event.response, counted=counted))
        elif isinstance(event, TranscriptionCompleted):
            lines += self._transcription(event)
        if now_ms - self._paid_until_ms >= TIME_LINE_MS or lines:
            lines += self._while_it_served()
        return lines

    def ended(self) -> list[Line]:
        """The session is over: what there is to pay since the last line."""
        return self._while_it_served()

    @property
    def running(self) -> AbstractSet[str]:
        """Ids of responses that have begun, and are not over."""
        return self._speech.running

    @property
    def at_ms(self) -> int:
        """Unix time of what happened last."""
        return self._began_ms + self._now_ms

    @property
    def billed_as(self) -> str:
        """What answers now, by its name in the table of prices."""
        return self._billed_as("response", self._engine, self._model)

    @property
    def voice_billed_as(self) -> str:
        """The same of what speaks; "": nobody sends a bill for it."""
        return self._billed_as("speech", self._engine, self._model)

    # --- Lines ---------------------------------------------------------------

    def _began(self, response_id: str, cause: Cause) -> None:
        self._speech.began(response_id)
        if isinstance(cause, EngineBegan):
            self._own_names[response_id] = cause.response_id

    def _heard(self, turn: TurnCommitted) -> None:
        self._turns[turn.item_id] = len(turn.pcm)
        if len(self._turns) > MAX_TURNS:
            del self._turns[next(iter(self._turns))]

    def _whole_response(self, response: Response, *, counted: bool) -> list[Line]:
        """The answer, and before it its sound, where another server made that."""
        in_conversation = response.conversation_id is not None
        said = self._speech.ended(response.id, in_conversation=in_conversation)
        spoken = self._spoken(response.id, *said)
        return [*spoken, self._response(response, counted=counted)]

    def _spoken(self, response_id: str, characters: int, sound_bytes: int) -> list[Line]:
        name = self._billed_as("speech", self._engine, self._model)
        ms = sound_bytes // BYTES_PER_MS
        if not name or not (characters or ms):
            return []
        used = self._used("speech", name, response_id)
        price = self._prices.find(name, day_of(used.at_ms))
        by_sound = price is not None and price.characters is None and price.minute is not None
        used = replace(
            used,
            id=f"{used.id}/speech-{self._speech.number()}",
            is_estimated=True,
            quantities=(("ms", ms) if by_sound else ("characters", characters),),
        )
        return [line_of(used, self._prices)]

    def _recognized(self, news: TranscriptEnded, told: Sequence[Line]) -> list[Line]:
        """The words of a turn, which the engine wants also where the client does not."""
        sound_bytes = self._turns.pop(news.item_id, 0)
        name = self._billed_as("recognition", self._engine, None)
        if not name or not sound_bytes or any(line.kind == "transcription" for line in told):
            return []
        usage = news.usage or TranscriptionUsage(seconds=sound_bytes // BYTES_PER_MS / 1000)
        quantities = quantities_of_transcription(usage)
        used = self._used("transcription", name, f"{news.item_id}.0")
        return [line_of(replace(used, quantities=quantities), self._prices)]

    def _response(self, response: Response, *, counted: bool) -> Line:
        used = replace(
            self._used("response", self.billed_as, response.id),
            status=response.status,
            in_conversation=response.conversation_id is not None,
            is_estimated=not counted,
            quantities=quantities_of(response.usage or Usage()),
        )
        name = self._own_names.pop(response.id, response.id)
        if not counted:
            self._estimates[name] = used
            if len(self._estimates) > MAX_ESTIMATES:
                del self._estimates[next(iter(self._estimates))]
        return line_of(used, self._prices)

    def _corrected(self, news: EngineCounted) -> list[Line]:
        """What is missing between our estimate and the bill, or was too much."""
        estimate = self._estimates.pop(news.response_id, None)
        if estimate is None:
            return []
        true, guessed = dict(quantities_of(news.usage)), dict(estimate.quantities)
        wrong = {kind: true.get(kind, 0) - guessed.get(kind, 0) for kind in TOKEN_KINDS}
        quantities = tuple((kind, wrong[kind]) for kind in TOKEN_KINDS if wrong[kind])
        used = replace(
            estimate,
            id=f"{estimate.id}/counted",
            is_estimated=False,
            is_correction=True,
            quantities=quantities,
        )
        return [line_of(used, self._prices)]

    def _thrown_away(self, news: Speculated) -> list[Line]:
        """Nothing, where such an answer costs nothing."""
        self._speculations += 1
        counted = news.input_tokens
        tokens_in = self._foreseen_tokens if counted is None else counted
        quantities = (("text_in", tokens_in), ("text_out", news.output_tokens))
        name = self._billed_as("speculation", self._engine, self._model)
        used = replace(
            self._used("speculation", name, f"speculation-{self._speculations}"),
            status="thrown_away",
            in_conversation=False,
            is_estimated=counted is None,
            quantities=tuple((kind, tokens) for kind, tokens in quantities if tokens),
        )
        line = line_of(used, self._prices)
        return [line] if line.nano or line.is_unpriced else []

    def _transcription(self, event: TranscriptionCompleted) -> list[Line]:
        quantities = quantities_of_transcription(event.usage)
        if not quantities:
            return []
        wanted = self._session.audio.input.transcription
        asked = None if wanted is None else wanted.model
        name = self._billed_as("transcription", self._engine, asked)
        used = self._used("transcription", name, f"{event.item_id}.{event.content_index}")
        return [line_of(replace(used, quantities=quantities), self._prices)]

    def _while_it_served(self) -> list[Line]:
        """Nothing, where the engine is not paid by the minute."""
        since_ms, self._paid_until_ms = self._paid_until_ms, self._now_ms
        name = self._billed_as("time", self._engine, self._model)
        used = self._used("time", name, f"time-{self._time_lines}")
        price = self._prices.find(name, day_of(used.at_ms))
        if price is None or not price.minute or not price.is_by_the_minute:
            return []
        if self._now_ms == since_ms:
            return []
        self._time_lines += 1
        quantities = (("ms", self._now_ms - since_ms),)
        return [line_of(replace(used, quantities=quantities), self._prices)]

    def _used(self, kind: LineKind, billed_as: str, source_id: str) -> Used:
        return Used(
            id=f"{self.session_id}/{source_id}",
            at_ms=self.at_ms,
            kind=kind,
            account=self.account,
            session_id=self.session_id,
            conversation_id=self._conversation_id,
            source_id=source_id,
            engine=self._engine,
            model=self._model,
            billed_as=billed_as,
            quantities=(),
        )

    @property
    def _model(self) -> str | None:
        return self._session.model if isinstance(self._session, Session) else None


def _counts(cause: Cause) -> bool:
    """Whoever answered said what it used."""
    return isinstance(cause, EngineFinished) and (
        cause.usage is not None or cause.input_tokens is not None
    )
