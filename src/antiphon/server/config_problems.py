"""What is wrong with settings that are each well-formed: together, or with this machine."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from antiphon.engines.cascade.stt.ears import DEFAULT_MODEL
from antiphon.identity.keys import KeyInvalid, check_tenant
from antiphon.metering.prices import prices_in
from antiphon.server.budgets import budgets_of
from antiphon.server.cascade_settings import LlmSettings
from antiphon.server.settings import (
    AuthSettings,
    Config,
    RelaySettings,
    ServerSettings,
    WebRtcOptions,
)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_KEY_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong): what no single value can show."""
    yield from _problems_of_access(config.server, auth_wanted=_wants_auth(config.auth))
    yield from _problems_of_auth(config.auth)
    yield from _problems_of_tls(config.server)
    yield from _problems_of_paths(config)
    yield from _problems_of_speech_servers(config)
    yield from _problems_of_llm(config.llm)
    yield from _problems_of_relay(config.relay)
    yield from _problems_of_webrtc(config.webrtc)
    for name, url in (
        ("traces.endpoint", config.traces.endpoint),
        ("redis.public_url", config.redis.public_url),
    ):
        if url is not None and not url.startswith(("http://", "https://")):
            yield name, f"'{url}' must begin with http:// or https://."
    for tenant, days in config.journal.tenant_retention_days.items():
        if not days >= 1:
            yield "journal.tenant_retention_days", f"'{tenant}' has {days:g} days; 1 is the least."
    if config.memory.enabled and config.journal.retention == "none":
        yield (
            "memory.enabled",
            "what is remembered lies where conversations are kept, and nothing is: set "
            'retention = "items" in [journal].',
        )
    yield from _problems_of_money(config)
    yield from _problems_of_processes(config)


def _problems_of_processes(config: Config) -> Iterator[tuple[str, str]]:
    processes, webrtc = config.server.processes, config.webrtc
    if processes == 1:
        return
    if processes and not sys.platform.startswith("linux"):
        yield "server.processes", "more than one needs Linux."
    if webrtc.port_min and webrtc.port_max - webrtc.port_min + 1 < processes:
        yield (
            "webrtc.port_max",
            f"each of the {processes} processes needs ports of its own; widen the range.",
        )


def _wants_auth(auth: AuthSettings) -> bool:
    return auth.required or auth.jwt_issuer is not None


def _problems_of_access(server: ServerSettings, *, auth_wanted: bool) -> Iterator[tuple[str, str]]:
    if not server.api_keys and not auth_wanted and not is_loopback(server.host):
        yield (
            "server.host",
            f"'{server.host}' can be reached from other machines, and there are no API keys. "
            "Set ANTIPHON_API_KEYS (or api_keys in [server]), or listen on 127.0.0.1. "
            "(Where `antiphon keys` makes them, set required = true in [auth].)",
        )
    if any(not set(key.reveal()) <= _KEY_CHARACTERS for key in server.api_keys):
        yield "server.api_keys", "a key may hold letters, digits, '-', '_', '.' and '~' only."
    for origin in server.allowed_origins:
        if origin not in ("*", "null") and not _is_origin(origin):
            yield (
                "server.allowed_origins",
                f"'{origin}' is no origin; write it as https://app.example.com, without a path.",
            )


def _problems_of_auth(auth: AuthSettings) -> Iterator[tuple[str, str]]:
    if auth.jwt_issuer is None:
        if auth.jwt_audience or auth.jwks_url is not None:
            yield "auth.jwt_audience", "tokens need their issuer too: jwt_issuer in [auth]."
        return
    if not auth.jwt_audience:
        yield "auth.jwt_issuer", "tokens need an audience too: jwt_audience in [auth]."
    if not auth.jwt_algorithms:
        yield "auth.jwt_algorithms", "name an algorithm, or no token can be good."
    for name in ("jwt_issuer", "jwks_url"):
        url = getattr(auth, name)
        if url is None or (name == "jwt_issuer" and auth.jwks_url is not None):
            continue
        host = urlsplit(url).hostname or ""
        if not url.startswith("https://") and not (url.startswith("http://") and is_loopback(host)):
            yield f"auth.{name}", f"'{url}' must begin with https://, or whoever is between lies."
    try:
        check_tenant(auth.jwt_tenant)
    except KeyInvalid as error:
        yield "auth.jwt_tenant", str(error)


def _problems_of_money(config: Config) -> Iterator[tuple[str, str]]:
    try:
        prices_in(price.row for price in config.metering.prices)
    except ValueError as error:
        yield "metering.prices", f"{error}."
    budgets = config.budgets
    stages = (budgets.tell_percent, budgets.cheaper_percent, budgets.text_percent)
    if list(stages) != sorted(stages):
        yield (
            "budgets.text_percent",
            "tell_percent, cheaper_percent and text_percent follow one another; here they are "
            f"{stages[0]}, {stages[1]} and {stages[2]}.",
        )
    if budgets.default_plan is not None and budgets.default_plan not in budgets.plans:
        yield (
            "budgets.default_plan",
            f"there is no [budgets.plans.{budgets.default_plan}].",
        )
    if not config.metering.enabled and budgets_of(budgets).any:
        yield "metering.enabled", "there are [budgets], and what nobody counts nobody can limit."


