"""Which dialect a connection speaks: "header/subprotocol, or a secret minted by a beta
endpoint" (docs/concepts/dialects.md).
"""

from __future__ import annotations

from multidict import CIMultiDictProxy

from antiphon.protocol.dialect import Dialect
from antiphon.protocol.dialects import beta
from antiphon.protocol.dialects.dialect import NamedDialect
from antiphon.protocol.dialects.registry import DIALECTS, asked_for
from antiphon.protocol.veil import Hidden, veiled
from antiphon.server.auth import offered_subprotocols
from antiphon.server.grant import Grant


def dialect_of(headers: CIMultiDictProxy[str], grant: Grant | None, *, strict: bool) -> Dialect:
    """``grant``: of the connection that opens a session; None: a sideband's."""
    hidden = frozenset[Hidden]() if grant is None else grant.hides
    return veiled(_spoken(headers, grant, strict=strict), hidden)


def speaks_beta(headers: CIMultiDictProxy[str], grant: Grant) -> bool:
    return _named(headers, grant) is beta.DIALECT


def _spoken(headers: CIMultiDictProxy[str], grant: Grant | None, *, strict: bool) -> Dialect:
    extras = {} if grant is None else grant.dialect_extras
    return _named(headers, grant).connect(strict=strict, extras=extras)


def _named(headers: CIMultiDictProxy[str], grant: Grant | None) -> NamedDialect:
    asked = asked_for(headers.get("OpenAI-Beta", ""), offered_subprotocols(headers))
    return asked or DIALECTS["ga" if grant is None else grant.dialect]
