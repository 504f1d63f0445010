"""``antiphon check``."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antiphon.engines.cascade.parts import Brain
    from antiphon.engines.cascade.probe import Answered
    from antiphon.engines.registry import EngineRegistry
    from antiphon.server.cascade_parts import CascadeParts
    from antiphon.server.config import Loaded
    from antiphon.server.settings import RelaySettings
    from antiphon.server.wiring import Wired

EPILOG = """\
examples:
  antiphon check                       what would run, and where each setting comes from
  antiphon check --config other.toml   the same for another file
  antiphon check && antiphon serve     the exit code is 1 where something is wrong
"""

OPTIONAL_PARTS = {
    "uvloop": "faster event loop",
    "ctranslate2": "free speech is understood, by Whisper: make setup",
    "sounddevice": "microphone and speakers for `antiphon talk`: make mic",
}

REMEDIES = {
    "key": "Give it a valid key: api_key or api_key_env in [relay], or OPENAI_API_KEY.",
    "address": "Correct url in [relay], or the model's name.",
    "nobody": "Start that server, or correct url in [relay].",
    "no_tls": "Write ws:// in url of [relay], or have that server speak TLS.",
}
"""What the operator can do, by `Trouble`."""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "check",
        help="show what would run, and what is wrong",
        description="Check the configuration and print what would run, without running it. A "
        "language model, if there is one, is asked for a few words; chosen ears and a chosen "
        "voice, for a sentence.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.server import config, wiring

    loaded = config.load(args.config)
    for line in _settings(loaded):
        print(line)
    wired = wiring.wire(config.kept_by_default(loaded.config))
    print(f"\nConversations: {wired.keeps}")
    for line in (*_tls(wired), *_engines(wired.registry)):
        print(line)
    answers = asyncio.run(_answering(wired))
    print("\nOptional parts")
    for name, purpose in OPTIONAL_PARTS.items():
        print(f"  {name:12} {'present' if find_spec(name) else 'absent ':8} {purpose}")
    reached = _relay(loaded.config.relay)
    return 0 if answers and reached else 1


def _relay(settings: RelaySettings) -> bool:
    """Dial each upstream, for the first model that is spelled out; whether all is well."""
    if not settings.is_on:
        return True
    from antiphon.engines.registry import is_pattern
    from antiphon.server.relays import make_relay
    from antiphon.upstream.connection import CannotConnect

    named = next((model for model in settings.models if not is_pattern(model)), None)
    engine = make_relay(settings)
    is_well = True
    for upstream in engine.upstreams:
        print(f"\nRelay: {upstream.url}")
        model = upstream.model or named
        if model is None:
            print("  not tried: [relay] models spells out no name, only patterns")
            continue
        try:
            asyncio.run(engine.probe(upstream, model))
        except CannotConnect as error:
            print(f"  {model}: {error}")
            print(f"  {REMEDIES.get(error.trouble or '', 'Try again, or look at that server.')}")
            is_well = False
        else:
            print(f"  {model}: a session was begun, and ended")
    return is_well


def _settings(loaded: Loaded) -> Iterator[str]:
    from antiphon.server.settings import SECTIONS

    yield f"Configuration: {loaded.path or 'no file; defaults and environment'}"
    for section in SECTIONS:
        yield f"\n[{section}]"
        settings = getattr(loaded.config, section)
        for name in settings.__struct_fields__:
            source = loaded.sources.get(f"{section}.{name}", "default")
            yield f"  {name:24} {_shown(getattr(settings, name)):28} {source}"
    for warning in loaded.warnings:
        yield f"\nWarning: {warning}"


def _tls(wired: Wired) -> Iterator[str]:
    if wired.identity is not None:
        yield f"\nTLS certificate: {wired.identity.summary}"
    for warning in wired.warnings():
        yield f"\nWarning: {warning}"


async def _answering(wired: Wired) -> bool:
    """Ask the parts that were chosen by name; whether all is well."""
    if wired.chosen is None:
        return True
    said = await _voice(wired, wired.chosen)
    heard = await _ears(wired, wired.chosen, said.pcm)
    thought = await _language_model(wired, wired.chosen.language_model)
    return said.problem is None and heard and thought and await _hint(wired.chosen)


async def _voice(wired: Wired, chosen: CascadeParts) -> Answered:
    from antiphon.engines.cascade.probe import Answered, probe_voice

    if chosen.voice.synthesizer is None:
        return Answered()
    name = wired.config.tts.synthesizer
    print(f"\nVoice: {name}, {chosen.voice.voice}")
    found = await probe_voice(chosen.voice.synthesizer)
    if found.problem is None:
        print(f"  answers: first sound after {found.after_s:.2f} s")
    else:
        print(f"  does not answer: {found.problem}")
    return found


async def _ears(wired: Wired, chosen: CascadeParts, pcm: bytes) -> bool:
    from antiphon.engines.cascade.probe import SENTENCE, probe_ears

    name = wired.config.stt.recognizer
    if chosen.ears.recognizer is None or name == "auto":
        return True
    print(f"\nEars: {name}, {chosen.ears.hearing}")
    found = await probe_ears(chosen.ears.recognizer, pcm)
    if found.problem is not None:
        print(f"  do not answer: {found.problem}")
        return False
    print(f"  answer: after {found.after_s:.2f} s")
    if pcm:
        print(f"  '{SENTENCE}' in that voice was heard as '{found.text}'")
    return True


async def _hint(chosen: CascadeParts) -> bool:
    from antiphon.engines.cascade.probe import probe_hint

    if chosen.hint is None:
        return True
    print("\nEnd of a turn: by words and melody (smart-turn)")
    found = await probe_hint(chosen.hint)
    ready = f"is ready after {found.after_s:.2f} s"
    print(f"  {ready if found.problem is None else f'is not there: {found.problem}'}")
    return found.problem is None


async def _language_model(wired: Wired, brain: Brain | None) -> bool:
    from antiphon.engines.cascade.llm.probe import probe

    if brain is None:
        return True
    print(f"\nLanguage model: {brain.name} at {wired.config.llm.base_url}")
    found = await probe(brain)
    if found.problem is not None:
        print(f"  does not answer: {found.problem}")
        return False
    print(f"  answers: first token after {found.first_token_s:.2f} s")
    print(f"  function calls: {found.calls_problem or 'taken'}")
    return True


def _shown(value: object) -> str:
    if value is None or value == ():
        return "–"
    if isinstance(value, dict):  # The values may be secret.
        return ", ".join(value) or "–"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def _engines(registry: EngineRegistry) -> Iterator[str]:
    yield "\nEngines"
    for engine in registry.engines:
        mark = " (default)" if engine is registry.default else ""
        yield f"  {engine.name}{mark}: {engine.description}"
        yield f"    voices: {', '.join(engine.abilities.voices) or '–'}"
    yield "\nModels"
    for model, engine in registry.models.items():
        yield f"  {model:24} {engine.name}"
    for pattern, engine in registry.patterns:
        yield f"  {pattern:24} {engine.name}"
    yield f"  {'(any other)':24} {registry.default.name}"
