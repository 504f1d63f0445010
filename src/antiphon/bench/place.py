"""Whose machine a URL is on."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from antiphon.errors import ConfigurationError


def is_own_machine(url: str) -> bool:
    """Whether every address of its host is one that a server here could listen on.

    Raises:
        ConfigurationError: Nobody knows the host.
    """
    host = urlsplit(url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"unknown host '{host}'") from error
    return all(_is_ours(family, address) for family, _, _, _, address in found)


def _is_ours(family: int, address: tuple[str, int] | tuple[str, int, int, int] | object) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(address)  # type: ignore[arg-type]  # As `getaddrinfo` gave it.
        except OSError:
            return False
    return True


def check_place(url: str, *, allow_remote: bool, yes_this_costs_money: bool) -> None:
    """Load is for one's own machine; for another, one has to say so twice.

    Raises:
        ConfigurationError: It was not said, or not twice.
    """
    if is_own_machine(url) or (allow_remote and yes_this_costs_money):
        return
    host = urlsplit(url).hostname
    missing = "--yes-this-costs-money" if allow_remote else "--allow-remote"
    if not allow_remote and not yes_this_costs_money:
        missing = "--allow-remote and --yes-this-costs-money"
    raise ConfigurationError(
        f"{host} is another machine: to load it may cost money, and needs its owner's consent. "
        f"If you have that, add {missing}"
    )
