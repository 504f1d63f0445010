"""Open the task list: python -m examples.task_assistant"""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from pathlib import Path

from examples.serving import options, run, voice_server
from examples.task_assistant.app import INSTRUCTIONS, SCRIPT, make_app
from examples.task_assistant.tasks import TaskList, add_samples


def main() -> None:
    parser = options("task_assistant", port=8082)
    parser.add_argument("--database", type=Path, default=Path("tasks.sqlite"))
    chosen = parser.parse_args()
    with voice_server() as server, closing(TaskList(chosen.database)) as tasks:
        add_samples(tasks, dt.datetime.now().astimezone().date())
        instructions = INSTRUCTIONS if chosen.language_model else SCRIPT
        app = make_app(tasks, server, instructions=instructions)
        run(app, chosen.port, "The task list")


if __name__ == "__main__":
    main()
