"""The services of deploy/compose/compose.yaml as processes on this machine, without Docker.

Antiphon reads the same antiphon.toml, coturn is started as there, keys are made as
docs/guides/deploy.md says; Redis stands beside them.  nginx, as deploy/nginx has it, stands for
Caddy; Grafana is left out, as it only shows what Prometheus has.  To look at them:
python -m tests.deploy.services
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy.nginx import AROUND_A_SITE
from tests.journal import postgres
from tests.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
NAMES = ("nginx", "prometheus", "redis-server", "turnserver")
PROGRAMS = {name: shutil.which(name, path=PATH) for name in NAMES}
AUDIENCE = "antiphon"
SETTINGS = """
jwt_issuer = "{issuer}"
jwt_audience = ["antiphon"]
jwks_url = "{issuer}/keys"
scopes_claim = "scope"

[budgets.plans.game]
key_day = 5.0
[budgets.tenants.clinic]
day = 20.0
[[metering.prices]]
model = "offline"
text_in = "1"
text_out = "10"
audio_in = "1"
audio_out = "10"
"""


class Place(NamedTuple):
    url: str
    """Antiphon's API behind the proxy."""
    issuer: Issuer
    prometheus: str
    turn_port: int
    turn_secret: str

    environ: dict[str, str]
    """Of the server, and of `antiphon keys` beside it."""


def missing() -> list[str]:
    """Programs that are not on this machine."""
    database = [] if postgres.programs() is not None else ["postgres"]
    return [*database, *(name for name, found in PROGRAMS.items() if found is None)]


def new_key(environ: dict[str, str], name: str, *options: str) -> str:
    """As the operator makes it, on the server."""
    made = subprocess.run(
        [sys.executable, "-m", "antiphon.cli", "keys", "create", name, *options],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = re.search(r"ak_[\w-]+", made.stdout)
    assert found is not None, made.stdout
    return found[0]


class Issuer:
    """As Keycloak, as far as a server that checks its tokens sees it."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._key = key
        shown = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        keys = json.dumps({"keys": [{**shown, "kid": "k", "use": "sig", "alg": "ES256"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def token(self, *scopes: str, user: str, audience: str = AUDIENCE) -> str:
        now = int(time.time())
        scope = " ".join(f"antiphon:{one}" for one in scopes)
        claims = {"iss": self.url, "aud": audience, "sub": user, "iat": now, "exp": now + 600}
        return jwt.encode(
            {**claims, "scope": scope}, self._key, algorithm="ES256", headers={"kid": "k"}
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def running() -> Iterator[Place]:
    """All of them, as long as the body lasts."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-services-")))
        data = folder / "postgres"
        data.mkdir()
        folder.chmod(0o755)
        database = stack.enter_context(postgres.running(data)).make("antiphon")
        issuer = Issuer()
        stack.callback(issuer.close)
        config = folder / "antiphon.toml"
        compose = ROOT / "deploy" / "compose"
        theirs = (compose / "antiphon" / "antiphon.toml").read_text()
        config.write_text(theirs + SETTINGS.format(issuer=issuer.url))
        turn_secret = secrets.token_hex(24)
        proxy, measured, turn, redis = (_free_port() for _ in range(4))
        _process(
            stack, folder, "redis-server", "--bind", "127.0.0.1", "--port", str(redis),
            "--save", "", "--dir", str(folder),
        )  # fmt: skip
        _until(lambda: socket.create_connection(("127.0.0.1", redis), 1).close())
        environ = {
            "ANTIPHON_CONFIG": str(config),
            "ANTIPHON_JOURNAL_URL": database,
            "ANTIPHON_TRUSTED_PROXIES": "127.0.0.1",
            "ANTIPHON_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
        }
        server = stack.enter_context(_server(folder, environ))
        _nginx(stack, folder, proxy, server.port)
        _prometheus(
            stack,
            folder,
            measured,
            server.port,
            new_key(environ, "prometheus", "--scope", "operate"),
        )
        _turn(stack, folder, turn, turn_secret)
        yield Place(
            url=f"http://127.0.0.1:{proxy}/voice/v1",
            issuer=issuer,
            prometheus=f"http://127.0.0.1:{measured}",
            turn_port=turn,
            turn_secret=turn_secret,
            environ=environ,
        )


def _server(folder: Path, environ: dict[str, str]) -> ServerProcess:
    return ServerProcess(folder, port=0, launcher=(), pass_fds=(), hears=True, **environ)


def _nginx(stack: contextlib.ExitStack, folder: Path, port: int, server_port: int) -> None:
    site = (ROOT / "deploy" / "nginx" / "antiphon.conf").read_text()
    site = re.sub(r"\n *ssl_\w+ .*", "", site)  # Certificates are not what this is about.
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    site = site.replace("127.0.0.1:8080", f"127.0.0.1:{server_port}")
    config = folder / "nginx.conf"
    config.write_text(AROUND_A_SITE.format(folder=folder, site=site))
    _process(stack, folder, "nginx", "-p", str(folder), "-c", str(config))
    _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close())


def _prometheus(
    stack: contextlib.ExitStack, folder: Path, port: int, server_port: int, token: str
) -> None:
    (folder / "antiphon-key").write_text(token)
    config = (ROOT / "deploy" / "compose" / "prometheus.yml").read_text()
    config = config.replace("/etc/prometheus/secrets/antiphon-key", str(folder / "antiphon-key"))
    config = config.replace("antiphon:8080", f"127.0.0.1:{server_port}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(config)
    _process(
        stack, folder, "prometheus", f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/measured", f"--web.listen-address=127.0.0.1:{port}",
    )  # fmt: skip


def _turn(stack: contextlib.ExitStack, folder: Path, port: int, secret: str) -> None:
    """As compose.yaml starts it, on another port and on this machine alone."""
    of_compose = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())
    told = {
        "${TURN_SECRET:?set it in .env}": secret,
        "${DOMAIN:?set it in .env}": "localhost",
        "${PUBLIC_ADDRESS:?set it in .env}": "127.0.0.1",
    }
    options = of_compose["services"]["coturn"]["command"]
    for name, value in told.items():
        options = [option.replace(name, value) for option in options]
    _process(
        stack, folder, "turnserver", *options, f"--listening-port={port}",
        "--listening-ip=127.0.0.1", "--no-tls", "--no-dtls", f"--pidfile={folder}/turn.pid",
        "--log-file=stdout",
    )  # fmt: skip
    _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close())


def _process(stack: contextlib.ExitStack, folder: Path, name: str, *arguments: str) -> None:
    program = PROGRAMS[name]
    assert program is not None, "it was asked whether it is here"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=folder
        )

    def stop() -> None:
        process.terminate()
        process.wait(20)

    stack.callback(stop)


def metric(place: Place, query: str) -> float:
    """The sum that Prometheus answers; 0: it knows of none."""
    with urllib.request.urlopen(
        f"{place.prometheus}/api/v1/query?query=sum({query})", timeout=60
    ) as (told):
        result: Any = json.load(told)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _until(tried: Any, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            tried()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def main() -> None:
    with running() as place:
        token, key = place.issuer.token("call", user="anna"), new_key(place.environ, "operator")
        print(f"API         {place.url}\nPrometheus  {place.prometheus}")  # noqa: T201
        print(f"a user      {token}\noperator    {key}")  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
