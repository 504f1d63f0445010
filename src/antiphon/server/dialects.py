"""Which dialect a connection speaks: "header/subprotocol, or a secret minted by a beta
endpoint" (docs/concepts/dialects.md).
"""

from __future__ import annotations

from multidict import CIMultiDictProxy

from antiphon.protocol.dialect import GA, GA_STRICT, Dialect, beta
from antiphon.protocol.veil import Hidden, veiled
from antiphon.server.auth import offered_subprotocols
from antiphon.server.grant import Grant

BETA_HEADER = "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


def dialect_of(headers: CIMultiDictProxy[str], grant: Grant | None, *, strict: bool) -> Dialect:
    """``grant``: of the connection that opens a session; None: a sideband's."""
    hidden = frozenset[Hidden]() if grant is None else grant.hides
    return veiled(_spoken(headers, grant, strict=strict), hidden)


def _spoken(headers: CIMultiDictProxy[str], grant: Grant | None, *, strict: bool) -> Dialect:
    asked = BETA_HEADER in headers.get("OpenAI-Beta", "")
    offered = BETA_SUBPROTOCOL in offered_subprotocols(headers)
    if asked or offered or (grant is not None and grant.dialect == "beta"):
        return beta(strict=strict, temperature=None if grant is None else grant.temperature)
    return GA_STRICT if strict else GA
