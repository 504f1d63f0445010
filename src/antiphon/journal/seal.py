"""What was said is sealed under a data key of its conversation's own, so that it is gone with it.

AES-256-GCM.  A sealed entry is bound to its conversation and its place: one that was changed or
moved is not believed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antiphon.journal.entries import JournalError

NONCE_BYTES: Final = 12
"""Random ones: a key seals some thousand entries, and 2³² are safe (NIST SP 800-38D, 8.3)."""


def new_key() -> bytes:
    return AESGCM.generate_key(bit_length=256)


class Seal:
    """Of one conversation."""

    def __init__(self, conversation_id: str, key: bytes) -> None:
        self._id = conversation_id.encode()
        self._cipher = AESGCM(key)

    def close(self, data: bytes, place: int) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, self._bound(place))

    def open(self, sealed: bytes, place: int) -> bytes:
        """Raises:
        JournalError: it was changed, or moved.
        """
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, self._bound(place))
        except (InvalidTag, ValueError):  # The latter: it is too short.
            raise JournalError("its seal is broken") from None

    def _bound(self, place: int) -> bytes:
        return self._id + place.to_bytes(8, "little")


SOUND_PLACES: Final = 1 << 40
"""Sound is counted from here on, beside the other entries of its conversation."""


@dataclass
class Places:
    """Where the last entries of a conversation are; 0: there is none."""

    last: int
    last_of_all: int

    def next(self, *, apart: bool) -> int:
        if apart:
            self.last_of_all = max(self.last_of_all, SOUND_PLACES) + 1
            return self.last_of_all
        self.last += 1
        self.last_of_all = max(self.last_of_all, self.last)
        return self.last
