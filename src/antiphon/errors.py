"""What Antiphon raises.

AntiphonError
├── ConfigurationError     the operator's: names file, line or variable, and the remedy
├── ProtocolError          a client's message is no client event
└── EngineUnavailable      an engine cannot serve now
"""

from __future__ import annotations


class AntiphonError(Exception):
    """Base of all errors that Antiphon raises on purpose."""


class ConfigurationError(AntiphonError):
    """The configuration cannot be used; the message says where and what to do."""


class ProtocolError(AntiphonError):
    """A message is no client event.

    Attributes:
        code, message, param: as in the API's error object.
        event_id: the client's own id of the message, if it could be read.
    """

    def __init__(
        self, code: str, message: str, *, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


class EngineUnavailable(AntiphonError):
    """An engine, or a part of one, cannot serve.

    Attributes:
        code: what a client is told beside the message.
    """

    def __init__(
        self,
        engine: str,
        message: str,
        *,
        code: str = "engine_unavailable",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"engine '{engine}': {message}")
        self.engine = engine
        self.code = code
        self.retry_after_s = retry_after_s
