"""A whole mock, for a test or for the command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import BaseConnector, ClientSession, TCPConnector, web

from antiphon.core.causes import Ms
from antiphon.engines.engine import VoiceDetector
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.mock.app import FaultRoutes, at_the_entrance
from antiphon.mock.desk import FaultDesk
from antiphon.mock.engine import MockEngine
from antiphon.mock.fault import Fault
from antiphon.mock.hub import MockHub
from antiphon.mock.script import MockScript, check_script, read_script
from antiphon.runtime.hub import SessionRules
from antiphon.server.admission import LoadLimits
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.server.grant import DEFAULT_MODEL
from antiphon.server.serve import listening, running
from antiphon.server.settings import Secret
from antiphon.testing.memory_network import MemoryConnector
from antiphon.testing.virtual_loop import VirtualTimeLoop

MAX_SESSIONS = 1_000
SHUTDOWN_TIMEOUT_S = 0.1
FIXED_UNIX_S = 4_000_000_000.0
"""The time in a mock's events where the loop's time is virtual: the same for every run, and far
from any session's end."""


class Mock(NamedTuple):
    """A mock that answers."""

    url: str
    """As "http://127.0.0.1:41234"; in memory it has a meaning for `client` alone."""
    faults: FaultDesk
    """Arm more at any time."""
    hub: MockHub
    make_connector: Callable[[], BaseConnector]

    def client(self, **options: Any) -> ClientSession:
        """An HTTP and WebSocket client of this mock, whose paths may begin with "/".

        ``options`` are those of `aiohttp.ClientSession`.
        """
        return ClientSession(self.url, connector=self.make_connector(), **options)


@asynccontextmanager
async def mocking(
    script: MockScript | Path | None = None,
    *,
    faults: Iterable[Fault | str] = (),
    keys: Iterable[str] = (),
    strict: bool = True,
    session_max_ms: Ms = 60 * 60 * 1000,
    detector: VoiceDetector | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    in_memory: bool | None = None,
) -> AsyncIterator[Mock]:
    """Run a mock of the Realtime API until the context ends.

    ```python
    script = MockScript(replies=(MockReply(when="table", says="For how many?"),))
    async with mocking(script, faults=["rate_limited"]) as mock, mock.client() as http:
        async with http.ws_connect("/v1/realtime?model=any") as ws:
            created = await ws.receive_json()
    ```

    Args:
        script: What it says, or the file that tells (`read_script`).
        faults: Armed before anybody comes, beside those of the script.
        keys: The only ones that it accepts.  Without any, it accepts all.
        strict: Refuse unknown session fields, as OpenAI does.
        session_max_ms: How long a session may last.
        detector: Who finds turns; None: whatever is loud is speech.
        host: Where it listens.
        port: Of it; 0 is a free one.
        in_memory: Without sockets; None: where the event loop's time is virtual.

    Raises:
        ConfigurationError: the script is wrong, or it cannot listen there.
        UnknownFault: there is no fault of a name.
    """
    if isinstance(script, Path):
        script = read_script(script)
    script = script or MockScript()
    check_script(script, "the script")
    desk = FaultDesk((*script.faults, *faults))
    is_virtual = isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    hub = MockHub(
        script,
        desk,
        detector=detector or EnergyDetector(),
        rules=SessionRules(session_max_ms=session_max_ms, strict=strict),
        unix_s=(lambda: FIXED_UNIX_S) if is_virtual else time.time,
    )
    app = _app(hub, desk, keys, strict=strict)
    if is_virtual if in_memory is None else in_memory:
        async with running(app, shutdown_timeout_s=SHUTDOWN_TIMEOUT_S) as runner:
            server = runner.server
            assert server is not None, "it has been set up"
            yield Mock("http://localhost", desk, hub, lambda: MemoryConnector(server))
    else:
        async with listening(
            app, host=host, port=port, shutdown_timeout_s=SHUTDOWN_TIMEOUT_S
        ) as url:
            yield Mock(url, desk, hub, TCPConnector)


def _app(hub: MockHub, desk: FaultDesk, keys: Iterable[str], *, strict: bool) -> web.Application:
    model = Model(id=DEFAULT_MODEL, description=MockEngine.description)
    api = Api(
        hub,
        gate=Gate([Secret(key) for key in keys]),
        models=lambda: [model],
        load=LoadLimits(max_sessions=MAX_SESSIONS),
        strict=strict,
        load_webrtc_when_asked=True,
    )
    app = api.app()
    app.middlewares.append(at_the_entrance(desk))
    app.add_routes(FaultRoutes(desk).routes())
    return app
