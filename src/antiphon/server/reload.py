"""What a running server takes anew when it is told to by SIGHUP; live sessions are not disturbed.

All of a new configuration is checked before any of it is taken: either it is taken, or the old one
stays.  What else has changed waits for a restart, and is named.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from antiphon.errors import ConfigurationError
from antiphon.journal.entries import JournalError
from antiphon.limits.policy import Policy
from antiphon.metering.prices import PriceTable, known_prices, prices_in
from antiphon.runtime.metering import Metering
from antiphon.server.access import make_policy
from antiphon.server.background import in_background
from antiphon.server.bearers import Bearers
from antiphon.server.budgets import use_budgets
from antiphon.server.config_problems import problems
from antiphon.server.metering_settings import BudgetSettings
from antiphon.server.service_manager import ServiceManager
from antiphon.server.settings import Config

if TYPE_CHECKING:
    from antiphon.server.tls import Identity, Shown

log = logging.getLogger(__name__)

LIMITS_OF_CLIENTS: Final = (
    "new_sessions_per_minute",
    "address",
    "user",
    "key",
    "tenant",
    "tenants",
    "plans",
)
"""Of `[limits]`; what else is there is the whole server's, or of its sockets."""
RELOADED: Final = frozenset(
    {
        "server.api_keys",
        "server.log_level",
        "server.tls_cert",
        "server.tls_key",
        "metering.prices",
        *(f"limits.{name}" for name in LIMITS_OF_CLIENTS),
        *(f"budgets.{name}" for name in BudgetSettings.__struct_fields__),
    }
)
"""Settings that a running server takes anew."""


class Prepared(NamedTuple):
    """A configuration that was read and is good."""

    asked: Config
    identity: Identity | None


class Reload:
    """Args:
    config: What the server was started with.
    reread: Reads the configuration again.
    bearers: Whose keys are replaced.
    use_policy: Takes who may have how much.
    metering: Whose prices and budgets are; None: nothing is counted.
    shown: Whose certificate is; None: no TLS.
    """

    def __init__(
        self,
        config: Config,
        reread: Callable[[], Config],
        *,
        bearers: Bearers,
        use_policy: Callable[[Policy], None] = lambda _: None,
        metering: Metering | None = None,
        shown: Shown | None = None,
    ) -> None:
        self._config = config
        self._reread = reread
        self._bearers = bearers
        self._use_policy = use_policy
        self._prepared: Prepared | None = None
        self._metering = metering
        self._shown = shown

    async def again(self) -> bool:
        """Take what is new; False: it was refused, the log tells why, and nothing has changed."""
        return await self.prepare() and await self.take()

    async def prepare(self) -> bool:
        """Read and check it: nothing has changed yet; False: the log tells what is wrong."""
        self._prepared = None
        try:
            # Files are read beside the loop, which has sound to send.
            self._prepared = await asyncio.to_thread(self._read)
        except ConfigurationError as error:
            for problem in str(error).splitlines():
                log.error("reload: %s", problem)  # noqa: TRY400  It is told whole.
            log.error("reload: refused; the server goes on as before")  # noqa: TRY400
            return False
        return True

    async def take(self) -> bool:
        """What was prepared holds from now on; False: nothing was."""
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return False
        self._take(prepared.asked, prepared.identity)
        if self._metering is not None:
            try:
                await self._metering.restore(round(time.time() * 1000))
            except JournalError as error:
                log.warning("reload: what was spent before is not in the new budgets: %s", error)
        return True

    def _read(self) -> Prepared:
        asked = self._reread()
        old, server = self._config, asked.server
        if old.server.api_keys and not server.api_keys and not _wants_keys(old):
            raise ConfigurationError(
                "server.api_keys: without any key left the server would be open to everyone. Stop "
                "and start it if that is meant, or set required = true in [auth]."
            )
        # The rest stays as it is, so the new must go with that: an address that is asked for only
        # now makes nobody safe.
        together = replace(
            old,
            server=replace(
                old.server,
                api_keys=server.api_keys,
                tls_cert=server.tls_cert if self._shown else old.server.tls_cert,
                tls_key=server.tls_key if self._shown else old.server.tls_key,
            ),
            metering=replace(old.metering, prices=asked.metering.prices),
            limits=replace(
                old.limits, **{name: getattr(asked.limits, name) for name in LIMITS_OF_CLIENTS}
            ),
            budgets=asked.budgets,
        )
        if wrong := [f"{name}: {problem}" for name, problem in problems(together)]:
            raise ConfigurationError("\n".join(wrong))
        identity = None
        if self._shown is not None and server.tls_cert is not None and server.tls_key is not None:
            from antiphon.server.tls import read_identity

            identity = read_identity(Path(server.tls_cert), Path(server.tls_key))
        return Prepared(asked, identity)

    def _take(self, asked: Config, identity: Identity | None) -> None:
        self._bearers.replace_keys(asked.server.api_keys)
        told = [f"{len(asked.server.api_keys)} keys of the settings"]
        if self._metering is not None:
            own = prices_in(price.row for price in asked.metering.prices)
            self._metering.use_prices(PriceTable(own, known_prices()))
            told.append(f"{len(own)} prices of the settings")
            use_budgets(self._metering, asked.budgets)
        self._use_policy(make_policy(asked.limits))
        told.append("limits and budgets")
        if self._shown is not None and identity is not None:
            self._shown.identity = identity
            told.append(f"a certificate until {identity.expires_at:%Y-%m-%d %H:%M} UTC")
        logging.getLogger().setLevel(asked.server.log_level.upper())
        log.info("reload: taken: %s", ", ".join(told))
        waiting = sorted(self._waiting(asked))
        if waiting:
            log.warning("reload: these wait for a restart: %s", ", ".join(waiting))

    def _waiting(self, asked: Config) -> set[str]:
        """What differs from how the server runs, and is not taken while it does."""
        waiting = set(changed(self._config, asked)) - RELOADED
        for name in ("tls_cert", "tls_key"):
            had, has = getattr(self._config.server, name), getattr(asked.server, name)
            if (had is None) != (has is None):
                waiting.add(f"server.{name}")
        return waiting


