"""What the user, or a script reading ``--json``, is told.

Each is one JSON line, told apart by `event`; times are in ms of the client's clock.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class _Notice(Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    pass


class Connected(_Notice, frozen=True, kw_only=True, tag="connected"):
    """There is a session.

    Attributes:
        model: As it was asked for: servers echo the name.
        goes_on: What the connection came back to, where one was lost.
        engine: What really answers, where the server tells; so with the voice.
    """

    session_id: str
    model: str
    engine: str = ""
    voice: str = ""
    again: bool = False
    goes_on: Literal["session", "conversation"] | None = None


class StateChanged(_Notice, frozen=True, kw_only=True, tag="state"):
    state: str


class UserSaid(_Notice, frozen=True, kw_only=True, tag="user"):
    """What the user said, as transcribed; or typed."""

    item_id: str
    text: str
    final: bool = True


class AgentSaying(_Notice, frozen=True, kw_only=True, tag="agent_delta"):
    """The whole text of the reply so far."""

    item_id: str
    text: str


class AgentSaid(_Notice, frozen=True, kw_only=True, tag="agent"):
    """A reply that has been heard to its end, or as far as it was heard.

    Attributes:
        cut: The words that were cut off (an estimate, to whole words).
        audio_end_ms: Where it was cut.
    """

    item_id: str
    text: str
    cut: str = ""
    audio_end_ms: int | None = None


class TurnTimed(_Notice, frozen=True, kw_only=True, tag="turn"):
    """How long the reply took.

    Attributes:
        audio_after_ms: From the known end of the turn to the first audio message.
        sound_after_ms: From there to the first sound.
        sound_after_speech_ms: From the real end of speech to the first sound, for a file.
    """

    turn: int
    audio_after_ms: float | None = None
    sound_after_ms: float | None = None
    sound_after_speech_ms: float | None = None


class ToolCalled(_Notice, frozen=True, kw_only=True, tag="tool_call"):
    call_id: str
    name: str
    arguments: str


class ToolAnswered(_Notice, frozen=True, kw_only=True, tag="tool_result"):
    call_id: str
    name: str
    output: str


class ServerError(_Notice, frozen=True, kw_only=True, tag="error"):
    message: str
    code: str | None = None
    param: str | None = None


class ReplyFailed(_Notice, frozen=True, kw_only=True, tag="reply_failed"):
    reason: str


class Reconnecting(_Notice, frozen=True, kw_only=True, tag="reconnecting"):
    why: str
    attempt: int
    delay_ms: int


class Rebuilt(_Notice, frozen=True, kw_only=True, tag="rebuilt"):
    items: int
    left_out: int


class Note(_Notice, frozen=True, kw_only=True, tag="note"):
    text: str


class Summary(_Notice, frozen=True, kw_only=True, tag="summary"):
    """The last line of a run.

    Attributes:
        exit: The exit code.
        problem: What ended the run before its time.
        gaps: How often a reply's sound ran out before its end.
        connection: How good it was when last measured, over WebRTC.
    """

    exit: int
    problem: str | None = None
    turns: int
    median_ms: float | None
    max_ms: float | None
    sent_s: float
    heard_s: float
    gaps: int = 0
    reconnections: int = 0
    connection: str | None = None


Notice = (
    Connected
    | StateChanged
    | UserSaid
    | AgentSaying
    | AgentSaid
    | TurnTimed
    | ToolCalled
    | ToolAnswered
    | ServerError
    | ReplyFailed
    | Reconnecting
    | Rebuilt
    | Note
    | Summary
)
