"""A conversation as people read it: one line for each thing that was said or done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from antiphon.journal.recall import Recalled
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item, Message


def transcript(recalled: Recalled, zone: tzinfo | None = None) -> Iterator[str]:
    """Its sessions, an empty line, its items; times are of ``zone``, or of this machine's."""
    for opened in recalled.sessions:
        yield f"{told_time(opened.at_s, zone)}  {opened.model or opened.kind} on {opened.engine}"
    yield ""
    for item in recalled.all_items:
        yield _line(item)


def told_time(at_s: float, zone: tzinfo | None = None) -> str:
    return datetime.fromtimestamp(at_s).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _line(item: Item) -> str:
    match item:
        case Message(role=role, content=content):
            words = [
                getattr(part, "text", None) or getattr(part, "transcript", None) or "(no words)"
                for part in content
            ]
            cut = " (interrupted)" if item.status == "incomplete" else ""
            return f"{role:10} {' '.join(words)}{cut}"
        case FunctionCall(name=name, arguments=arguments):
            return f"{'call':10} {name}({arguments})"
        case FunctionCallOutput(output=output):
            return f"{'result':10} {output}"
    return f"{'item':10} {item.id}"
