"""A whole mock, for a test or for the command line."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import BaseConnector, ClientSession
from msgspec.structs import replace

from antiphon.engines.engine import VoiceDetector
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.mock.answering import answering, time_is_virtual
from antiphon.mock.app import FaultRoutes, at_the_entrance
from antiphon.mock.desk import FaultDesk
from antiphon.mock.engine import MockEngine
from antiphon.mock.fault import Fault
from antiphon.mock.hub import MockHub
from antiphon.mock.recordings import Recording, read_recording
from antiphon.mock.replay import Replayer
from antiphon.mock.script import MockScript, check_script, read_script
from antiphon.runtime.hub import SessionRules
from antiphon.server.admission import LoadLimits
from antiphon.server.app import Api
from antiphon.server.auth import Gate
from antiphon.server.client_routes import Media, Model
from antiphon.server.grant import DEFAULT_MODEL
from antiphon.server.secret import Secret
from antiphon.transports.webrtc.settings import WebRtcSettings

MAX_SESSIONS = 1_000
FIXED_UNIX_S = 4_000_000_000.0
"""The time in a mock's events where the loop's time is virtual: the same for every run, and far
from any session's end."""


class Mock(NamedTuple):
    """A mock that answers."""

    url: str
    """As "http://127.0.0.1:41234"; in memory it has a meaning in its event loop alone."""
    faults: FaultDesk
    """Arm more at any time."""
    hub: MockHub
    make_connector: Callable[[], BaseConnector]
    replayer: Replayer | None = None
    """Of a recording; it knows where clients went another way."""

    @property
    def websocket_url(self) -> str:
        """As "ws://127.0.0.1:41234"."""
        return self.url.replace("http", "ws", 1)

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
    recording: Recording | Path | None = None,
    pace: float = 1.0,
    keys: Iterable[str] = (),
    strict: bool = True,
    rules: SessionRules | None = None,
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
        recording: What WebSockets are answered with, in the script's place (`antiphon record`).
            Of the faults, those at connect strike.
        pace: Of the recording; 2 is twice as fast, 0 at once.
        keys: The only ones that it accepts.  Without any, it accepts all.
        strict: Refuse unknown session fields, as OpenAI does.
        rules: For all sessions: how long one may last, how much one may hold.
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
    hub = MockHub(
        script,
        desk,
        detector=detector or EnergyDetector(),
        rules=replace(rules or SessionRules(), strict=strict),
        unix_s=(lambda: FIXED_UNIX_S) if time_is_virtual() else time.time,
    )
    replayer = None
    if recording is not None:
        if isinstance(recording, Path):
            recording = read_recording(recording)
        replayer = Replayer(recording, pace=pace)
    app = _api(hub, keys, strict=strict).app()
    app.middlewares.append(at_the_entrance(desk, replayer))
    app.add_routes(FaultRoutes(desk).routes())
    async with answering(app, host=host, port=port, in_memory=in_memory) as address:
        yield Mock(address.url, desk, hub, address.make_connector, replayer)


def _api(hub: MockHub, keys: Iterable[str], *, strict: bool) -> Api:
    model = Model(id=DEFAULT_MODEL, description=MockEngine.description)
    return Api(
        hub,
        # It holds nothing that a page could steal, and goes by any name (as in a container).
        gate=Gate([Secret(key) for key in keys], allowed_origins=["*"]),
        models=lambda: [model],
        load=LoadLimits(max_sessions=MAX_SESSIONS),
        strict=strict,
        media=Media(webrtc=WebRtcSettings(load_when_asked=True)),
    )
