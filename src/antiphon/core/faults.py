"""A client's mistake, inside the core: raised before anything has changed."""

from __future__ import annotations


class Fault(Exception):
    """Becomes one `error` event to the sender; the conversation is as it was."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
