"""No value of any session field closes a session, nor does it go unanswered."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.core.faults import Fault
from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.errors import ProtocolError
from antiphon.journal.tape import tapes_in
from antiphon.protocol.client import ResponseOptions
from antiphon.protocol.codec import decode_object, from_json
from antiphon.protocol.dialect import GA
from antiphon.protocol.session import SessionPatch
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.testing import MemoryConnection, run_in_virtual_time
from antiphon.testing.parts import KnowingRecognizer, SilentSynthesizer

LOUD = base64.b64encode(b"\x00\x40\x00\xc0" * 2_400).decode()
QUIET = base64.b64encode(bytes(2 * 24 * 700)).decode()

TOOL = {"type": "function", "name": "look", "description": "Look.", "parameters": {}}
WHOLE: dict[str, Any] = {
    "type": "realtime",
    "antiphon": {"cost": True},
    "model": "m",
    "output_modalities": ["audio"],
    "instructions": "Be kind.",
    "tools": [TOOL, {"type": "mcp", "server_label": "a", "server_url": "https://a"}],
    "tool_choice": "auto",
    "max_output_tokens": 100,
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 1_000},
    },
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {}},
    "prompt": {"id": "pmpt_1", "version": "1", "variables": {}},
    "include": ["item.input_audio_transcription.logprobs"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "transcription": {
                "model": "whisper-1",
                "language": "en",
                "languages": ["en"],
                "prompt": "p",
                "keywords": ["k"],
                "delay": "low",
            },
            "noise_reduction": {"type": "near_field", "strength": 0.5},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "idle_timeout_ms": 5_000,
                "eagerness": "low",
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm"}, "voice": "marin", "speed": 1.0},
    },
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
}
"""Every field, with a value that it takes."""

NESTED: Any = 1
for _ in range(150):
    NESTED = [NESTED]
EDGES: list[Any] = [
    *(None, True, False, 0, 1, -1, 0.5, -0.5, 1.5, 1e308, -1e308, 1e-320, 2**31, 2**53 + 1),
    *(2**63, -(2**63) - 1, 2**64, 10**30, float("nan"), float("inf"), float("-inf")),
    *("", " ", "a", "0", "NaN", "x" * 100_000, "\0", "\U0001f600", "\ud800", "auto", "none"),
    *([], [None], [[]], ["a", "a"], {}, {"": ""}, {"type": "x"}, {"type": None}, {"id": 10**30}),
    *({"a": 10**30}, {"a": [1e300]}, NESTED, [TOOL] * 3, [TOOL | {"parameters": {"a": 10**30}}]),
    *([TOOL | {"parameters": {"type": 5, "properties": ["x"], "enum": {}}}],),
    *([TOOL | {"parameters": {"properties": {"x": None, "": {"type": ["a", 3]}}}}],),
    *({"type": "semantic_vad"}, {"type": "server_vad"}, {"type": "function", "name": ""}),
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _paths(inner, (*path, key))


PATHS = list(_paths(WHOLE))


def patched(path: tuple[Any, ...], value: Any, *, alone: bool) -> Any:
    """A patch with an edge value in it: with all other fields around it, or alone."""
    patch = copy.deepcopy(WHOLE)
    patch["audio"]["input"]["noise_reduction"].setdefault("type", "near_field")
    node = patch
    for key in path[:-1]:
        if alone and isinstance(node, dict):
            for other in [k for k in node if k not in (key, "type", "name")]:
                del node[other]
        node = node[key]
    if alone and isinstance(node, dict):
        for other in [k for k in node if k not in (path[-1], "type", "name")]:
            del node[other]
    node[path[-1]] = value
    return patch


PATCHES = st.builds(patched, st.sampled_from(PATHS), st.sampled_from(EDGES), alone=st.booleans())


def hub(tapes: Path) -> Hub:
    engine = CascadeEngine(
        "test",
        "For tests.",
        recognizer=KnowingRecognizer(*["what time is it"] * 100),
        brain=OfflineBrain(),
        synthesizer=SilentSynthesizer(),
    )
    return Hub(lambda _: engine, detector=EnergyDetector(), observers=[tapes_in(tapes)])


class Caller:
    def __init__(self, session: SessionDoor) -> None:
        self.session = session
        self.connection = MemoryConnection()
        session.attach(self.connection)

    def send(self, **event: Any) -> None:
        try:
            told = GA.decode(json.dumps(event).encode())
        except ProtocolError as error:
            self.session.refuse(self.connection, error)
        else:
            self.session.receive(self.connection, told)

    def heard(self) -> list[str]:
        return [msgspec.json.decode(data)["type"] for data in iter(self.connection.take, None)]

    async def use(self) -> None:
        """Speak, so that each setting has its effect; and ask, in writing."""
        for audio in (LOUD, LOUD, QUIET):
            self.send(type="input_audio_buffer.append", audio=audio)
            await asyncio.sleep(0.2)
        self.send(type="input_audio_buffer.commit")
        self.send(type="response.create")
        await asyncio.sleep(60)
        assert self.connection.closed is None


@pytest.fixture(autouse=True)
def _calm(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.CRITICAL)
    return iter([None])


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(PATCHES, min_size=1, max_size=4))
def test_each_update_has_one_answer_and_the_session_lives(
    tmp_path: Path, patches: list[Any]
) -> None:
    async def main() -> None:
        live = hub(tmp_path)
        caller = Caller(live.open(kind="realtime", model="m"))
        for patch in patches:
            caller.heard()
            caller.send(type="session.update", session=patch)
            assert caller.heard() in (["session.updated"], ["error"]), patch
        await caller.use()
        await live.aclose()

    run_in_virtual_time(main())


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(PATCHES)
def test_a_session_that_was_minted_with_it_lives(tmp_path: Path, patch: Any) -> None:
    """As a client secret holds it: read as JSON, kept, and opened with."""
    try:
        bound = from_json(decode_object(json.dumps(patch)), SessionPatch)
    except ProtocolError:
        return

    async def main() -> None:
        live = hub(tmp_path)
        try:
            session = live.open(kind="realtime", model="m", patch=bound)
        except Fault:
            return
        await Caller(session).use()
        await live.aclose()

    run_in_virtual_time(main())


RESPONSE: dict[str, Any] = {
    "output_modalities": ["audio"],
    "instructions": "Be kind.",
    "audio": {"output": {"format": {"type": "audio/pcm"}, "voice": "marin", "speed": 1.0}},
    "tools": [TOOL],
    "tool_choice": "auto",
    "max_output_tokens": 100,
    "conversation": "none",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    ],
    "metadata": {"a": "b"},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "prompt": {"id": "p"},
}
assert set(RESPONSE) == set(ResponseOptions.__struct_fields__)
assert set(WHOLE) == set(SessionPatch.__struct_fields__)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(list(_paths(RESPONSE))), st.sampled_from(EDGES))
def test_no_field_of_a_response_closes_it_either(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    asked = copy.deepcopy(RESPONSE)
    node: Any = asked
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value

    async def main() -> None:
        live = hub(tmp_path)
        caller = Caller(live.open(kind="realtime", model="m"))
        caller.heard()
        caller.send(type="response.create", response=asked)
        await asyncio.sleep(30)
        heard = caller.heard()
        assert heard == ["error"] or "response.done" in heard, (asked, heard)
        await caller.use()
        await live.aclose()

    run_in_virtual_time(main())
