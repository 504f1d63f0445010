"""What the user said in pieces, as one message.

Somebody pauses, an answer begins, they go on: where nothing of that answer was heard, the pieces
are one utterance, and are answered as one.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from antiphon.protocol.items import InputAudio, Item, Message


def joined(items: Iterable[Item]) -> tuple[Item, ...]:
    """``items``, with pieces that follow one another made one, under the name of the last."""
    found: list[Item] = []
    for item in items:
        if _words(item) is not None:
            while found and _is_unheard(found[-1]):
                if len(found) == 1 or _words_before(found) is None:
                    break
                found.pop()
            if found and (earlier := _words(found[-1])) is not None:
                assert isinstance(item, Message)
                item = replace(item, content=(InputAudio(_spliced(earlier, _words(item) or "")),))
                found.pop()
        found.append(item)
    return tuple(found)


def _words_before(items: list[Item]) -> str | None:
    """Of the piece that unheard answers follow."""
    return next((_words(item) for item in reversed(items) if not _is_unheard(item)), None)


def _words(item: Item) -> str | None:
    """Of a piece that was spoken; None: it is none, or not known yet."""
    if not isinstance(item, Message) or item.role != "user" or not item.content:
        return None
    texts = [part.transcript if isinstance(part, InputAudio) else None for part in item.content]
    known = [text for text in texts if isinstance(text, str)]
    return " ".join(known) if len(known) == len(texts) else None


def _is_unheard(item: Item) -> bool:
    """An answer of which no word was heard."""
    return (
        isinstance(item, Message)
        and item.role == "assistant"
        and not any(
            getattr(part, "transcript", "") or getattr(part, "text", "") for part in item.content
        )
    )


def _spliced(earlier: str, later: str) -> str:
    """A recogniser writes a full stop after half a sentence too: a comma can stand anywhere."""
    earlier, later = earlier.strip(), later.strip()
    if not earlier or not later:
        return earlier or later
    if earlier.endswith((".", "…")):
        earlier = f"{earlier.rstrip('.…')},"
    return f"{earlier} {later}"
