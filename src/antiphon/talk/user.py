"""The user's side: what is sent of it, and what the server makes of it."""

from __future__ import annotations

import secrets

from antiphon.audio.formats import Encoder, Format
from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.protocol.items import InputText, Message
from antiphon.talk.playback import BYTES_PER_MS


class User:
    """Attributes:
    speaks: The server hears them.
    sent_ms: How much sound was sent.
    """

    def __init__(self, audio_format: Format) -> None:
        self.speaks = False
        self.sent_ms = 0.0
        self._encoder = Encoder(audio_format)
        self._captions: dict[str, str] = {}
        self._typed = 0
        self._run = secrets.token_hex(4)
        """In a conversation that goes on, what was typed before has an id as well."""

    def sound(self, pcm: bytes) -> InputAudioBufferAppend | None:
        """24 kHz 16-bit mono as it is sent; None where it only begins a sample."""
        self.sent_ms += len(pcm) / BYTES_PER_MS
        data = self._encoder.encode(pcm)
        return InputAudioBufferAppend(audio=data) if data else None

    def typed(self, text: str) -> Message:
        self._typed += 1
        return Message(
            id=f"typed_{self._run}_{self._typed}", role="user", content=(InputText(text),)
        )

    def caption_grew(self, item_id: str, delta: str) -> str:
        """The words so far."""
        self._captions[item_id] = self._captions.get(item_id, "") + delta
        return self._captions[item_id]

    def caption_ended(self, item_id: str) -> None:
        self._captions.pop(item_id, None)
