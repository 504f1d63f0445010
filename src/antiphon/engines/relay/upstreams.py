"""Which of several upstreams that hold the same models is dialled.  Pure but for its draws."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from urllib.parse import SplitResult, quote, urlsplit

from msgspec import Struct

from antiphon.engines.health import Healths
from antiphon.protocol.session import AnySession, Session

_OF_SESSIONS = frozenset({"model", "deployment", "intent"})
"""In a URL, what a call that there is needs no more."""


class Upstream(Struct, frozen=True, kw_only=True):
    url: str
    """``wss://…/v1/realtime``.  The model is added, unless the URL names it itself (``?model=``,
    ``?deployment=``) or has a place for it, ``{model}``."""
    key: str | None = None
    key_header: str | None = None
    """What carries the key: ``api-key`` for Azure; None: it is a bearer token."""
    model: str | None = None
    """Its name of the model; None: the one that the client names."""
    weight: int = 1
    """Its share of the sessions, beside the others'.  0: only while no other is well."""

    @property
    def place(self) -> str:
        """Where it is, without anything secret."""
        return urlsplit(self.url).hostname or self.url

    @property
    def bearer(self) -> str | None:
        """The key, where it is shown as a bearer token."""
        return self.key if self.key_header is None else None

    @property
    def headers(self) -> dict[str, str]:
        """Beside the bearer."""
        if self.key_header is None or self.key is None:
            return {}
        return {self.key_header: self.key}

    def calls_url(self, model: str) -> str:
        """Where an offer goes; the model is named in the session that is sent with it."""
        return self._calls(model, "/calls").geturl()

    def hangup_url(self, model: str, call_id: str) -> str:
        return self._calls(model, f"/calls/{quote(call_id, safe='')}/hangup").geturl()

    def sideband_url(self, model: str, call_id: str) -> str:
        """Where a call of it can be followed."""
        found = self._calls(model, "")
        scheme = "wss" if found.scheme == "https" else "ws"
        call = f"call_id={quote(call_id, safe='')}"
        return _with_query(found._replace(scheme=scheme).geturl(), call)

    def _calls(self, model: str, path: str) -> SplitResult:
        parts = urlsplit(self.url.replace("{model}", quote(model, safe="")))
        scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
        query = [part for part in parts.query.split("&") if part.split("=")[0] not in _OF_SESSIONS]
        path = parts.path.rstrip("/") + path
        return parts._replace(scheme=scheme, path=path, query="&".join(query))

    def url_for(self, session: AnySession) -> str:
        if isinstance(session, Session):
            return url_for(self.url, self.model or session.model)
        return _with_query(self.url.partition("?")[0], "intent=transcription")


class Upstreams:
    """Args:
    random: Draws from 0 to 1.
    now_s: A clock.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        random: Callable[[], float],
        now_s: Callable[[], float],
    ) -> None:
        assert upstreams, "a relay has somewhere to relay to"
        self.all = tuple(upstreams)
        self._random = random
        self._healths = Healths(now_s)

    @property
    def places(self) -> str:
        return ", ".join(dict.fromkeys(upstream.place for upstream in self.all))

    def pick(self, tried: Collection[Upstream] = ()) -> Upstream | None:
        """One to dial; None: those that were tried in vain are enough."""
        left = [upstream for upstream in self.all if upstream not in tried]
        well = [upstream for upstream in left if self._healths.is_well(_name(upstream))]
        if not well and tried:
            return None
        among = well or left
        shared = [upstream for upstream in among if upstream.weight]
        return self._draw(shared) if shared else among[0]

    def failed(self, upstream: Upstream) -> None:
        self._healths.failed(_name(upstream))

    def succeeded(self, upstream: Upstream) -> None:
        self._healths.succeeded(_name(upstream))

    def _draw(self, among: Sequence[Upstream]) -> Upstream:
        at = self._random() * sum(upstream.weight for upstream in among)
        for upstream in among:
            at -= upstream.weight
            if at < 0:
                return upstream
        return among[-1]


def _name(upstream: Upstream) -> str:
    return f"{upstream.url} {upstream.model or ''}"


def url_for(url: str, model: str) -> str:
    """Where a model is served."""
    if "{model}" in url:
        return url.replace("{model}", quote(model, safe=""))
    query = urlsplit(url).query
    if any(part.startswith(("model=", "deployment=")) for part in query.split("&")):
        return url
    return _with_query(url, f"model={quote(model, safe='')}")


def _with_query(url: str, parameter: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{parameter}"
