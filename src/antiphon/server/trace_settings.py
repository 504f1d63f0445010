"""Where traces go."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from antiphon.server.secret import Secret


class TraceSettings(Struct, frozen=True, kw_only=True):
    """OpenTelemetry traces of sessions and their turns (extra `otel`)."""

    endpoint: Annotated[
        str | None,
        Meta(
            description="Send them there, by OTLP over HTTP: "
            "`http://127.0.0.1:4318/v1/traces`. Without it there are none."
        ),
    ] = None
    headers: Annotated[
        Secret | None,
        Meta(description="Sent along, as `name=value,name=value`: a collector's key."),
    ] = None
    sample_ratio: Annotated[
        Annotated[float, Meta(ge=0, le=1)],
        Meta(
            description="So many of the traces that begin here are sent. Where a client brings "
            "its own (`traceparent`), it decides."
        ),
    ] = 1.0
