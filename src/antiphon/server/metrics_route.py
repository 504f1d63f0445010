"""Who may read `/metrics`, and where."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from antiphon.errors import ConfigurationError
from antiphon.server.auth import Gate, presented_key
from antiphon.server.metrics import CONTENT_TYPE, Metrics
from antiphon.server.secret import Secret

log = logging.getLogger(__name__)

PATH = "/metrics"


async def _alone(text: str) -> str:
    return text


class MetricsRoute:
    """Args:
    token: What Prometheus may show in place of a key.
    listen: A second address, as "127.0.0.1:9464", which asks for neither; None: there is none.
    """

    def __init__(
        self, metrics: Metrics, *, gate: Gate, token: Secret | None, listen: str | None
    ) -> None:
        self._metrics = metrics
        self._gate = gate
        self._token = token
        self._listen = listen
        self.completed: Callable[[str], Awaitable[str]] = _alone
        """With what other processes of the same server have to say."""

    async def show(self, request: web.Request) -> web.Response:
        """For the token, or a key of the scope `operate`; for everyone where there are no keys."""
        if not self._is_token(presented_key(request.headers) or ""):
            await self._gate.require(request, "operate")
        return await self._response()

    def _is_token(self, shown: str) -> bool:
        if self._token is None:
            return False
        return hmac.compare_digest(shown.encode(), self._token.reveal().encode())

    async def _response(self) -> web.Response:
        body = (await self.completed(self.own_text())).encode()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    def own_text(self) -> str:
        """Of this process."""
        return self._metrics.text().decode()

    async def _show_anyone(self, _: web.Request) -> web.Response:
        return await self._response()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Listens on the second address, while the server runs.

        Raises:
            ConfigurationError: it cannot.
        """
        if self._listen is None:
            yield
            return
        host, port = self._listen.rsplit(":", 1)
        app = web.Application()
        app.router.add_get(PATH, self._show_anyone)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host.strip("[]"), int(port)).start()
            except OSError as error:
                reason = error.strerror or str(error)
                raise ConfigurationError(
                    f"[metrics] listen: cannot listen on {self._listen}: {reason}."
                ) from None
            log.info("metrics on http://%s%s", self._listen, PATH)
            yield
        finally:
            await runner.cleanup()