def changed(old: Config, new: Config) -> Iterator[str]:
    """Dotted names of settings that differ."""
    for section in old.__struct_fields__:
        was, now = getattr(old, section), getattr(new, section)
        if was == now:
            continue
        if not isinstance(was, Struct):
            yield section
            continue
        for name in was.__struct_fields__:
            if getattr(was, name) != getattr(now, name):
                yield f"{section}.{name}"


class Reloads(Protocol):
    async def again(self) -> bool:
        """As `Reload.again`."""
        ...


def _wants_keys(config: Config) -> bool:
    return config.auth.required or config.auth.jwt_issuer is not None


class HangUp:
    """SIGHUP: read the configuration again; or, where it comes of a terminal that was closed, go.

    Args:
        on_terminal_closed: Called in that case.
        has_terminal: Whether this process has one now.
    """

    def __init__(
        self,
        on_terminal_closed: Callable[[], None],
        *,
        has_terminal: Callable[[], bool] | None = None,
    ) -> None:
        self._asked = asyncio.Event()
        self.serving = asyncio.Event()
        """Set it when the server is ready; what is asked before is done then."""
        self._on_terminal_closed = on_terminal_closed
        self._has_terminal = has_terminal or _has_terminal
        self._had_terminal = self._has_terminal()

    def __call__(self) -> None:
        if self._had_terminal and not self._has_terminal():
            self._on_terminal_closed()
        else:
            self._asked.set()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """From before the server is ready on: unhandled, the signal would end it."""
        number = getattr(signal, "SIGHUP", None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:  # Windows; nohup.
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(number, self)
        try:
            yield
        finally:
            loop.remove_signal_handler(number)

    @asynccontextmanager
    async def heeded(self, reload: Reloads, manager: ServiceManager) -> AsyncIterator[None]:
        """Many signals in a short time are one."""
        async with in_background(reload=self._heed(reload, manager)):
            yield

    async def _heed(self, reload: Reloads, manager: ServiceManager) -> None:
        await self.serving.wait()
        while True:
            await self._asked.wait()
            self._asked.clear()
            manager.reloading()
            taken = False
            try:
                taken = await reload.again()
            except Exception:
                log.exception("reload: failed; the server goes on")
            manager.ready("serving" if taken else "serving; the new configuration was refused")


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
