"""What patients and the assistant have said to each other, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

SCHEMA = """
create table if not exists items (
    position integer primary key,
    patient text not null,
    id text not null,
    spoken integer not null,
    item text not null,
    unique (patient, id)
)
"""
MAX_REPLAYED = 50

Item = dict[str, Any]
"""As `conversation.item.create` takes it: a message of text, a function call or its output."""


@dataclass(frozen=True)
class Saved:
    item: Item
    spoken: bool

    @property
    def text(self) -> str:
        return " ".join(part["text"] for part in self.item.get("content", ()))

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        match self.item["type"]:
            case "message":
                kind: dict[str, Any] = {"role": self.item["role"], "text": self.text}
            case "function_call":
                kind = {"name": self.item["name"]}
            case _:
                kind = {"output": self.item["output"]}
        return {"id": self.item["id"], "type": self.item["type"], "spoken": self.spoken, **kind}


class Conversations:
    """One for each patient, for as long as the clinic keeps it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute(SCHEMA)

    def put(self, patient_id: str, item: Item, *, spoken: bool) -> None:
        """Add an item, or change the words of one that is there; it stays where it was."""
        self._db.execute(
            "insert into items (patient, id, spoken, item) values (?, ?, ?, ?)"
            " on conflict (patient, id) do update set item = excluded.item",
            (patient_id, item["id"], spoken, json.dumps(item)),
        )

    def all(self, patient_id: str) -> list[Saved]:
        rows = self._db.execute(
            "select item, spoken from items where patient = ? order by position", (patient_id,)
        )
        return [Saved(json.loads(item), bool(spoken)) for item, spoken in rows]

    def to_replay(self, patient_id: str) -> list[Item]:
        """The last of them, without messages that nobody has understood or heard."""
        items = [
            saved.item
            for saved in self.all(patient_id)
            if saved.item["type"] != "message" or saved.text
        ]
        last = items[-MAX_REPLAYED:]
        # An output says nothing without its call.
        calls = {item["call_id"] for item in last if item["type"] == "function_call"}
        return [
            item
            for item in last
            if item["type"] != "function_call_output" or item["call_id"] in calls
        ]
