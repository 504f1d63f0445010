"""The clinic's calendar, and the functions by which the assistant reads and fills it."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable
from typing import Any

SCHEMA = """
create table if not exists appointments (
    at text primary key,
    patient text not null
)
"""
OPENS, CLOSES = dt.time(9), dt.time(17)
VISIT = dt.timedelta(minutes=30)

DAY = {"type": "string", "format": "date"}
TIME = {"type": "string", "description": "As 14:30."}
TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "free_times",
        "description": "The times of a day that are free.",
        "parameters": {"type": "object", "properties": {"day": DAY}, "required": ["day"]},
    },
    {
        "type": "function",
        "name": "book_appointment",
        "description": "Book an appointment for the patient who speaks.",
        "parameters": {
            "type": "object",
            "properties": {"day": DAY, "time": TIME},
            "required": ["day", "time"],
        },
    },
    {
        "type": "function",
        "name": "my_appointments",
        "description": "The appointments of the patient who speaks.",
        "parameters": {"type": "object", "properties": {}},
    },
]


class AppointmentError(Exception):
    """What was asked for cannot be; the message is for people."""


class Appointments:
    """Args: now: gives the time at the clinic."""

    def __init__(self, db: sqlite3.Connection, now: Callable[[], dt.datetime]) -> None:
        self._db = db
        self._now = now
        db.execute(SCHEMA)

    def free(self, day: dt.date) -> list[dt.time]:
        taken = {at for (at,) in self._db.execute("select at from appointments")}
        return [
            at.time() for at in _visits(day) if at > self._now() and at.isoformat() not in taken
        ]

    def of(self, patient_id: str) -> list[dt.datetime]:
        """Those to come."""
        rows = self._db.execute(
            "select at from appointments where patient = ? order by at", (patient_id,)
        )
        all_of_them = [dt.datetime.fromisoformat(at) for (at,) in rows]
        return [at for at in all_of_them if at > self._now()]

    def book(self, patient_id: str, at: dt.datetime) -> None:
        """Raises: AppointmentError."""
        if at not in _visits(at.date()):
            raise AppointmentError("We see patients each half hour from nine to five.")
        if at <= self._now():
            raise AppointmentError("That is past.")
        try:
            self._db.execute("insert into appointments values (?, ?)", (at.isoformat(), patient_id))
        except sqlite3.IntegrityError:
            raise AppointmentError(f"{spoken_time(at.time())} is taken.") from None

    def run(self, patient_id: str, name: str, arguments: str) -> dict[str, Any]:
        """Run one of `TOOLS`; mistakes are outputs, too, for the assistant to tell."""
        try:
            return self._run(patient_id, name, json.loads(arguments))
        except AppointmentError as error:
            return {"error": str(error)}
        except (ValueError, TypeError, KeyError):
            return {"error": "A day is written as 2026-01-31, a time as 14:30."}

    def _run(self, patient_id: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
        match name:
            case "free_times":
                free = self.free(dt.date.fromisoformat(given["day"]))
                if not free:
                    raise AppointmentError("Nothing is free on that day.")
                times = [f"{time:%H:%M}" for time in free]
                first, last = spoken_time(free[0]), spoken_time(free[-1])
                return {"free": times, "spoken": f"We have times from {first} to {last}"}
            case "book_appointment":
                time = dt.time.fromisoformat(given["time"])
                at = dt.datetime.combine(dt.date.fromisoformat(given["day"]), time)
                self.book(patient_id, at)
                return {"booked": at.isoformat(), "spoken": f"We expect you {spoken(at)}"}
            case "my_appointments":
                booked = self.of(patient_id)
                told = f"You have an appointment {', and one '.join(spoken(at) for at in booked)}"
                return {
                    "appointments": [at.isoformat() for at in booked],
                    "spoken": told if booked else "You have no appointment.",
                }
            case _:
                raise AppointmentError(f"There is no function {name}.")


def _visits(day: dt.date) -> list[dt.datetime]:
    at, end = dt.datetime.combine(day, OPENS), dt.datetime.combine(day, CLOSES)
    return [at + number * VISIT for number in range((end - at) // VISIT)]


def spoken(at: dt.datetime) -> str:
    return f"on {at:%A}, {at:%B} {at.day}, at {spoken_time(at.time())}"


def spoken_time(time: dt.time) -> str:
    """Its last point ends a sentence, too."""
    hour = time.hour % 12 or 12
    minutes = f":{time.minute:02}" if time.minute else ""
    return f"{hour}{minutes} {'p.m.' if time.hour >= 12 else 'a.m.'}"
