"""Open the escape room: python -m examples.escape_room"""

from __future__ import annotations

from examples.escape_room.app import INSTRUCTIONS, SCRIPT, make_app
from examples.serving import options, run, voice_server


def main() -> None:
    parser = options("escape_room", port=8081)
    parser.add_argument(
        "--tool", choices=["browser", "server"], default="server", help="where the code is kept"
    )
    chosen = parser.parse_args()
    with voice_server() as server:
        instructions = INSTRUCTIONS if chosen.language_model else SCRIPT
        app = make_app(server, tool=chosen.tool, instructions=instructions)
        run(app, chosen.port, "The escape room")


if __name__ == "__main__":
    main()
