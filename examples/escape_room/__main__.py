"""Open the escape room: python -m examples.escape_room"""

from __future__ import annotations

import argparse

from aiohttp import web

from examples.escape_room.app import INSTRUCTIONS, SCRIPT, make_app
from examples.serving import voice_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.escape_room")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument(
        "--tool", choices=["browser", "server"], default="server", help="where the code is kept"
    )
    parser.add_argument(
        "--language-model",
        action="store_true",
        help="the server answers with a language model, not with the offline script",
    )
    chosen = parser.parse_args()
    with voice_server() as server:
        instructions = INSTRUCTIONS if chosen.language_model else SCRIPT
        app = make_app(server, tool=chosen.tool, instructions=instructions)
        web.run_app(
            app,
            host="localhost",
            port=chosen.port,
            print=lambda *_: print(f"The escape room is at http://localhost:{chosen.port}"),
        )


if __name__ == "__main__":
    main()
