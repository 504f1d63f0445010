from __future__ import annotations

import pytest

from antiphon.engines.registry import EngineRegistry
from antiphon.errors import ConfigurationError
from tests.fakes.engines import NamedEngine

OFFLINE, RELAY, LOCAL = (NamedEngine(n) for n in ("offline", "relay", "local"))


def registry(models: dict[str, str] | None = None, default: str = "offline") -> EngineRegistry:
    return EngineRegistry([OFFLINE, RELAY, LOCAL], default=default, models=models)


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        ("gpt-realtime-2", RELAY),  # the exact name wins over the pattern
        ("gpt-realtime-3", LOCAL),  # the first pattern wins over the second
        ("gpt-4o", OFFLINE),
        ("GPT-realtime-3", OFFLINE),  # case matters
        ("relay", RELAY),  # an engine by its own name
        ("", OFFLINE),
    ],
)
def test_exact_names_then_patterns_then_the_default(model: str, engine: NamedEngine) -> None:
    models = {"gpt-realtime-?": "local", "gpt-realtime*": "relay", "gpt-realtime-2": "relay"}
    assert registry(models).find(model) is engine


def test_with_no_models_at_all_the_default_serves_every_name() -> None:
    assert registry().find("anything") is OFFLINE
    assert registry(default="relay").find("anything") is RELAY


def test_the_names_that_are_spelled_out_are_listed() -> None:
    listed = registry({"gpt-*": "relay", "fast": "local"})
    assert listed.models == {"offline": OFFLINE, "relay": RELAY, "local": LOCAL, "fast": LOCAL}
    assert listed.patterns == (("gpt-*", RELAY),)


@pytest.mark.parametrize(
    ("models", "default", "message"),
    [
        ({}, "ofline", r"\[engine\] default: there is no engine 'ofline'. Did you mean 'offline'"),
        ({"gpt-*": "rely"}, "offline", r"\[models\] \"gpt-\*\": .*'rely'. Did you mean 'relay'"),
        ({}, "x", "Engines: local, offline, relay"),
    ],
)
def test_an_engine_that_does_not_exist_is_named(
    models: dict[str, str], default: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        registry(models, default)


def test_two_engines_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two engines named 'offline'"):
        EngineRegistry([OFFLINE, NamedEngine("offline")], default="offline")


def test_it_tells_names_that_are_known_from_those_that_the_default_serves() -> None:
    known = registry({"gpt-*": "relay", "exact": "relay"})
    names = ["offline", "exact", "gpt-x", "other", ""]
    assert [name for name in names if known.knows(name)] == ["offline", "exact", "gpt-x"]


def test_engines_that_go_on_belong_to_a_name_or_a_pattern() -> None:
    models = {"gpt-realtime*": "relay", "gpt-realtime-2": "relay", "fast": "local"}
    fallbacks = {"gpt-realtime*": ["local", "offline"]}
    chains = EngineRegistry(
        [OFFLINE, RELAY, LOCAL], default="offline", models=models, fallbacks=fallbacks
    )
    assert chains.fallbacks("gpt-realtime-3") == (LOCAL, OFFLINE)
    assert chains.fallbacks("gpt-realtime-2") == ()  # the exact name wins here too
    assert chains.fallbacks("fast") == chains.fallbacks("anything") == ()
    with pytest.raises(ConfigurationError, match=r"\[models\] \"fast\": .*'ofline'"):
        EngineRegistry([OFFLINE], default="offline", fallbacks={"fast": ["ofline"]})
