"""The task list from a terminal: python -m examples.task_assistant.talk

Asks the backend for a secret, and speaks with it by `antiphon talk`, which takes all other options:
microphone, --text, --file, --webrtc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from aiohttp import ClientSession

JOIN_TRIES = 50


async def talk(backend: str, options: list[str]) -> int:
    """The exit code of `antiphon talk`."""
    async with ClientSession(backend) as http:
        async with http.post("/voice", raise_for_status=True) as answer:
            visit = await answer.json()
        # In the environment: other users of this machine can read a command's arguments.
        talking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "antiphon.cli", "talk"),
            *("--keep-session", "--url", visit["url"], *options),
            env=os.environ | {"ANTIPHON_API_KEY": visit["secret"]},
        )
        joining = asyncio.create_task(_join(http, visit["id"]))
        try:
            return await talking.wait()
        finally:
            joining.cancel()


async def _join(http: ClientSession, visit: str) -> None:
    """Ask the backend in, as soon as there is a session."""
    for _ in range(JOIN_TRIES):
        async with http.post(f"/voice/{visit}/join") as answer:
            if answer.ok:
                return
        await asyncio.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.task_assistant.talk")
    parser.add_argument("--backend", default="http://localhost:8082")
    chosen, options = parser.parse_known_args()
    raise SystemExit(asyncio.run(talk(chosen.backend, options)))


if __name__ == "__main__":
    main()
