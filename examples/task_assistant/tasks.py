"""A task list in SQLite, which tells whoever watches that it has changed."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
create table if not exists tasks (
    id integer primary key,
    title text not null,
    due text,
    done integer not null default 0
)
"""
MAX_TITLE_LENGTH = 200


class TaskError(Exception):
    """What was asked of the list cannot be done; the message is for people."""


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    due: dt.date | None
    done: bool

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.id,
            "title": self.title,
            "due": self.due and self.due.isoformat(),
            "done": self.done,
        }


class TaskList:
    """The tasks of one person.

    Args:
        path: of the database; None keeps it in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.execute(SCHEMA)
        self._watchers: set[asyncio.Event] = set()

    def close(self) -> None:
        self._db.close()

    # What there is.

    def all(self) -> list[Task]:
        """Open ones first, and what is due soonest first."""
        return self._select("order by done, due is null, due, id")

    def open(self, due: dt.date | None = None) -> list[Task]:
        """What is left to do; on a day: with what is overdue by then."""
        if due is None:
            return self._select("where not done order by due is null, due, id")
        return self._select("where not done and due <= ? order by due, id", due.isoformat())

    def get(self, task_id: int) -> Task:
        """Raises: TaskError."""
        found = self._select("where id = ?", task_id)
        if not found:
            raise TaskError("There is no such task.")
        return found[0]

    def find_open(self, title: str) -> Task:
        """By its title, without regard to case and to a full stop. Raises: TaskError."""
        wanted = _plain(title)
        for task in self.open():
            if _plain(task.title) == wanted:
                return task
        raise TaskError(f"There is no open task called {title.strip()}.")

    # What changes it.

    def create(self, title: str, due: dt.date | None = None) -> Task:
        """Raises: TaskError."""
        title = " ".join(title.split()).rstrip(".")
        if not title:
            raise TaskError("A task needs a title.")
        if len(title) > MAX_TITLE_LENGTH:
            raise TaskError(f"A title has at most {MAX_TITLE_LENGTH} characters.")
        title = title[0].upper() + title[1:]
        added = self._db.execute(
            "insert into tasks (title, due) values (?, ?)", (title, due and due.isoformat())
        )
        self._changed()
        assert added.lastrowid is not None
        return self.get(added.lastrowid)

    def set_done(self, task_id: int, done: bool = True) -> Task:
        """Raises: TaskError."""
        self.get(task_id)
        self._db.execute("update tasks set done = ? where id = ?", (done, task_id))
        self._changed()
        return self.get(task_id)

    # Who watches.

    async def watch(self) -> AsyncIterator[list[Task]]:
        """All tasks, now and after each change; changes in quick succession may be one."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            while True:
                changed.clear()
                yield self.all()
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    def _select(self, rest: str, *values: object) -> list[Task]:
        rows = self._db.execute(f"select id, title, due, done from tasks {rest}", values)
        return [
            Task(task_id, title, dt.date.fromisoformat(due) if due else None, bool(done))
            for task_id, title, due, done in rows
        ]


def _plain(title: str) -> str:
    return " ".join(title.casefold().rstrip(".").split())


def add_samples(tasks: TaskList, today: dt.date) -> None:
    """Something to talk about, where the list is empty."""
    if tasks.all():
        return
    tasks.create("Book a room", today)
    tasks.create("Mend the coat", today)
    tasks.create("Call the billing department", today + dt.timedelta(days=1))
    tasks.set_done(tasks.create("Water the plants", today).id)
