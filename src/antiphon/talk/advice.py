"""What to do where there is no connection, in this client's words: its flags."""

from __future__ import annotations

from antiphon.upstream.connection import CannotConnect, Trouble

_ADVICE: dict[Trouble, str] = {
    "address": "; check --url",
    "key": "; give it with --key or ANTIPHON_API_KEY",
    "nobody": "; is the server running? start it with: make run",
    "no_tls": "; if the server speaks plain HTTP, give --url with ws://",
}


def with_advice(error: CannotConnect) -> str:
    return str(error) if error.trouble is None else f"{error}{_ADVICE[error.trouble]}"
