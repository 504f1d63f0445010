"""What the assistant can do with the task list: the functions, and how they run."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from examples.task_assistant.tasks import Task, TaskError, TaskList


def declarations(tasks: TaskList) -> list[Any]:
    """The functions, with the titles of the tasks that are open now.

    The titles do more than keep a model from inventing some: recognition expects them, so a task
    can be named by voice as soon as it is on the list.
    """
    title: dict[str, Any] = {"type": "string", "description": "The task's title."}
    if titles := [task.title for task in tasks.open()]:
        title["enum"] = titles
    day = {"type": "string", "format": "date"}
    return [
        _function("list_tasks", "Tell the open tasks, of one day or all.", {"day": day}, []),
        _function(
            "create_task",
            "Put a task on the list.",
            {"title": {"type": "string"}, "due": day},
            ["title"],
        ),
        _function("complete_task", "Tick a task off.", {"title": title}, ["title"]),
    ]


def run(tasks: TaskList, name: str, arguments: str) -> dict[str, Any]:
    """Run a function; mistakes are outputs, too, for the agent to tell."""
    try:
        return _run(tasks, name, _object(arguments))
    except TaskError as error:
        return {"error": str(error)}


def _run(tasks: TaskList, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match name:
        case "list_tasks":
            day = _day(arguments.get("day"))
            found = tasks.open(day)
            return {"spoken": _told(found, day), "tasks": [task.shown() for task in found]}
        case "create_task":
            task = tasks.create(_title(arguments), _day(arguments.get("due")))
            return {"spoken": f"I have put {task.title} on your list.", "task": task.shown()}
        case "complete_task":
            task = tasks.set_done(tasks.find_open(_title(arguments)).id)
            left = len(tasks.open())
            spoken = f"{task.title} is done. {_count(left, 'task')} left."
            return {"spoken": spoken, "task": task.shown()}
        case _:
            raise TaskError(f"There is no function {name}.")


# What a model writes need not be what it was asked for.


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        raise TaskError("The arguments are not JSON.") from None
    if not isinstance(value, dict):
        raise TaskError("The arguments are not an object.")
    return value


def _title(arguments: dict[str, Any]) -> str:
    title = arguments.get("title")
    if not isinstance(title, str):
        raise TaskError("The task's title is missing.")
    return title


def _day(value: Any) -> dt.date | None:
    if value in (None, ""):
        return None
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise TaskError("A day is written as 2026-01-31.") from None


# How it sounds.


def _told(tasks: list[Task], day: dt.date | None) -> str:
    if not tasks:
        return "There is nothing left to do." if day is None else "Nothing is due by then."
    titles = [task.title[0].lower() + task.title[1:] for task in tasks]
    *first, last = titles
    listed = f"{', '.join(first)}, and {last}" if first else last
    return f"{_count(len(tasks), 'task')}: {listed}."


def _count(number: int, noun: str) -> str:
    return f"{number or 'No'} {noun}{'' if number == 1 else 's'}"


def _function(
    name: str, description: str, properties: dict[str, Any], required: list[str]
) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
    }
