"""The game: a code of four digits, riddles for each of them, and a lock that counts.  Pure."""

from __future__ import annotations

import json
import random
import secrets
from itertools import cycle
from pathlib import Path
from typing import Any

DIALS = 4
RIDDLES: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "riddles.json").read_text(encoding="utf-8")
)
"""What each digit is asked for by."""

TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "riddle",
        "description": "A riddle whose answer is the digit of one dial; another one each time.",
        "parameters": {
            "type": "object",
            "properties": {"dial": {"type": "integer", "minimum": 1, "maximum": DIALS}},
            "required": ["dial"],
        },
    },
    {
        "type": "function",
        "name": "check_code",
        "description": "Turn the dials to a guess. The door opens if all four digits are right.",
        "parameters": {
            "type": "object",
            "properties": {"guess": {"type": "string", "pattern": "^[0-9]{4}$"}},
            "required": ["guess"],
        },
    },
]
"""What the puzzle master can do; all he knows of the code comes from here."""


def draw_code() -> str:
    return "".join(secrets.choice("0123456789") for _ in range(DIALS))


class Game:
    """One code of four digits, which nothing here gives away but the lock's counting."""

    def __init__(self, code: str) -> None:
        self._code = code
        # Two dials with one digit draw from one pile, so that no riddle comes back to tell.
        self._riddles = {
            digit: cycle(random.sample(RIDDLES[digit], len(RIDDLES[digit]))) for digit in set(code)
        }

    def riddle(self, dial: int) -> str:
        """Another one each time, until the digit has no more.

        Raises:
            ValueError: there is no such dial.
        """
        if not 1 <= dial <= DIALS:
            raise ValueError(f"The dials are 1 to {DIALS}.")
        return next(self._riddles[self._code[dial - 1]])

    def right_digits(self, guess: str) -> int:
        """How many digits are in their places; with all of them the door is open.

        Raises:
            ValueError: these are not four digits.
        """
        if len(guess) != DIALS or not (guess.isascii() and guess.isdigit()):
            raise ValueError(f"A guess has {DIALS} digits.")
        return sum(mine == theirs for mine, theirs in zip(guess, self._code, strict=True))

    def answer(self, tool: str, arguments: str) -> dict[str, Any]:
        """What one of `TOOLS` comes to, for the puzzle master; mistakes are answers, too."""
        try:
            match tool, json.loads(arguments):
                case "riddle", {"dial": int(dial)}:
                    return {"dial": dial, "riddle": self.riddle(dial)}
                case "check_code", {"guess": str(guess)}:
                    right = self.right_digits(guess)
                    return {"success": right == DIALS, "right": right}
                case _:
                    return {"error": f"There is no {tool} with such arguments."}
        except ValueError as mistake:
            return {"error": str(mistake)}
