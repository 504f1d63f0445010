"""Open the clinic: python -m examples.clinic_assistant"""

from __future__ import annotations

import argparse
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from aiohttp import web

from examples.clinic_assistant.accounts import Accounts
from examples.clinic_assistant.app import INSTRUCTIONS, SCRIPT, make_app
from examples.serving import voice_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.clinic_assistant")
    parser.add_argument("--port", type=int, default=8083)
    parser.add_argument("--database", type=Path, default=Path("clinic.sqlite"))
    parser.add_argument(
        "--language-model",
        action="store_true",
        help="the server answers with a language model, not with the offline script",
    )
    chosen = parser.parse_args()
    # A key of its own for each start ends all log-ins with it.
    accounts = Accounts(os.environ.get("CLINIC_JWT_KEY", secrets.token_hex(32)).encode())
    accounts.add("maria", "anemone", "Maria Weber")
    accounts.add("tom", "bluebell", "Tom Baker")
    database = sqlite3.connect(chosen.database, isolation_level=None)
    with voice_server() as server, closing(database) as db:
        instructions = INSTRUCTIONS if chosen.language_model else SCRIPT
        web.run_app(
            make_app(accounts, db, server, instructions=instructions),
            host="localhost",
            port=chosen.port,
            print=lambda *_: print(
                f"The clinic is at http://localhost:{chosen.port} (maria, anemone)"
            ),
        )


if __name__ == "__main__":
    main()
