"""Function calls that wait for their result."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class Call:
    call_id: str
    name: str
    arguments: str


class ToolCalls:
    """Calls of the replies, until each is answered and the model may go on.

    The server never continues by itself after a function's output: the client sends
    all outputs, then one `response.create`.
    """

    def __init__(self, results: dict[str, str], *, may_ask: bool) -> None:
        self._results = results
        self._may_ask = may_ask
        self._open: dict[str, Call] = {}

    @property
    def waiting(self) -> Call | None:
        """The call whose result the user is asked for."""
        return next(iter(self._open.values()), None)

    def called(self, call: Call) -> str | None:
        """The result to send at once; None when the user must give it."""
        if call.name in self._results:
            return self._results[call.name]
        if not self._may_ask:
            reason = f"No result was given for {call.name}."
            return msgspec.json.encode({"error": reason}).decode()
        self._open[call.call_id] = call
        return None

    def answer(self, call_id: str) -> Call | None:
        return self._open.pop(call_id, None)
