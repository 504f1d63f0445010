"""What is kept, and where: settings."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.runtime.door import Retention
from antiphon.server.secret import Secret


class JournalSettings(Struct, frozen=True, kw_only=True):
    """What is kept of conversations, so that they can be resumed and read."""

    retention: Annotated[
        Retention,
        Meta(
            description="Keep items, without audio; also a recording of each session; or nothing. "
            "A session can ask for another (`?retention=`)."
        ),
    ] = "items"
    path: Annotated[
        str | None,
        Meta(
            description="The SQLite file. Absent: `antiphon/conversations.sqlite3` in "
            "`$XDG_STATE_HOME`, or else in `~/.local/state`."
        ),
    ] = None
    url: Annotated[
        Secret | None,
        Meta(
            description="A PostgreSQL database instead of the file: "
            "`postgresql://user:password@host/database`. Needs the extra `postgres`."
        ),
    ] = None
    redact: Annotated[
        str | None,
        Meta(
            description="A function of yours, as `my_app.privacy:redact`: each text is kept as it "
            "returns it. It must be quick."
        ),
    ] = None
    tapes: Annotated[
        bool,
        Meta(
            description='Of sessions with `retention = "items+audio"` keep a tape too: all that '
            "happened, for `antiphon replay conv_…`. Sound is in it as it was sent: up to 6 MB a "
            "minute."
        ),
    ] = False
    retention_days: Annotated[
        float,
        Meta(ge=1, description="A conversation is erased this long after it changed last."),
    ] = 30
    tenant_retention_days: Annotated[
        dict[str, float],
        Meta(description="The same for the conversations of some tenants: `{acme = 7}`."),
    ] = {}
    on_trouble: Annotated[
        Literal["hold", "go_on", "refuse"],
        Meta(
            description="While the file cannot be written: hold acknowledgements for "
            "`hold_seconds`, then go on; go on at once; or hold, and refuse new sessions with 503."
        ),
    ] = "hold"
    linger_s: Annotated[
        float,
        Meta(
            ge=0,
            description="How long a session whose client was lost waits for it to come back. "
            "0: it ends at once; its conversation can still be resumed.",
        ),
    ] = 30
    hold_seconds: Annotated[
        float, Meta(ge=0, description="How long an acknowledgement waits to be on disk.")
    ] = 2


class MemorySettings(Struct, frozen=True, kw_only=True):
    """What is remembered of end users from one conversation to the next, where they agreed."""

    enabled: Annotated[
        bool,
        Meta(
            description="Users can have facts remembered. They lie where conversations are kept, "
            "so `[journal] retention` must not be `none`."
        ),
    ] = False
    max_facts: Annotated[
        int, Meta(ge=1, le=200, description="So many are remembered of one user.")
    ] = 30
    max_chars: Annotated[
        int,
        Meta(
            ge=300,
            le=20_000,
            description="So long they are together: an engine reads all of them each time it "
            "answers.",
        ),
    ] = 2_000
    when_full: Annotated[
        Literal["summarize", "drop_oldest"],
        Meta(
            description="What happens to more: the language model of `[llm]` sums up, or the "
            "oldest are forgotten. Without a model, and where that fails, the latter."
        ),
    ] = "summarize"


class RedisSettings(Struct, frozen=True, kw_only=True):
    """What several servers share in Redis or Valkey."""

    url: Annotated[
        Secret | None,
        Meta(
            description="As `redis://user:password@host:6379/0`, or `rediss://` with TLS: client "
            "secrets are kept there, good at every server that has the same, and a restart forgets "
            "none; limits and budgets hold over all those servers. Needs the extra `redis`."
        ),
    ] = None
    public_url: Annotated[
        str | None,
        Meta(
            description="How clients reach this server, as `https://voice-1.example.com`: told to "
            "those who ask another server for a session of this one."
        ),
    ] = None
