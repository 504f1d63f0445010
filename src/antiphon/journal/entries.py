"""What a journal keeps of a conversation, and how it is written down.

A conversation's log is a list of entries: who opened it and on which engine, every change that
lasts (`antiphon.core.records`), who came and went, when it was closed.  Each is msgpack after a
byte with the number of its format; a later version reads what an earlier one has written.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antiphon.core.items import HeardPart, MessageEntry, SpokenPart
from antiphon.core.records import Change, EngineChanged, ItemChanged, ServerCallChanged
from antiphon.errors import AntiphonError
from antiphon.identity.principal import DEFAULT_TENANT
from antiphon.metering.lines import Line
from antiphon.protocol.timeline import Timeline

FORMAT = 2
"""The newest.  A kind of entry that came later has a later format, so that a version that does not
know it says so; all others stay as they were, and stay readable for it.
"""
_C = TypeVar("_C", bound=Change)
_T = TypeVar("_T")


class JournalError(AntiphonError):
    """A journal cannot be opened, read or written; the message says which, and what to do."""


class _LogEntry(Struct, frozen=True, kw_only=True, tag_field="entry"):
    at_s: float
    """Unix time."""
    session_id: str


class Opened(_LogEntry, frozen=True, kw_only=True, tag="opened"):
    """A session began, or went on with, the conversation."""

    kind: Literal["realtime", "transcription"]
    model: str | None
    engine: str
    transport: str
    end_user_id: str | None = None
    tenant: str = DEFAULT_TENANT
    """Whose it is; logs from before there were tenants are the default one's."""


class Changed(_LogEntry, frozen=True, kw_only=True, tag="changed"):
    change: Change
    ids_used: int


class ConnectionJoined(_LogEntry, frozen=True, kw_only=True, tag="joined"):
    connection: str
    owns: bool


class ConnectionLeft(_LogEntry, frozen=True, kw_only=True, tag="left"):
    connection: str


class Closed(_LogEntry, frozen=True, kw_only=True, tag="closed"):
    """The session is over; where this is missing, its process ended before it."""


class Missed(_LogEntry, frozen=True, kw_only=True, tag="missed"):
    """What happened before this, since the entry before it, may not all be here."""


class TokensChanged(_LogEntry, frozen=True, kw_only=True, tag="tokens"):
    """Which resume tokens lead to the conversation from now on; none of before does."""

    digests: tuple[bytes, ...]


class Sounded(_LogEntry, frozen=True, kw_only=True, tag="sounded"):
    """A piece of the session's recording.  Such entries are kept and read apart from the others."""

    data: bytes
    """Ogg, to be joined with that of the pieces around it."""


class Taped(_LogEntry, frozen=True, kw_only=True, tag="taped"):
    """A piece of the session's tape (`tape.py`), kept and read apart, too."""

    data: bytes
    """To be joined with that of the pieces around it."""


class Timed(_LogEntry, frozen=True, kw_only=True, tag="timed"):
    """A turn has its answer: where its time went."""

    timeline: Timeline


class Metered(_LogEntry, frozen=True, kw_only=True, tag="metered"):
    """What something cost.  It stands in a table of its own (`line_table.py`), is no part of the
    conversation's log, and stays, without names, when that is erased.
    """

    line: Line


LogEntry = (
    Opened
    | Changed
    | ConnectionJoined
    | ConnectionLeft
    | Closed
    | Missed
    | TokensChanged
    | Sounded
    | Taped
    | Timed
)

AnyEntry = LogEntry | Metered

APART = (Sounded, Taped)
"""Large, and of no use to those who read a log."""
Piece = TypeVar("Piece", Sounded, Taped)
_OF_FORMAT_2 = (Taped, Timed, TokensChanged, ServerCallChanged, EngineChanged)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[LogEntry] = msgspec.msgpack.Decoder(LogEntry)
_metered_decoder = msgspec.msgpack.Decoder(Metered)


def encode(entry: AnyEntry) -> bytes:
    what = entry.change if isinstance(entry, Changed) else entry
    return bytes((2 if isinstance(what, _OF_FORMAT_2) else 1,)) + _encoder.encode(entry)


def decode(data: bytes) -> LogEntry:
    """Raises:
    JournalError: it is no entry, or one of a format that this version does not know.
    """
    return _decoded(_decoder, data)


def decode_metered(data: bytes) -> Metered:
    """Raises:
    JournalError: as `decode`.
    """
    return _decoded(_metered_decoder, data)


def _decoded(decoder: msgspec.msgpack.Decoder[_T], data: bytes) -> _T:
    if not data or not 1 <= data[0] <= FORMAT:
        found = data[0] if data else "none"
        raise JournalError(f"an entry has format {found}; this version reads 1 to {FORMAT}")
    try:
        return decoder.decode(data[1:])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise JournalError(f"an entry cannot be read: {error}") from None


def without_audio(change: _C) -> _C:
    """The change, but for the sound in it; how long it was and its words stay."""
    if not isinstance(change, ItemChanged) or not isinstance(change.item, MessageEntry):
        return change
    entry = change.item
    if not any(isinstance(part, HeardPart | SpokenPart) and part.pcm for part in entry.parts):
        return change
    parts = [
        replace(part, pcm=bytearray()) if isinstance(part, HeardPart | SpokenPart) else part
        for part in entry.parts
    ]
    return replace(change, item=replace(entry, parts=parts))
