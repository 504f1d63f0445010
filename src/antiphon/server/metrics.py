"""`GET /metrics`: what Prometheus is told (docs/reference/metrics.md).

Sessions tell facts (`antiphon.telemetry`), each counted once; all that the server counts anyway is
read when somebody asks.  No label grows with the number of sessions, users or addresses.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.core.causes import Ms
from antiphon.core.terms import Terms
from antiphon.metering.lines import quantities_of
from antiphon.protocol.timeline import Timeline
from antiphon.runtime.door import About
from antiphon.runtime.hub import Hub
from antiphon.telemetry.facts import (
    Answered,
    EngineChanged,
    EngineError,
    Fact,
    FalselyStopped,
    InputLost,
    Interrupted,
    ResponseEnded,
)
from antiphon.telemetry.timeline import by_name
from antiphon.transports.rtp.rtcp import CallQuality
from antiphon.transports.websocket import WebSocketCounters

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
PART_S: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 5.0)


class MeasuredCall(Protocol):
    """What is asked of a call."""

    @property
    def quality(self) -> CallQuality: ...


class Sources(NamedTuple):
    """Where the rest is counted."""

    hub: Hub
    refused_keys: Callable[[], int]
    slowed_down: Callable[[], int]
    late_ms: Callable[[], float]
    is_draining: Callable[[], bool]
    max_sessions: int
    websockets: WebSocketCounters
    calls: Callable[[], Collection[MeasuredCall]]


class Metrics:
    """Of one process; a `Watcher` of its sessions.  `watch_server` is called once."""

    def __init__(self, also: Callable[[str, Fact], None] = lambda *_: None) -> None:
        """``also`` is told each fact, with its session's id."""
        self.also = also
        self.registry = registry = CollectorRegistry()
        self._sessions = Counter(
            "antiphon_sessions_opened", "Sessions opened.", ["transport"], registry=registry
        )
        for transport in ("websocket", "webrtc"):  # So that the first one shows as an increase.
            self._sessions.labels(transport)
        self._turns = Counter(
            "antiphon_turns", "Turns of users that were answered.", ["kind"], registry=registry
        )
        self._turn_s = Histogram(
            "antiphon_turn_latency_seconds",
            "From the user's last word to the first sound of the answer.",
            ["engine", "kind"],
            buckets=LATENCY_S,
            registry=registry,
        )
        self._part_s = Histogram(
            "antiphon_turn_part_seconds",
            "The same by its parts, whose sums make it up.",
            ["engine", "part"],
            buckets=PART_S,
            registry=registry,
        )
        self._responses = Counter(
            "antiphon_responses", "Responses that ended.", ["engine", "status"], registry=registry
        )
        self._tokens = Counter(
            "antiphon_tokens", "Tokens of responses.", ["engine", "kind"], registry=registry
        )
        self._interruptions = Counter(
            "antiphon_interruptions", "Answers that users interrupted.", registry=registry
        )
        self._false_stops = Counter(
            "antiphon_false_stops",
            "Interruptions by a sound in which nothing was understood.",
            registry=registry,
        )
        self._engine_errors = Counter(
            "antiphon_engine_errors",
            "Errors of engines and their parts.",
            ["engine", "part"],
            registry=registry,
        )
        self._drops = Counter(
            "antiphon_queue_drops",
            "What did not fit where sound waits to be heard.",
            ["queue"],
            registry=registry,
        )
        self._drops.labels("recognition")
        self._moves = Counter(
            "antiphon_engine_changes",
            "Sessions that another engine went on with.",
            ["engine"],
            registry=registry,
        )

    def watch(self, about: About, terms: Terms) -> Callable[[Ms, str, Fact], None]:
        """One session that opens."""
        self._sessions.labels(about.transport).inc()

        def told(_: Ms, engine: str, fact: Fact) -> None:
            self.count(engine, fact)
            self.also(terms.session.id, fact)

        return told

    def watch_server(self, sources: Sources) -> None:
        """Tell what the server counts, too."""
        self.registry.register(ServerCollector(sources))

    def count(self, engine: str, fact: Fact) -> None:
        match fact:
            case Answered(timeline):
                self._time(engine, timeline)
            case ResponseEnded(status=status, usage=usage):
                self._responses.labels(engine, status).inc()
                for kind, tokens in () if usage is None else quantities_of(usage):
                    self._tokens.labels(engine, kind).inc(tokens)
            case Interrupted():
                self._interruptions.inc()
            case FalselyStopped():
                self._false_stops.inc()
            case EngineError(engine=failed, part=part):
                self._engine_errors.labels(failed, part).inc()
            case InputLost():
                self._drops.labels("recognition").inc()
            case EngineChanged(engine=new):
                self._moves.labels(new).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _time(self, engine: str, timeline: Timeline) -> None:
        self._turns.labels(timeline.kind).inc()
        self._turn_s.labels(engine, timeline.kind).observe(timeline.duration_ms / 1000)
        for part, duration_ms in by_name(timeline.segments).items():
            self._part_s.labels(engine, part).observe(duration_ms / 1000)