def _problems_of_tls(server: ServerSettings) -> Iterator[tuple[str, str]]:
    if server.tls_cert is not None and server.tls_key is None:
        yield "server.tls_cert", "a certificate needs its key too: tls_key in [server]."
    if server.tls_key is not None and server.tls_cert is None:
        yield "server.tls_key", "a key needs its certificate too: tls_cert in [server]."


def _problems_of_paths(config: Config) -> Iterator[tuple[str, str]]:
    server = config.server
    files = {
        "server.tls_cert": server.tls_cert,
        "server.tls_key": server.tls_key,
        "offline.agent": config.offline.agent,
    }
    for name, path in files.items():
        if path is not None and not Path(path).is_file():
            yield name, f"there is no file '{path}'."
    if config.journal.tapes and config.journal.redact is not None:
        yield "journal.tapes", "a tape has all that was said: it cannot be kept beside redact."
    if server.tape_dir is not None and not Path(server.tape_dir).is_dir():
        yield "server.tape_dir", f"there is no directory '{server.tape_dir}'."


_SCHEMES = {"http": ("http://", "https://"), "realtime": ("ws://", "wss://")}
"""Of parts that are on other servers, by their names."""


def _problems_of_speech_servers(config: Config) -> Iterator[tuple[str, str]]:
    stt, tts = config.stt, config.tts
    parts = (
        ("stt", "recognizer", stt.recognizer, stt.base_url, stt.model == DEFAULT_MODEL),
        ("tts", "synthesizer", tts.synthesizer, tts.base_url, tts.model is None),
    )
    for section, setting, chosen, url, is_nameless in parts:
        schemes = _SCHEMES.get(chosen)
        if schemes is None:
            if url is not None:
                yield f"{section}.base_url", f"no other server is used: set {setting} too."
            continue
        if url is None:
            yield (
                f"{section}.{setting}",
                f"'{chosen}' needs the server's address: base_url in [{section}].",
            )
        elif not url.startswith(schemes):
            yield f"{section}.base_url", f"'{url}' must begin with {' or '.join(schemes)}."
        if is_nameless:
            yield (
                f"{section}.{setting}",
                f"'{chosen}' needs the model's name there: model in [{section}].",
            )
    if own := {"model", "input"} & tts.extra_body.keys():
        yield "tts.extra_body", f"'{min(own)}' is Antiphon's own to send; leave it out."


def _problems_of_llm(llm: LlmSettings) -> Iterator[tuple[str, str]]:
    if llm.base_url is not None:
        if not llm.base_url.startswith(("http://", "https://")):
            yield "llm.base_url", f"'{llm.base_url}' must begin with http:// or https://."
        if llm.model is None:
            yield "llm.base_url", "a language model needs its name too: model in [llm]."
    elif llm.model or llm.api_key:
        yield "llm.model", "a language model needs its address too: base_url in [llm]."
    if own := {"model", "messages", "input", "stream", "tools"} & llm.extra_body.keys():
        yield "llm.extra_body", f"'{min(own)}' is Antiphon's own to send; leave it out."


def _problems_of_relay(relay: RelaySettings) -> Iterator[tuple[str, str]]:
    if relay.url is not None and not relay.url.startswith(("ws://", "wss://")):
        yield "relay.url", f"'{relay.url}' must begin with wss:// or ws://."
    for upstream in relay.upstreams:
        if not upstream.url.startswith(("ws://", "wss://")):
            yield "relay.upstreams", f"'{upstream.url}' must begin with wss:// or ws://."
    if relay.is_on and not relay.models:
        yield "relay.models", "name the models that it answers."


def _problems_of_webrtc(webrtc: WebRtcOptions) -> Iterator[tuple[str, str]]:
    for name in ("host_addresses", "public_addresses"):
        for address in getattr(webrtc, name):
            if not _is_address(address):
                yield f"webrtc.{name}", f"'{address}' is no IP address."
    if bool(webrtc.port_min) != bool(webrtc.port_max) or webrtc.port_min > webrtc.port_max:
        yield (
            "webrtc.port_min",
            f"{webrtc.port_min} to {webrtc.port_max} is no range of ports; "
            "set both port_min and port_max, the lower one first.",
        )
    for url in webrtc.ice_urls:
        if not re.fullmatch(r"(stun|turns?):[^:/?\s]+(:\d+)?(\?transport=(udp|tcp))?", url):
            yield (
                "webrtc.ice_urls",
                f"'{url}' is no STUN or TURN server; write it as stun:stun.example.com:3478 or "
                "turn:turn.example.com:3478?transport=udp.",
            )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_origin(origin: str) -> bool:
    scheme, separator, rest = origin.partition("://")
    return bool(separator and scheme and rest) and "/" not in rest and origin == origin.lower()
