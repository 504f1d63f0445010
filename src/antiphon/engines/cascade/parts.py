"""The parts of a cascade: what recognises, thinks and speaks must meet.

All audio is 16-bit mono PCM at 24 kHz (`MEDIA_RATE_HZ`), as everywhere inside; an
adapter resamples for itself.  Nothing here blocks the event loop: heavy work is done
in worker processes or on other machines.

`antiphon.testing` has a kit for each kind of part that checks the promises made here:
`check_recognizer`, `check_brain`, `check_synthesizer`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal, Protocol

from msgspec import Struct

from antiphon.core.effects import Generate

# --- Speech to text ----------------------------------------------------------


class Grammar(Struct, frozen=True):
    """What the user is likely to say next, to bias recognition.

    A recogniser that cannot use it ignores it.
    """

    key: str
    """Equal keys mean equal grammars: compile once."""
    jsgf: str
    """A whole JSGF V1.0 grammar, lower-case words."""
    pronunciations: dict[str, str] = {}
    """Word to ARPAbet, for words that a dictionary may lack and where the author knows."""


class WordScore(Struct, frozen=True):
    word: str
    logprob: float


class Transcript(Struct, frozen=True):
    """What was recognised so far, or in the end."""

    text: str
    """As one would write it, or lower-case words; "" where nothing was understood."""
    final: bool
    stable_chars: int = 0
    """``text[:stable_chars]`` will not change any more."""
    in_grammar: bool = False
    """The text is a sentence of the grammar (and was not rejected)."""
    complete: bool = False
    """The words so far are a whole sentence of the grammar: the turn is likely over."""
    words: tuple[WordScore, ...] = ()
    language: str = ""
    """What it was found to be in, as "de", where the turn named none.  Only in a final one."""
    problem: str = ""
    """Why it is not known what was said: a fault, in words that a client may see.  Only in a
    final one, without text."""
    melody: float | None = None
    """How likely the turn is over by how it was said (`EndOfTurnHint`); None: nobody listened for
    that.  Never in a final one."""
    looked_for_words: bool = True
    """False: nobody has, since the last time; there may be more than ``text``."""
    while_spoken: bool = False
    """Whoever looked for words did so while somebody spoke: there may be more by now."""
    aside: str = ""
    """What it was more likely, where it was said while somebody else was speaking, as "Mm-hmm." for
    "time"; "": the text."""
    lost_s: float = 0.0
    """So much of what was said was dropped unheard, as there was too much to do.  Only in a
    final one."""


class Recognition(Protocol):
    """One turn of the user at a recogniser."""

    def feed(self, pcm: bytes) -> None:
        """More audio, whole samples.  Never waits; a bounded backlog, overflow drops the
        oldest audio.
        """
        ...

    def finish(self) -> None:
        """No more audio: a final `Transcript` will follow."""
        ...

    def cancel(self) -> None:
        """Forget the turn; nothing more is reported."""
        ...


Report = Callable[[Transcript], None]
"""Called on the event loop.  The last call has ``final=True``, unless cancelled."""


class Recognizer(Protocol):
    """Speech to text, shared by all sessions of the process."""

    async def start(self) -> None: ...

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,
    ) -> Recognition:
        """Begin a turn.  A recogniser that fails reports a final, empty transcript that
        names the ``problem``, after logging it; it never raises here.

        ``live``: somebody reads the words while they are spoken.  Otherwise a recogniser
        need not look for them before there is a pause.
        """
        ...

    async def aclose(self) -> None: ...


# --- The end of a turn -------------------------------------------------------


class HintStream(Protocol):
    """One turn's sound, as it comes."""

    def feed(self, pcm: bytes) -> None:
        """More audio, whole samples.  Never waits; what is too much may be dropped."""
        ...

    def close(self) -> None:
        """Nothing more is reported."""
        ...


class EndOfTurnHint(Protocol):
    """Tells by how something is said whether more will come; shared by all sessions.

    It is a hint: where it fails or says nothing, turns end by their words and by silence.
    """

    async def start(self) -> None:
        """Raises:
        EngineUnavailable: it cannot serve.
        """
        ...

    def open(self, report: Callable[[float], None]) -> HintStream:
        """Begin a turn.  ``report`` is called on the event loop, in each pause: how likely the
        turn is over, 0 to 1.
        """
        ...

    async def aclose(self) -> None: ...


# --- Thinking ----------------------------------------------------------------


class SayText(Struct, frozen=True):
    text: str
    """The next piece; pieces joined are the answer, spaces included."""
    language: str | None = None
    """What it is in, as "de", where the brain knows; None: that of the session."""


class CallTool(Struct, frozen=True):
    call_id: str
    name: str
    arguments: str
    """The next piece of JSON text."""
    ended: bool = True


class Thought(Struct, frozen=True):
    """The end of a thought, with tokens as the model counted them, if it did."""

    reason: Literal["max_output_tokens", "content_filter"] | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


Thinking = SayText | CallTool | Thought


class Mind(Protocol):
    """One conversation's use of a brain: it may keep state between thoughts."""

    def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        """Answer ``request``; ends with one `Thought`.

        All user audio in ``request.items`` has its transcript.  An item may come again with other
        words: then nobody was given the answer before, which was only a guess.  Closing the
        generator cancels the work at once (an HTTP request is closed).

        Raises:
            EngineUnavailable: nothing can be said; the message may be shown to a client.
        """
        ...

    def expects(self, request: Generate) -> Grammar | None:
        """What the user may say next in this conversation; None: anything."""
        ...


class Brain(Protocol):
    @property
    def name(self) -> str: ...

    async def start(self) -> None: ...

    def open(self, session_id: str) -> Mind: ...

    async def aclose(self) -> None: ...


# --- Text to speech ----------------------------------------------------------


class SpokenWord(Struct, frozen=True):
    """``text[:text_end]`` of the utterance is over at its sample ``end_sample``.

    Both grow from word to word; the last one is the whole text's, but for what is silent.
    """

    text_end: int
    end_sample: int


class Speech(Struct, frozen=True):
    """The next piece of an utterance's audio, with the words that end in it."""

    pcm: bytes
    words: tuple[SpokenWord, ...] = ()
    problem: str = ""
    """Why another voice than the one that was chosen speaks from here on: a fault, in words that a
    client may see."""


class Synthesizer(Protocol):
    """Text to speech, shared by all sessions of the process."""

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the API that have a voice of their own; others fall back."""
        ...

    async def start(self) -> None: ...

    def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        """Speak one sentence or clause.

        The first piece comes as early as the engine can.  Closing the generator aborts
        the synthesis at once.

        Raises:
            EngineUnavailable: the speech cannot be made.
        """
        ...

    async def aclose(self) -> None: ...
