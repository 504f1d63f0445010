"""Sessions as OpenTelemetry spans, by the SDK and by a stand-in for a collector."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from antiphon.core.causes import Ms
from antiphon.core.terms import Terms
from antiphon.engines.scripted import Fail, Script, ScriptedEngine, Speak, Wait
from antiphon.errors import ConfigurationError
from antiphon.protocol.server import Usage
from antiphon.protocol.timeline import Segment, Timeline
from antiphon.runtime.door import About
from antiphon.server.secret import Secret
from antiphon.server.settings import Config
from antiphon.server.trace_settings import TraceSettings
from antiphon.server.traces import MAX_OPEN_ANSWERS, Traces
from antiphon.server.wiring import make_traces
from antiphon.telemetry.facts import Answered, Fact, Interrupted, ResponseEnded, SessionEnded
from antiphon.testing import serving
from antiphon.testing.caller import calling
from antiphon.testing.virtual_call import SEED, session

KEY = "server-key"
KEYED = {"Authorization": f"Bearer {KEY}"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
OTHER = "1bf7651916cd43dd8448eb211c80319d"
BEGAN_NS = 1_795_000_000_000_000_000
ABOUT = About(
    session_id="sess_1",
    engine_name="offline",
    transport="webrtc",
    began_at=1_795_000_000,
    conversation_id="conv_1",
)
SPOKEN = Timeline(
    response_id="resp_1",
    kind="spoken",
    began_ms=1_000,
    ended_ms=2_000,
    ends_with="played",
    segments=(
        Segment("silence", 500),
        Segment("recognition", 100),
        Segment("thinking", 300),
        Segment("synthesis", 80),
        Segment("playback", 20),
    ),
)
ENDED = ResponseEnded("resp_1", "completed", Usage(total_tokens=3, input_tokens=1, output_tokens=2))


class Watched:
    """One session's spans, as the SDK exports them."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        self._traces = Traces(self._kept, now_ns=lambda: BEGAN_NS)
        self.told: Callable[[Ms, str, Fact], None] = self._traces.watch(
            ABOUT, Terms(session=session(), seed=SEED)
        )

    async def spans(self) -> list[ReadableSpan]:
        self.told(9_000, "offline", SessionEnded())
        async for _ in self._traces.running(web.Application()):
            pass
        return list(self._kept.get_finished_spans())


def ms(ns: int | None) -> int:
    assert ns is not None
    return (ns - BEGAN_NS) // 1_000_000


@pytest.mark.parametrize("heard_first", [True, False])
async def test_a_turn_is_a_span_with_its_parts_and_the_answer_in_it(*, heard_first: bool) -> None:
    watched = Watched()
    facts: list[tuple[Ms, Fact]] = [(2_000, Answered(SPOKEN)), (1_900, ENDED)]
    for now_ms, fact in facts if heard_first else reversed(facts):
        watched.told(now_ms, "offline", fact)
    spans = {span.name: span for span in await watched.spans()}
    turn, whole = spans["turn"], spans["realtime_session"]
    assert turn.parent is not None
    assert whole.context is not None
    assert turn.parent.span_id == whole.context.span_id
    assert (ms(turn.start_time), ms(turn.end_time)) == (1_000, 2_000)
    assert (ms(whole.start_time), ms(whole.end_time)) == (0, 9_000)
    parts = ["silence", "speech_to_text", "thinking", "text_to_speech", "playback"]
    at_ms = 1_000
    for name, segment in zip(parts, SPOKEN.segments, strict=True):
        assert (ms(spans[name].start_time), ms(spans[name].end_time)) == (
            at_ms,
            at_ms := at_ms + segment.duration_ms,
        )
    answer = spans["realtime_inference test"]
    assert (ms(answer.start_time), ms(answer.end_time)) == (1_600, 1_900)
    found = dict(answer.attributes or {})
    assert found["gen_ai.operation.name"] == "realtime_inference"
    assert found["gen_ai.realtime_session.id"] == "sess_1"
    assert found["gen_ai.conversation.id"] == "conv_1"
    assert found["gen_ai.usage.output_tokens"] == 2


async def test_what_is_only_half_known_is_bounded_and_told_in_the_end() -> None:
    watched = Watched()
    for number in range(MAX_OPEN_ANSWERS + 4):
        watched.told(number, "offline", ResponseEnded(f"resp_{number}", "failed", None))
    watched.told(50, "offline", Interrupted())
    spans = await watched.spans()
    answers = [span for span in spans if span.name.startswith("realtime_inference")]
    assert len(answers) == MAX_OPEN_ANSWERS + 4
    assert not any(span.status.is_ok for span in answers)
    [whole] = [span for span in spans if span.name == "realtime_session"]
    assert [event.name for event in whole.events] == ["interrupted"]


# --- A whole server ----------------------------------------------------------


class Collector:
    """Takes what comes by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.bytes = b""

    async def take(self, request: web.Request) -> web.Response:
        data = await request.read()
        self.bytes += data
        self.headers.append(dict(request.headers))
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response()

    def traces(self, name: str) -> list[str]:
        return [span.trace_id.hex() for span in self.spans if span.name == name]


async def test_a_trace_joins_that_of_the_client_and_tells_no_words_and_no_secrets(
    unused_tcp_port: int,
) -> None:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    replies = ((Wait(ms=5), Speak(ms=40, text="My very private answer.")), (Fail(message="oh"),))
    engine = ScriptedEngine(Script(replies=replies))
    config = Config(
        traces=TraceSettings(
            endpoint=f"http://127.0.0.1:{unused_tcp_port}/v1/traces",
            headers=Secret("x-key=collectors-key"),
        )
    )
    try:
        async with (
            serving(engine, keys=[KEY], config=config) as server,
            server.client(headers=KEYED) as http,
        ):
            secret = await minted(http)
            path = "/v1/realtime?model=my-model"
            for headers in (
                {"traceparent": TRACEPARENT, **KEYED},
                {"Authorization": f"Bearer {secret}"},
                {"traceparent": "00-nonsense", **KEYED},
            ):
                async with calling(server, path, headers=headers) as caller:
                    await caller.types("my very private question")
                    await caller.answer()
    finally:
        await runner.cleanup()
    sessions = collector.traces("realtime_session")
    assert sorted(sessions[:2]) == sorted([TRACE, OTHER])
    assert len(sessions) == 3
    assert sessions[2] not in (TRACE, OTHER)
    assert TRACE in collector.traces("turn")
    assert collector.headers[0]["x-key"] == "collectors-key"
    for told in (b"private", KEY.encode(), secret.encode(), b"collectors-key"):
        assert told not in collector.bytes


async def minted(http: ClientSession) -> str:
    headers = {"traceparent": f"00-{OTHER}-b7ad6b7169203331-01"}
    body = {"session": {"type": "realtime", "model": "my-model"}}
    async with http.post("/v1/realtime/client_secrets", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        value = (await response.json())["value"]
    assert isinstance(value, str)
    return value


def test_without_an_endpoint_none_of_it_is_loaded() -> None:
    assert make_traces(TraceSettings()) is None
    code = (
        "import sys; from antiphon.server.wiring import make_traces; "
        "from antiphon.server.settings import Config; make_traces(Config().traces); "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "antiphon.server.traces", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'antiphon\[otel\]'"):
        make_traces(TraceSettings(endpoint="http://127.0.0.1:1/v1/traces"))
