"""One concise log format.  Ids, sizes and times; never a key, never what a person said."""

from __future__ import annotations

import logging
import sys

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S"


def configure(level: str) -> None:
    """Log to standard error, from ``level`` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    keep_peer_data_out()


class AccessLog(AbstractAccessLogger):
    """Method, path, status, time: a query or a header may hold a secret."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.info(
            "%s %s %d, %.0f ms", request.method, request.path[:200], response.status, time * 1000
        )


def _hide_offered_subprotocols(record: logging.LogRecord) -> bool:
    # aiohttp logs all that were offered when none fits; a browser's key may be among them.
    return "protocols" not in str(record.msg)


def _hide_malformed_requests(record: logging.LogRecord) -> bool:
    # Its message quotes the malformed line, which may be the header with the key.
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.exc_info = record.exc_text = None
        record.msg, record.args = "a malformed HTTP request (%s)", (type(error).__name__,)
    return True


def keep_peer_data_out() -> None:
    """Stop aiohttp from logging what a client sent.  May be called again."""
    logging.getLogger("aiohttp.websocket").addFilter(_hide_offered_subprotocols)
    logging.getLogger("aiohttp.server").addFilter(_hide_malformed_requests)
