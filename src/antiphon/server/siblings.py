"""What a server asks of the other processes that are one server with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from antiphon.server.directory import Directory, LocalDirectory

if TYPE_CHECKING:
    from antiphon.server.app import Api

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Siblings(Protocol):
    @property
    def group(self) -> str:
        """The same for all of them, and for no other server."""
        ...

    def directory(self, local: LocalDirectory) -> Directory:
        """Of all processes."""
        ...

    def join(self, api: Api) -> None:
        """The server is made, and not started yet."""
        ...

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Each request, before anybody else sees it."""
        ...


class Servers(Protocol):
    """Other servers, on other machines, with which this one counts."""

    def join(self, api: Api) -> None:
        """The server is made, and not started yet."""
        ...

    async def told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A middleware: who asks for what another server has is told so."""
        ...

    def running(self, app: web.Application) -> AsyncIterator[None]: ...
