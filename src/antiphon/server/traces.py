"""Sessions and their turns as OpenTelemetry spans; the only module that imports its libraries.

A session is a span, each answered turn one in it, with its parts one after the other, and the
answer itself by the names that OpenTelemetry's conventions for generative AI have in draft.
No span holds a word that was said, a key, or the user's name.

Ended spans wait in the SDK's queue for a thread of its own.  Overflow policy: new ones are dropped,
and counted in its log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Final

from aiohttp import web
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from antiphon.core.causes import Ms
from antiphon.core.terms import Terms
from antiphon.metering.lines import quantities_of
from antiphon.protocol.session import Session
from antiphon.protocol.timeline import Timeline
from antiphon.runtime.door import About
from antiphon.server import trace_context
from antiphon.server.trace_settings import TraceSettings
from antiphon.telemetry.facts import (
    Answered,
    EngineChanged,
    EngineError,
    Fact,
    FalselyStopped,
    Interrupted,
    ResponseEnded,
    SessionEnded,
)

MAX_QUEUED: Final = 2_048
MAX_AT_ONCE: Final = 256
EVERY_S: Final = 2.0
EXPORT_TIMEOUT_S: Final = 5.0
MAX_OPEN_ANSWERS: Final = 16
"""Answers of which only half is known: how they ended, or when they were heard.  Overflow policy:
the oldest is told as it is.
"""
_NS_PER_MS: Final = 1_000_000
OPERATIONS: Final = {"recognition": "speech_to_text", "synthesis": "text_to_speech"}
"""Parts that the conventions have a name for."""
USAGE: Final = {
    "text_in": "gen_ai.usage.text.input_tokens",
    "audio_in": "gen_ai.usage.audio.input_tokens",
    "image_in": "gen_ai.usage.image.input_tokens",
    "text_cached": "gen_ai.usage.text.cache_read.input_tokens",
    "audio_cached": "gen_ai.usage.audio.cache_read.input_tokens",
    "image_cached": "gen_ai.usage.image.cache_read.input_tokens",
    "text_out": "gen_ai.usage.text.output_tokens",
    "audio_out": "gen_ai.usage.audio.output_tokens",
}


def exporter(settings: TraceSettings) -> SpanExporter:
    """By OTLP over HTTP."""
    pairs = [] if settings.headers is None else settings.headers.reveal().split(",")
    headers = {name.strip(): value.strip() for name, _, value in (p.partition("=") for p in pairs)}
    return OTLPSpanExporter(settings.endpoint, headers=headers, timeout=EXPORT_TIMEOUT_S)


class Traces:
    """A `Watcher` of a server's sessions.

    Args:
        sink: Where ended spans go, from a thread of its own.
        sample_ratio: So many of the traces that begin here are kept; who calls decides for theirs.
    """

    def __init__(
        self,
        sink: SpanExporter,
        *,
        sample_ratio: float = 1.0,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._now_ns = now_ns
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(sample_ratio),
            resource=Resource.create({"service.name": "antiphon"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                sink,
                max_queue_size=MAX_QUEUED,
                max_export_batch_size=MAX_AT_ONCE,
                schedule_delay_millis=EVERY_S * 1000,
                export_timeout_millis=EXPORT_TIMEOUT_S * 1000,
            )
        )
        self._tracer = self._provider.get_tracer("antiphon", version("antiphon"))

    def watch(self, about: About, terms: Terms) -> Callable[[Ms, str, Fact], None]:
        told = trace_context.current()
        parent = None
        if told is not None:
            parent = TraceContextTextMapPropagator().extract({trace_context.HEADER: told})
        session = SessionTrace(self._tracer, about, terms, parent, began_ns=self._now_ns())
        return session.told

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """What is still queued is sent at the end."""
        yield
        await asyncio.to_thread(self._provider.shutdown)


class _Answer:
    """What is known of one."""

    def __init__(self) -> None:
        self.timeline: Timeline | None = None
        self.ended: ResponseEnded | None = None
        self.ended_ms: Ms = 0


class SessionTrace:
    """One session's spans."""

    def __init__(
        self,
        tracer: trace.Tracer,
        about: About,
        terms: Terms,
        parent: Context | None,
        *,
        began_ns: int,
    ) -> None:
        self._tracer = tracer
        self._began_ns = began_ns
        model = terms.session.model if isinstance(terms.session, Session) else None
        self._common = {
            "gen_ai.realtime_session.id": about.session_id,
            "gen_ai.conversation.id": about.conversation_id,
            **({} if model is None else {"gen_ai.request.model": model[:100]}),
        }
        self._model = "" if model is None else f" {model[:100]}"
        self._span = tracer.start_span(
            "realtime_session",
            parent,
            SpanKind.SERVER,
            {
                **self._common,
                "gen_ai.provider.name": about.engine_name,
                "network.protocol.name": about.transport,
            },
            start_time=began_ns,
        )
        self._inside = trace.set_span_in_context(self._span)
        self._answers: dict[str, _Answer] = {}

    def told(self, now_ms: Ms, engine: str, fact: Fact) -> None:
        match fact:
            case Answered(timeline):
                self._answer(timeline.response_id, engine).timeline = timeline
                self._complete(timeline.response_id, engine)
            case ResponseEnded():
                answer = self._answer(fact.response_id, engine)
                answer.ended, answer.ended_ms = fact, now_ms
                self._complete(fact.response_id, engine)
            case Interrupted():
                self._span.add_event("interrupted", timestamp=self._at(now_ms))
            case FalselyStopped():
                self._span.add_event("falsely_stopped", timestamp=self._at(now_ms))
            case EngineError(engine=failed, part=part):
                found = {"gen_ai.provider.name": failed, "antiphon.engine.part": part}
                self._span.add_event("engine_error", found, self._at(now_ms))
            case EngineChanged(engine=new):
                found = {"gen_ai.provider.name": new}
                self._span.add_event("engine_changed", found, self._at(now_ms))
            case SessionEnded():
                for answer in self._answers.values():
                    self._tell(answer, engine)
                self._answers.clear()
                self._span.end(self._at(now_ms))

    def _at(self, ms: Ms) -> int:
        return self._began_ns + ms * _NS_PER_MS

    def _answer(self, response_id: str, engine: str) -> _Answer:
        answer = self._answers.setdefault(response_id, _Answer())
        if len(self._answers) > MAX_OPEN_ANSWERS:
            self._tell(self._answers.pop(next(iter(self._answers))), engine)
        return answer

    def _complete(self, response_id: str, engine: str) -> None:
        answer = self._answers[response_id]
        if answer.timeline is not None and answer.ended is not None:
            del self._answers[response_id]
            self._tell(answer, engine)

    def _tell(self, answer: _Answer, engine: str) -> None:
        timeline, parent = answer.timeline, self._inside
        if timeline is None:
            if answer.ended is not None:  # Nobody waited for it, or heard it.
                self._generation(answer.ended, engine, parent, answer.ended_ms, answer.ended_ms)
            return
        ended_ms = max(timeline.ended_ms, answer.ended_ms)
        turn = self._tracer.start_span(
            "turn",
            parent,
            attributes={
                **self._common,
                "antiphon.turn.kind": timeline.kind,
                "antiphon.turn.ends_with": timeline.ends_with,
                "antiphon.turn.wait_ms": timeline.duration_ms,
            },
            start_time=self._at(timeline.began_ms),
        )
        inside = trace.set_span_in_context(turn)
        asked_ms = self._parts(timeline, inside)
        if answer.ended is not None:
            self._generation(answer.ended, engine, inside, asked_ms, answer.ended_ms)
        turn.end(self._at(ended_ms))

    def _parts(self, timeline: Timeline, inside: Context) -> Ms:
        """A span for each; returns when thinking began."""
        at_ms = asked_ms = timeline.began_ms
        for segment in timeline.segments:
            begins_ms, at_ms = at_ms, at_ms + segment.duration_ms
            if "thinking" in segment.name:
                asked_ms = begins_ms
            name = OPERATIONS.get(segment.name)
            found = {} if name is None else {"gen_ai.operation.name": name}
            self._span_of(name or segment.name, inside, begins_ms, found).end(self._at(at_ms))
        return asked_ms

    def _generation(
        self, ended: ResponseEnded, engine: str, inside: Context, from_ms: Ms, to_ms: Ms
    ) -> None:
        found: dict[str, str | int] = {
            **self._common,
            "gen_ai.operation.name": "realtime_inference",
            "gen_ai.provider.name": engine,
            "gen_ai.response.id": ended.response_id,
            "antiphon.response.status": ended.status,
        }
        if ended.usage is not None:
            found["gen_ai.usage.input_tokens"] = ended.usage.input_tokens
            found["gen_ai.usage.output_tokens"] = ended.usage.output_tokens
            for kind, tokens in quantities_of(ended.usage):
                if kind in USAGE:
                    found[USAGE[kind]] = tokens
        name = f"realtime_inference{self._model}"
        span = self._span_of(name, inside, from_ms, found, SpanKind.CLIENT)
        if ended.status == "failed":
            span.set_attribute("error.type", "engine_failed")
            span.set_status(StatusCode.ERROR)
        span.end(self._at(to_ms))

    def _span_of(
        self,
        name: str,
        inside: Context,
        begins_ms: Ms,
        found: dict[str, str | int] | dict[str, str],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        begins_ns = self._at(begins_ms)
        return self._tracer.start_span(name, inside, kind, found, start_time=begins_ns)
