"""A server of one file that cuts, lies and changes its mind."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from antiphon.downloads.index import RemoteFile

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
CONTENT = bytes(range(256)) * 4_000  # A megabyte.


def sha256(content: bytes = CONTENT) -> str:
    return hashlib.sha256(content).hexdigest()


class FickleServer:
    """Answers each request with the next of ``answers``, and the last for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[web.Request] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        at = min(len(self.requests), len(self.answers)) - 1
        return await self.answers[at](request)

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("Range") for request in self.requests]

    def file(self, checksum: str | None = sha256(), size_bytes: int | None = None) -> RemoteFile:
        return RemoteFile(url=self.url, path="model.bin", sha256=checksum, size_bytes=size_bytes)


@asynccontextmanager
async def fickle_server() -> AsyncIterator[FickleServer]:
    fickle = FickleServer()
    app = web.Application()
    app.router.add_get("/{name:.*}", fickle.handle)
    async with TestServer(app, host="0.0.0.0") as server:
        fickle.url = f"http://127.0.0.1:{server.port}/model.bin"
        yield fickle


def whole(content: bytes = CONTENT, *, etag: str = '"one"') -> Answer:
    """As servers should: with ranges, if the version is still the one that is meant."""

    async def answer(request: web.Request) -> web.StreamResponse:
        first = request.http_range.start
        headers = {"ETag": etag} if etag else {}
        if first is None or request.headers.get("If-Range", etag) != etag:
            return web.Response(body=content, headers=headers)
        if first >= len(content):
            headers["Content-Range"] = f"bytes */{len(content)}"
            return web.Response(status=416, headers=headers)
        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return web.Response(status=206, body=content[first:], headers=headers)

    return answer


def without_ranges(content: bytes = CONTENT) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content)

    return answer


def cut(after: int, content: bytes = CONTENT, *, etag: str = '"one"') -> Answer:
    """Promises the rest, sends ``after`` bytes of it, and hangs up."""

    async def answer(request: web.Request) -> web.StreamResponse:
        first = request.http_range.start or 0
        response = web.StreamResponse(status=206 if first else 200)
        if etag:
            response.headers["ETag"] = etag
        response.headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        response.content_length = len(content) - first
        await response.prepare(request)
        await response.write(content[first : first + after])
        assert request.transport
        request.transport.close()
        return response

    return answer


def chunked(content: bytes = CONTENT) -> Answer:
    """Says nothing of the length."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(content)
        return response

    return answer


def refuse(status: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    return answer


def another_part(content: bytes = CONTENT) -> Answer:
    """Sends the beginning as if it were what was asked for."""

    async def answer(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"}
        return web.Response(status=206, body=content, headers=headers)

    return answer


def elsewhere(url: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(url)

    return answer
