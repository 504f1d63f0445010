"""What a session's events say of the conversation, put into the shape in which it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from openai.resources.realtime.realtime import AsyncRealtimeConnection

from examples.clinic_assistant.conversations import Item


async def replay(sideband: AsyncRealtimeConnection, items: Sequence[Item]) -> None:
    """Give a session its history.

    By the old ids: where a client that was cut off has already told them, the server refuses the
    second, and says so to us alone.
    """
    previous = "root"
    for item in items:
        known: Any = item
        await sideband.conversation.item.create(item=known, previous_item_id=previous)
        previous = item["id"]


class Transcript:
    """Follows a session, and hands on each item as it is known.

    Args:
        put: gets an item, and whether it was spoken; again, when more of it is known.
    """

    def __init__(self, put: Callable[[Item, bool], None]) -> None:
        self._put = put

    async def note(self, sideband: AsyncRealtimeConnection, event: Any) -> None:
        match event.type:
            case "conversation.item.done" | "conversation.item.retrieved":
                self._put_item(event.item)
            case "conversation.item.input_audio_transcription.completed":
                self._put(_message(event.item_id, "user", event.transcript), True)
            case "conversation.item.truncated":
                # The patient interrupted: what is kept is what was heard.
                await sideband.conversation.item.retrieve(item_id=event.item_id)

    def _put_item(self, item: Any) -> None:
        match item.type:
            case "message" if item.role in ("user", "assistant"):
                parts = item.content or ()
                text = " ".join(
                    part.text or getattr(part, "transcript", None) or "" for part in parts
                )
                spoken = any("audio" in part.type for part in parts)
                self._put(_message(item.id, item.role, text), spoken)
            case "function_call" | "function_call_output":
                kept = item.to_dict()
                fields = ("id", "type", "call_id", "name", "arguments", "output")
                self._put({name: kept[name] for name in fields if name in kept}, False)


def _message(item_id: str, role: str, text: str) -> Item:
    """Without words it only keeps its place."""
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text.strip()}] if text.strip() else []
    return {"id": item_id, "type": "message", "role": role, "content": content}
