"""Open the clinic: python -m examples.clinic_assistant"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from examples.clinic_assistant.accounts import Accounts
from examples.clinic_assistant.app import INSTRUCTIONS, SCRIPT, make_app
from examples.serving import options, run, voice_server


def main() -> None:
    parser = options("clinic_assistant", port=8083)
    parser.add_argument("--database", type=Path, default=Path("clinic.sqlite"))
    chosen = parser.parse_args()
    # A key of its own for each start ends all log-ins with it.
    accounts = Accounts(os.environ.get("CLINIC_JWT_KEY", secrets.token_hex(32)).encode())
    accounts.add("maria", "anemone", "Maria Weber")
    accounts.add("tom", "bluebell", "Tom Baker")
    database = sqlite3.connect(chosen.database, isolation_level=None)
    with voice_server() as server, closing(database) as db:
        instructions = INSTRUCTIONS if chosen.language_model else SCRIPT
        app = make_app(accounts, db, server, instructions=instructions)
        run(app, chosen.port, "The clinic (maria, anemone)")


if __name__ == "__main__":
    main()
