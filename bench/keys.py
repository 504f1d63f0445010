"""What it costs to know whose a key is, among 100,000: beside one, and beside a wrong one.

python bench/keys.py [--keys N]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import secrets
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from antiphon.errors import AntiphonError
from antiphon.identity.claims import ClaimNames
from antiphon.identity.keys import KeyWish, NewKey, new_key
from antiphon.server.bearers import Bearers
from antiphon.server.jwks import IssuerKeys
from antiphon.server.key_store import KnownKeys
from antiphon.server.key_store_sqlite import SqliteKeyStore
from antiphon.server.secret import Secret
from antiphon.server.tokens import JwtTokens

ASKED = 20_000


def made(at: int) -> NewKey:
    wish = KeyWish(name=f"key {at}", tenant=f"tenant-{at % 1000}")
    return new_key(wish, now_s=time.time(), random_bytes=secrets.token_bytes)


async def asked(bearers: Bearers, values: list[str]) -> list[float]:
    """Microseconds of each check."""
    took = []
    for value in values:
        began = time.perf_counter_ns()
        with contextlib.suppress(AntiphonError):
            await bearers.principal(value)
        took.append((time.perf_counter_ns() - began) / 1000)
    return took


def told(what: str, took: list[float]) -> None:
    p99 = quantiles(took, n=100)[98]
    print(f"{what:34} p50 {median(took):7.2f} µs   p99 {p99:7.2f} µs")


def fill(path: Path, keys: list[NewKey]) -> None:
    """In one transaction: to fill the file is not what is measured."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            "INSERT INTO keys (id, digest, changed, record) VALUES (?, ?, ?, ?)",
            (
                (key.record.id, key.record.digest, at, msgspec.msgpack.encode(key.record))
                for at, key in enumerate(keys, 2)
            ),
        )


async def of_tokens() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())

    async def fetch(_: str) -> bytes:
        return f'{{"keys": [{jwk}]}}'.encode()

    tokens = JwtTokens(
        issuer="https://id.example",
        audience=("antiphon",),
        algorithms=("ES256",),
        keys=IssuerKeys("https://id.example", "https://id.example/keys", fetch=fetch),
        names=ClaimNames(),
        leeway_s=30,
    )
    claims = {"iss": "https://id.example", "aud": "antiphon", "sub": "u", "exp": time.time() + 600}
    shown = jwt.encode(claims, key, "ES256")
    bearers = Bearers(tokens=tokens)
    told("a token (ES256)", await asked(bearers, [shown] * 2000))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000)
    count = parser.parse_args().keys
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.sqlite3"
        keys = [made(at) for at in range(count)]
        store = SqliteKeyStore(path)
        await store.add(keys[0].record)
        await store.aclose()
        fill(path, keys[1:])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        async with (known := KnownKeys(SqliteKeyStore(path))).kept_up():
            print(f"{len(known)} keys read in {time.perf_counter() - began:.2f} s, ", end="")
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(f"{grown / 1024:.0f} MiB more at the peak")
            bearers = Bearers([Secret("a-key-of-the-settings")], known=known)
            some = [secrets.choice(keys).value for _ in range(ASKED)]
            told(f"one of {count}", await asked(bearers, some))
            wrong = [made(0).value for _ in range(ASKED)]
            told("a wrong one", await asked(bearers, wrong))
            near = [value[:-1] + ("a" if value[-1] != "a" else "b") for value in some]
            told("one that is wrong in its last letter", await asked(bearers, near))
            told("the one of the settings", await asked(bearers, ["a-key-of-the-settings"] * ASKED))
    await of_tokens()


if __name__ == "__main__":
    asyncio.run(main())
