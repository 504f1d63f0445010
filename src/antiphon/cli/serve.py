"""``antiphon serve``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from antiphon.cli.talk import DEFAULT_URL

if TYPE_CHECKING:
    from antiphon.server.config import Loaded
    from antiphon.server.wiring import Wired

EPILOG = """\
examples:
  antiphon serve                                    this machine only, no keys needed
  antiphon serve --port 9000 --log-level debug      another port, more to read
  ANTIPHON_API_KEYS=long-random-key antiphon serve --host 0.0.0.0
                                                    other machines, with a key
  antiphon serve --tls-cert tls/certificate.pem --tls-key tls/key.pem
                                                    https and wss; `antiphon certificate`
                                                    makes such files
  antiphon serve --tape tapes                       record every session for replay

Point a client at it:
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=any python your_program.py

Ctrl-C (or SIGTERM) lets sessions end first; a second one stops at once.
SIGHUP takes new keys, prices and certificates from the configuration.
"""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "serve",
        help="serve the Realtime API",
        description="Serve the Realtime API over HTTP and WebSocket.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8080; 0: a free one)")
    parser.add_argument("--tls-cert", metavar="FILE", help="serve https and wss with this (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="the certificate's key (PEM)")
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="so many are one server (default: by the cores and what answers)",
    )
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it is there")
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], help="default: info"
    )
    parser.add_argument(
        "--tape", metavar="DIR", help="record a tape of every session in this folder"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.server import config, logs, wiring

    overrides = {
        "server.host": args.host,
        "server.port": args.port,
        "server.tls_cert": args.tls_cert,
        "server.tls_key": args.tls_key,
        "server.processes": args.processes,
        "server.log_level": args.log_level,
        "server.tape_dir": args.tape,
    }

    def read() -> config.Loaded:
        return config.load(args.config, overrides=overrides)

    loaded = read()
    settings = loaded.config
    logs.configure(settings.server.log_level, as_json=settings.log.format == "json")
    # Elsewhere several cannot share a port.
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    processes = config.process_count(settings, cores)
    if processes > 1:
        given = {name: value for name, value in overrides.items() if value is not None}
        _run_several(loaded, given, processes)
        return 0
    wired = wiring.wire(config.kept_by_default(loaded.config))
    for warning in (*loaded.warnings, *wired.warnings()):
        logging.getLogger(__name__).warning("%s", warning)
    wiring.run(
        wired,
        on_ready=lambda url: print("\n".join(welcome(url, wired)), flush=True),
        reread=lambda: config.kept_by_default(read().config),
    )
    return 0


def _run_several(loaded: Loaded, overrides: dict[str, Any], processes: int) -> None:
    from antiphon.processes.supervisor import Supervisor, program_of
    from antiphon.server import config, wiring

    for warning in loaded.warnings:
        logging.getLogger(__name__).warning("%s", warning)
    settings = config.kept_by_default(loaded.config)
    auth, server = settings.auth, settings.server
    is_open = not server.api_keys and not auth.required and auth.jwt_issuer is None
    supervisor = Supervisor(
        settings,
        processes=processes,
        program=program_of("antiphon.cli.process"),
        config_path=None if loaded.path is None else str(loaded.path),
        overrides=overrides,
        sockets=wiring.given_sockets(is_open=is_open),
        on_ready=lambda lines: print("\n".join(lines), flush=True),
    )
    with wiring.runner() as runner:
        runner.run(supervisor.run())


def welcome(url: str, wired: Wired) -> list[str]:
    """What the operator is told of a server that answers at ``url``."""
    from antiphon.server.console import Console

    bearers = wired.api.bearers
    keys = "none: only this machine may connect" if bearers.is_open else str(bearers.key_count)
    engine = wired.registry.default
    lines = [
        f"Antiphon listens on {url}",
        f"  engine   {engine.name}: {engine.description}",
        f"  clients  OPENAI_BASE_URL={url}/v1, or {url.replace('http', 'ws', 1)}/v1/realtime",
        f"  keys     {keys}",
    ]
    if wired.config.auth.jwt_issuer is not None:
        lines.append(f"  tokens   of {wired.config.auth.jwt_issuer}")
    if wired.config.server.processes > 1:
        lines.append(f"  server   {wired.config.server.processes} processes on one port")
    lines.append(f"  journal  {wired.keeps}")
    relay = wired.config.relay
    if relay.is_on:
        urls = (relay.address, *(upstream.url for upstream in relay.upstreams))
        hosts = ", ".join(dict.fromkeys(urlsplit(url).netloc for url in urls))
        lines.append(f"  relay    {', '.join(relay.models)}: answered by {hosts}, at its price")
        if relay.fallback:
            lines.append(f"           while that cannot be had: {', '.join(relay.fallback)}")
    if wired.identity is not None:
        lines.append(f"  tls      {wired.identity.summary}")
    if Console().is_built:
        lines.append(f"  console  open {url} in a browser")
    where = "" if url == DEFAULT_URL else f" --url {url}"
    lines.append(f"  talk     {program(Path(sys.argv[0]))} talk{where}, in another terminal")
    return lines


def program(called: Path) -> str:
    """How to call this program again from here; in a checkout it is on no PATH."""
    path, here = called.absolute(), Path.cwd()
    if path.stem != "antiphon" or not path.is_relative_to(here):
        return "antiphon"
    return str(path.relative_to(here))
