"""Open the task list: python -m examples.task_assistant"""

from __future__ import annotations

import argparse
import datetime as dt
from contextlib import closing
from pathlib import Path

from aiohttp import web

from examples.serving import voice_server
from examples.task_assistant.app import INSTRUCTIONS, SCRIPT, make_app
from examples.task_assistant.tasks import TaskList, add_samples


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.task_assistant")
    parser.add_argument("--port", type=int, default=8082)
    parser.add_argument("--database", type=Path, default=Path("tasks.sqlite"))
    parser.add_argument(
        "--language-model",
        action="store_true",
        help="the server answers with a language model, not with the offline script",
    )
    chosen = parser.parse_args()
    with voice_server() as server, closing(TaskList(chosen.database)) as tasks:
        add_samples(tasks, dt.datetime.now().astimezone().date())
        instructions = INSTRUCTIONS if chosen.language_model else SCRIPT
        web.run_app(
            make_app(tasks, server, instructions=instructions),
            host="localhost",
            port=chosen.port,
            print=lambda *_: print(f"The task list is at http://localhost:{chosen.port}"),
        )


if __name__ == "__main__":
    main()
