"""Calling the methods of an object that is in another process.

What may be called, and with what, is said by the types of its protocol, so that there is no second
list of them to go stale.
"""

from __future__ import annotations

import inspect
from collections.abc import Coroutine, Mapping
from types import GenericAlias
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from antiphon.errors import AntiphonError
from antiphon.processes.messages import Call, Raised, Returned, raw
from antiphon.server.secret_store import SecretRefused, SecretStoreFull


class _Method(NamedTuple):
    names: tuple[str, ...]
    """Of its parameters, in order."""
    arguments: msgspec.msgpack.Decoder[Any]
    result: msgspec.msgpack.Decoder[Any]


class Interface:
    """Args:
    protocol: Its public methods may be called.
    """

    def __init__(self, protocol: type) -> None:
        self._methods: dict[str, _Method] = {}
        for name, function in inspect.getmembers(protocol, inspect.isfunction):
            if not name.startswith("_"):
                hints = get_type_hints(function)
                result = hints.pop("return")
                wanted = GenericAlias(tuple, tuple(hints.values()))
                self._methods[name] = _Method(
                    tuple(hints), msgspec.msgpack.Decoder(wanted), msgspec.msgpack.Decoder(result)
                )

    def carry_out(self, service: object, call: Call) -> Returned:
        """What comes of a call.  The service is in memory: a method of it that is a coroutine, for
        those who are not, ends without waiting.
        """
        method = self._methods[call.method]
        arguments = dict(zip(method.names, method.arguments.decode(call.args), strict=True))
        try:
            value = getattr(service, call.method)(**arguments)
            if inspect.iscoroutine(value):
                value = _at_once(value)
        except AntiphonError as error:
            return Returned(call.id, raised=_told(error))
        return Returned(call.id, raw(value))

    def value(self, method: str, returned: Returned) -> Any:
        """What the method returned.

        Raises:
            AntiphonError: what it raised.
        """
        if returned.raised is not None:
            raise _raised(returned.raised)
        return self._methods[method].result.decode(returned.value)


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    coroutine.close()
    raise AssertionError("what is shared is in memory, and waits for nothing")


_KNOWN: Final[Mapping[str, type[AntiphonError]]] = {
    kind.__name__: kind for kind in (SecretRefused, SecretStoreFull)
}


def _told(error: AntiphonError) -> Raised:
    if isinstance(error, SecretRefused):
        return Raised("SecretRefused", (error.reason, str(error)))
    return Raised(type(error).__name__, (str(error),))


def _raised(told: Raised) -> AntiphonError:
    return _KNOWN.get(told.kind, AntiphonError)(*told.args)
