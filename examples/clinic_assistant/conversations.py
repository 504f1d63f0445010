"""Which conversation of the voice server is whose; what was said in it is kept there, not here."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any

SCHEMA = """
create table if not exists conversations (
    patient text primary key,
    end_user text not null,
    id text
)
"""


class Conversations:
    """One for each patient, for as long as the voice server keeps it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute(SCHEMA)

    def end_user_of(self, patient_id: str) -> str:
        """What the voice server calls the patient: it need not know more."""
        self._db.execute(
            "insert or ignore into conversations (patient, end_user) values (?, ?)",
            (patient_id, secrets.token_urlsafe(16)),
        )
        return str(self._field("end_user", patient_id))

    def of(self, patient_id: str) -> str | None:
        """The conversation's id; None before the first word."""
        return self._field("id", patient_id)

    def put(self, patient_id: str, conversation_id: str | None) -> None:
        self.end_user_of(patient_id)
        self._db.execute(
            "update conversations set id = ? where patient = ?", (conversation_id, patient_id)
        )

    def _field(self, name: str, patient_id: str) -> str | None:
        found = self._db.execute(
            f"select {name} from conversations where patient = ?",
            (patient_id,),
        ).fetchone()
        return None if found is None else found[0]


def shown(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The voice server's items as the page shows them."""
    return [_shown(item) for item in items if item.get("role") != "system"]


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    kept = {"id": item["id"], "type": item["type"]}
    match item["type"]:
        case "message":
            parts = item["content"]
            words = (part.get("text") or part.get("transcript") or "" for part in parts)
            kept["role"] = item["role"]
            kept["text"] = " ".join(word.strip() for word in words)
            kept["spoken"] = any("audio" in part["type"] for part in parts)
        case "function_call":
            kept["name"] = item["name"]
        case "function_call_output":
            kept["output"] = item["output"]
    return kept
