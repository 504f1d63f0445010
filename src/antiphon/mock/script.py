"""What a mock says, and when: by rules, in order, as quickly as it is told to."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from antiphon.engines.scripted import Call, Hearing, Reply, Speak, Step, Write
from antiphon.errors import ConfigurationError
from antiphon.mock.fault import Fault

MS_A_LETTER = 60
"""How long speech lasts: a calm speaker says some sixteen letters a second."""

AtLeastZero = Annotated[int, Meta(ge=0)]


class Latency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the mock takes.  Drawn from the script's seed, so that it is the same each time."""

    first_delta_ms: AtLeastZero = 0
    """Before the first piece of an answer."""
    tokens_per_second: Annotated[float, Meta(gt=0)] | None = None
    """Four letters of text or 50 ms of speech are a token; 20 a second is speech in real time.
    None: all at once."""
    jitter_ms: AtLeastZero = 0
    """Each event takes up to so much longer on its way; their order stays."""


PROFILES = {
    "instant": Latency(),
    "brisk": Latency(first_delta_ms=300, tokens_per_second=80, jitter_ms=10),
    "slow": Latency(first_delta_ms=1_500, tokens_per_second=25, jitter_ms=30),
    "mobile": Latency(first_delta_ms=600, tokens_per_second=60, jitter_ms=250),
}
"""Round numbers, to test against; nobody measured them."""


class MockCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of one of the client's functions."""

    name: str
    arguments: dict[str, Any] | str = {}
    """A text is sent as it stands, JSON or not."""


class MockReply(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one response says: words, then calls; or ``steps``, where it is to be told exactly."""

    when: str | None = None
    """A regular expression, in any case and anywhere in what the client said last (typed, spoken,
    or a function's output).  None: in its turn, where no rule fits."""
    says: str | None = None
    calls: tuple[MockCall, ...] = ()
    steps: tuple[Step, ...] = ()
    """As of `antiphon.engines.scripted`."""

    def as_steps(self) -> Reply:
        if self.steps:
            return self.steps
        words = () if self.says is None else (Speak(ms=speech_ms(self.says), text=self.says),)
        return (*words, *(_as_step(call) for call in self.calls))


class MockScript(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    replies: tuple[MockReply, ...] = ()
    """Those with ``when`` are rules, and the first that fits answers.  The others answer one after
    the other; the last one again and again."""
    hears: tuple[str | Hearing, ...] = ("hello",)
    """What is understood of the user's spoken turns, one after the other; the last of it again and
    again."""
    faults: tuple[Fault, ...] = ()
    latency: str | Latency = "instant"
    """The name of one of `PROFILES`, or one in figures."""
    seed: int = 0
    """Another seed: other ids, another jitter."""

    @property
    def speed(self) -> Latency:
        return PROFILES[self.latency] if isinstance(self.latency, str) else self.latency

    @property
    def hearings(self) -> tuple[Hearing, ...]:
        return tuple(Hearing(text=h) if isinstance(h, str) else h for h in self.hears)


def speech_ms(text: str) -> int:
    return max(100, MS_A_LETTER * len(text))


def _as_step(call: MockCall) -> Call:
    arguments = call.arguments
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return Call(name=call.name, arguments=(arguments,))


def read_script(path: Path) -> MockScript:
    """A script from TOML, or from JSON where the name says so.

    Raises:
        ConfigurationError: it cannot be read; the message says where, and what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path}: the script cannot be read: {error}.") from None
    try:
        raw = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
        script = msgspec.convert(raw, MockScript)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}.") from None
    check_script(script, str(path))
    return script


def check_script(script: MockScript, name: str) -> None:
    """Raises:
    ConfigurationError: a rule, a fault or the latency is none.
    """
    for number, reply in enumerate(script.replies, start=1):
        place = f"{name}: replies[{number - 1}]"
        if reply.steps and (reply.says is not None or reply.calls):
            raise ConfigurationError(f"{place}: write 'steps', or 'says' and 'calls', not both.")
        try:
            re.compile(reply.when or "")
        except re.error as error:
            raise ConfigurationError(
                f"{place}: 'when' is no regular expression: {error}."
            ) from None
    if isinstance(script.latency, str) and script.latency not in PROFILES:
        known = ", ".join(f"'{one}'" for one in PROFILES)
        raise ConfigurationError(
            f"{name}: there is no latency '{script.latency}'. There are: {known}."
        )


def written(text: str) -> MockReply:
    """An answer that is text, whatever the response's modality."""
    return MockReply(steps=(Write(text=text),))
