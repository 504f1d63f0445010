"""The desk: a scripted agent that understands three sentences dependably, by telephone too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCRIPT = (Path(__file__).parent / "browser" / "pages" / "desk.toml").read_text(encoding="utf-8")
INSTRUCTIONS = f"#!antiphon-script\n{SCRIPT}"
SESSION: dict[str, Any] = {
    "type": "realtime",
    "instructions": INSTRUCTIONS,
    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
}

STORY, TODAY = "Tell me a story.", "Today."
"""What can be said, beside "two people"."""
BOOKING = "There is no function to book with."
"""The answer to "two people", where nobody offers `book_room`."""
