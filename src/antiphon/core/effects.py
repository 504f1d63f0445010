"""What a conversation asks for: a server event to send, or a command.

A bare server event goes to every connection of the session; `SendTo` addresses one.
Commands go to the engine, the voice detector, the playout or the session itself.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antiphon.core.records import Record
from antiphon.protocol.items import Item
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import (
    AnySession,
    FunctionTool,
    MaxTokens,
    ReasoningEffort,
    Tool,
    ToolChoice,
)


class _Command(Struct, frozen=True, tag_field="command"):
    pass


class SendTo(_Command, frozen=True, tag="send_to"):
    connection: str
    event: ServerEvent


# --- To the engine -----------------------------------------------------------


class Configure(_Command, frozen=True, tag="configure"):
    """The session as it is from now on; the first command, and after each change."""

    session: AnySession
    memory: str = ""
    """As in `Generate`."""


class Hear(_Command, frozen=True, tag="hear"):
    """Microphone audio: as it comes, where the engine finds the turns or the client commits
    them.  Where our detector finds them, audio of the turn that has begun, as far as it was
    scored: what piled up behind the turn belongs to another.
    """

    pcm: bytes
    at_sample: int
    """Media position of the first sample."""


class TurnBegan(_Command, frozen=True, tag="turn_began"):
    """The user began to speak at ``from_sample``; the rest of the turn comes as `Hear`.

    After `InputDropped` the same turn may begin again, with more before it.
    """

    item_id: str
    from_sample: int
    pcm: bytes = b""
    """What was heard of the turn before it was known to be one."""
    overlaps: bool = False
    """The assistant is being heard: whether this interrupts hangs on the words (`TurnJudged`)."""


class TurnCommitted(_Command, frozen=True, tag="turn_committed"):
    """A turn of the user is whole and is now an item; a transcript is wanted.

    ``pcm`` is all of it, also where no `TurnBegan` came before.
    """

    item_id: str
    pcm: bytes


class InputDropped(_Command, frozen=True, tag="input_dropped"):
    """The turn that was begun will not be committed."""


class ItemAdded(_Command, frozen=True, tag="item_added"):
    """For an engine that follows the conversation's items (`Abilities.follows_items`): here is a
    new one.  Of turns it knows by `TurnCommitted`.
    """

    item: Item
    """As it is now; an answer's grows."""
    previous_item_id: str | None
    """None: it is the first."""
    response_id: str | None = None
    """The engine's name of the answer that it is a part of; None: a client made it."""


class ItemCut(_Command, frozen=True, tag="item_cut"):
    """For the same: of what was spoken no more was heard."""

    item: Item
    """As it is now."""
    audio_end_ms: int


class ItemRemoved(_Command, frozen=True, tag="item_removed"):
    """For the same: it is no part of the conversation any more."""

    item_id: str


class Generate(_Command, frozen=True, tag="generate", kw_only=True):
    """Answer.  Everything an engine needs to know is in here."""

    response_id: str
    items: tuple[Item, ...]
    """The context, oldest first.  User audio shows its transcript once known; an engine
    that transcribes itself waits for its own transcript of an item that has none."""
    items_are_conversation: bool = True
    """They are the conversation, or the newest of it that fits; else the client gave them for
    this answer alone."""
    instructions: str = ""
    memory: str = ""
    """What is known of the user, marked as that: a model sees it after the instructions."""
    tools: tuple[Tool, ...] = ()
    server_tools: tuple[FunctionTool, ...] = ()
    """Functions that the server carries out itself, offered beside the client's."""
    tool_choice: ToolChoice = "auto"
    modality: Literal["audio", "text"] = "audio"
    voice: str = "marin"
    speed: float = 1.0
    max_output_tokens: MaxTokens = "inf"
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    """None, as above: as the engine likes."""
    may_truncate: bool = True
    """Where the context does not fit the engine, it may leave out the oldest items."""
    out_of_band: bool = False
    heard_language: str = ""
    """What the user speaks, as "de", where the engine itself has found it in what it heard."""
    drawn_for: str = ""
    """What an engine draws by chance follows from this, so that it draws alike when another
    session goes on with the conversation; "": the conversation ends with its session."""


class StopGenerating(_Command, frozen=True, tag="stop_generating"):
    """Nobody waits for the rest of that answer."""

    response_id: str


class Speculate(_Command, frozen=True, tag="speculate"):
    """For an engine that can (`Abilities.speculates`): begin this answer, which will probably be
    asked for, and tell nothing of it.  A `Generate` in the conversation gives it, if it asks for
    the same, or ends it.  It takes the place of one before.
    """

    request: Generate
    """Without a name.  The last item is the turn that is open, with what was understood of it."""
    input_tokens: int = 0
    """What it will see, as the core estimates it."""


class StopSpeculating(_Command, frozen=True, tag="stop_speculating"):
    """The user goes on: throw it away."""


EngineCommand = (
    Configure
    | Hear
    | TurnBegan
    | TurnCommitted
    | InputDropped
    | ItemAdded
    | ItemCut
    | ItemRemoved
    | Generate
    | StopGenerating
    | Speculate
    | StopSpeculating
)


# --- To those who carry out the server's own functions ------------------------


class RunTool(_Command, frozen=True, tag="run_tool"):
    """The engine calls one of `Terms.server_tools`; `ToolAnswered` says what came of it."""

    call_id: str
    name: str
    arguments: str
    """JSON text, as a model wrote it."""
    turn: int
    """How many turns the user has had so far."""


# --- To the voice detector ---------------------------------------------------


class DetectVoice(_Command, frozen=True, tag="detect_voice"):
    """Score what is given from now on (afresh), or stop."""

    on: bool


class ScoreVoice(_Command, frozen=True, tag="score_voice"):
    """Microphone audio to score, without gaps, and never much more than has been scored."""

    pcm: bytes
    at_sample: int
    """Media position of the first sample."""


# --- To the playout, where the server owns it --------------------------------


class PlayAudio(_Command, frozen=True, tag="play_audio"):
    pcm: bytes


class ClearPlayout(_Command, frozen=True, tag="clear_playout"):
    """Play nothing more of what was given."""


class DuckPlayout(_Command, frozen=True, tag="duck_playout"):
    """Play more softly from now on, or as before: somebody may be speaking."""

    on: bool
    holds: bool = False
    """Say nothing meanwhile; nothing of it is lost."""


# --- To the log: `Record` (core/records.py) ----------------------------------


# --- To the session ----------------------------------------------------------


class Close(_Command, frozen=True, tag="close"):
    code: int
    """One of `CloseCode`."""
    reason: str


class Move(_Command, frozen=True, tag="move"):
    """Let the engine of a model serve the session (`EngineMoved`), or tell who asked why not."""

    connection: str
    event_id: str | None
    model: str | None
    voice: str | None


Command = (
    SendTo
    | EngineCommand
    | RunTool
    | DetectVoice
    | ScoreVoice
    | PlayAudio
    | ClearPlayout
    | DuckPlayout
    | Record
    | Close
    | Move
)
Effect = ServerEvent | Command
