"""One concise log format.  Ids, sizes and times; never a key, never what a person said."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.hdrs import METH_ALL
from aiohttp.http_exceptions import HttpProcessingError

FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
MAX_PATH_CHARS = 200


_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest came with `extra`."""


class JsonFormatter(logging.Formatter):
    """One line, one object: time, level, logger, message, and what the event has beside that.

    An exception is told by its type and place, as in text.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str, *, as_json: bool = False) -> None:
    """Log to standard error, from ``level`` up."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter(FORMAT, DATE_FORMAT)
    handler.setFormatter(JsonFormatter() if as_json else text)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    keep_peer_data_out()


def shown(request: web.BaseRequest) -> str:
    """A request as a log may tell it: its method and the route that it took.

    What a client spells itself may hold a key put in the wrong place, so of a path that no
    route takes only those words are shown that routes are made of.
    """
    if request.method not in METH_ALL or not isinstance(request, web.Request):
        return "no HTTP request"
    resource = request.match_info.route.resource
    if resource is not None:
        return f"{request.method} {resource.canonical}"
    routes = request.app.router.resources()
    known = {word for route in routes for word in route.canonical.split("/")}
    words = request.path[:MAX_PATH_CHARS].split("/")
    return f"{request.method} {'/'.join(word if word in known else '*' for word in words)}"


class AccessLog(AbstractAccessLogger):
    """Method, route, status, time."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.info("%s %d, %.0f ms", shown(request), response.status, time * 1000)


def _hide_offered_subprotocols(record: logging.LogRecord) -> bool:
    # aiohttp logs all that were offered when none fits; a browser's key may be among them.
    return "protocols" not in str(record.msg)


def _hide_malformed_requests(record: logging.LogRecord) -> bool:
    # Its message quotes the malformed line, which may be the header with the key.
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        record.exc_info = record.exc_text = None
        record.msg, record.args = "a malformed HTTP request (%s)", (type(error).__name__,)
        record.levelno, record.levelname = logging.WARNING, "WARNING"  # The client's, not ours.
    return True


def keep_peer_data_out() -> None:
    """Stop libraries from logging what a client sent.  May be called again.

    Below a warning aiortc and aioice tell SDP, ICE passwords and addresses of peers.
    """
    for name in ("aiortc", "aioice"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.websocket").addFilter(_hide_offered_subprotocols)
    logging.getLogger("aiohttp.server").addFilter(_hide_malformed_requests)
