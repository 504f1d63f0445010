"""What is settled before a session's first event."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antiphon.core.causes import Ms
from antiphon.core.records import Past
from antiphon.protocol.session import AnySession, FunctionTool


class Terms(Struct, frozen=True, kw_only=True):
    """With the causes that follow, all that a conversation depends on: the head of its tape."""

    session: AnySession
    seed: str
    """For `Ids`."""
    playout: Literal["client", "server"] = "client"
    """Who knows what has been heard: the client (WebSocket) or we (WebRTC, SIP)."""
    engine_name: str = ""
    """Shown beside the model that was asked for; "": it is not."""
    engine_voices: tuple[str, ...] = ()
    """Those that it has; none: it knows of no names."""
    strict: bool = False
    """A voice that it does not have is refused."""
    engine_speaks: bool = True
    engine_finds_turns: bool = False
    """It tells `TurnFound` and `TurnEnded`; no voice detector is asked."""
    engine_begins: bool = False
    """It answers turns of itself (`EngineBegan`); it is not told to."""
    engine_takes_images: bool = True
    engine_follows_items: bool = False
    """It is told of each item that is added, cut and removed."""
    engine_speculates: bool = False
    """It begins answers before turns are certain to be over (`Speculate`)."""
    image_urls: bool = False
    """Addresses of pictures may be passed on to the engine, not just pictures."""
    session_max_ms: Ms = 60 * 60 * 1000
    context_tokens: int = 28_224
    """What fits beside the answer: 32k less 4,096 (docs/reference/protocol.md)."""
    linger_ms: Ms = 0
    """How long a session without its owner waits for one to come back."""
    announce_rate_limits: bool = True
    recorded: bool = False
    """A log wants to be told what lasts (`Record`)."""
    records_sound: bool = False
    """Somebody records what is heard and said: clients are told."""
    memory: str = ""
    """As in `Generate`, until it changes (`MemoryChanged`)."""
    server_tools: tuple[FunctionTool, ...] = ()
    """Functions that the server carries out itself (`RunTool`).  They are offered where the engine
    may call what it likes, and has no conversation of its own."""
    past: Past | None = None
    """The conversation that this one goes on with."""


Activity = Literal["idle", "user_speaking", "responding"]
"""What goes on in a conversation; a response counts until it is generated, heard or not."""