class ServerCollector(Collector):
    """Reads when it is asked."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._seen: WeakKeyDictionary[MeasuredCall, CallQuality] = WeakKeyDictionary()
        self._packets: Tally[str] = Tally()
        """Of all calls that were looked at, the ended ones too."""

    def describe(self) -> list[Metric]:
        return []  # Else it would be asked at once, to find names that are there twice.

    def collect(self) -> Iterator[Metric]:
        yield from self._of_sessions()
        yield from self._of_access()
        yield from self._of_journal()
        yield from self._of_calls()

    def _of_sessions(self) -> Iterator[Metric]:
        sources = self._sources
        live = GaugeMetricFamily(
            "antiphon_sessions", "Live sessions.", labels=["engine", "transport"]
        )
        found = Tally((s.about.engine_name, s.about.transport) for s in sources.hub.sessions)
        for labels, count in sorted(found.items()):
            live.add_metric(labels, count)
        yield live
        yield _gauge("antiphon_sessions_max", "Above, none are opened.", sources.max_sessions)
        yield _gauge(
            "antiphon_draining", "1: no new sessions are opened.", int(sources.is_draining())
        )
        yield _counter(
            "antiphon_voice_windows_dropped",
            "Windows of 32 ms in which nobody looked for a voice: there were too many.",
            sources.hub.dropped_windows,
        )
        yield _gauge(
            "antiphon_lateness_seconds",
            "How late sound is, p99 of the last five seconds.",
            sources.late_ms() / 1000,
        )

    def _of_access(self) -> Iterator[Metric]:
        sources, sockets = self._sources, self._sources.websockets
        yield _counter(
            "antiphon_keys_refused", "Requests without a good key.", sources.refused_keys()
        )
        yield _counter(
            "antiphon_requests_slowed_down",
            "Requests refused after too many wrong keys.",
            sources.slowed_down(),
        )
        closed = CounterMetricFamily(
            "antiphon_websockets_closed",
            "WebSockets that the server gave up.",
            labels=["reason"],
        )
        closed.add_metric(["slow_reader"], sockets.slow_readers_closed)
        closed.add_metric(["half_open"], sockets.half_open_reaped)
        closed.add_metric(["oversized"], sockets.oversized_closed)
        yield closed
        yield _counter(
            "antiphon_events_shortened",
            "Events too long for a client, sent in a shorter form.",
            sockets.events_shortened,
        )
        yield _counter(
            "antiphon_messages_refused_fast",
            "Messages refused unread: they came too fast.",
            sockets.refused_fast,
        )

    def _of_journal(self) -> Iterator[Metric]:
        hub = self._sources.hub
        metering = hub.metering
        if metering is not None:
            yield _counter(
                "antiphon_cost_nano_usd",
                "What was used, in billionths of a US dollar.",
                metering.total.nano,
            )
            yield _counter(
                "antiphon_cost_unpriced_lines",
                "Lines of the bill with something that has no price.",
                metering.total.unpriced_lines,
            )
            yield _counter(
                "antiphon_cost_lines_lost", "Lines of the bill not written.", metering.lost_lines
            )
        if hub.keeping is None:
            return
        journal = hub.keeping.journal
        load = journal.load
        yield _gauge(
            "antiphon_journal_delay_seconds",
            "How long the last commit's oldest entry had waited to be durable.",
            load.delay_s,
        )
        yield _gauge("antiphon_journal_queued_bytes", "Not durable yet.", load.queued_bytes)
        yield _counter("antiphon_journal_entries_lost", "Entries not written.", load.lost_entries)
        yield _gauge(
            "antiphon_journal_trouble", "1: it fails, or is slow.", int(journal.trouble is not None)
        )

    def _of_calls(self) -> Iterator[Metric]:
        calls = self._sources.calls()
        jitter_s = peer_jitter_s = rtt_s = 0.0
        for call in calls:
            now = call.quality
            new = now.since(self._seen.get(call, CallQuality()))
            self._seen[call] = now
            self._packets["received"] += new.packets_received
            self._packets["lost"] += new.packets_lost
            self._packets["late"] += new.packets_late
            self._packets["sent"] += new.packets_sent
            self._packets["lost_by_peer"] += max(0, new.peer_packets_lost)
            jitter_s = max(jitter_s, now.jitter_s)
            peer_jitter_s = max(peer_jitter_s, now.peer_jitter_s)
            rtt_s = max(rtt_s, now.rtt_s or 0.0)
        yield _gauge("antiphon_calls", "Live WebRTC calls.", len(calls))
        packets = CounterMetricFamily(
            "antiphon_call_packets", "Packets of sound, by what became of them.", labels=["fate"]
        )
        for fate in ("received", "lost", "late", "sent", "lost_by_peer"):
            packets.add_metric([fate], self._packets[fate])
        yield packets
        jitter = GaugeMetricFamily(
            "antiphon_call_jitter_seconds",
            "Jitter of the worst live call, as the side that receives measures it.",
            labels=["receiver"],
        )
        jitter.add_metric(["server"], jitter_s)
        jitter.add_metric(["client"], peer_jitter_s)
        yield jitter
        yield _gauge(
            "antiphon_call_round_trip_seconds", "Round trip of the worst live call.", rtt_s
        )


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(name, help_text, value=value)
