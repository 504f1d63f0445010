"""What the upstream's conversation holds, beside what ours does.

Items that we made have our ids there too.  Those that the upstream made (answers, turns it
committed) have its ids; the core tells ours for them.  Before each answer `Mirror.align` writes
what the upstream lacks: items to create, to delete and to cut at what was heard.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from msgspec import UNSET
from msgspec.structs import replace as with_fields

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.relay.pace import Pace, Speech
from antiphon.protocol.client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
)
from antiphon.protocol.items import (
    AnyContent,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputItem,
    InputText,
    Item,
    ItemReference,
    Message,
    OutputAudio,
    OutputText,
)

MAX_ID_CHARACTERS = 32
INAUDIBLE = "(inaudible)"
"""Stands for a user's words that nobody knows any more."""

Kind = Literal["given", "turn", "spoken", "written", "called"]


@dataclass(eq=False, slots=True)
class Held:
    """An item of the upstream's conversation, or one that is on its way there."""

    kind: Kind
    """Who made it: a client, the user's voice, or an answer: aloud, in text, as a call."""
    upstream_ids: list[str] = field(default_factory=list)
    """None yet where it is on its way; several where we show as one what are several there."""
    our_id: str | None = None
    item: Item | None = None
    """As our conversation showed it last."""
    text: str = ""
    """What we told of it; of a turn, its transcript."""
    speech: Speech | None = None
    """Where the upstream has its sound."""
    cut_samples: int | None = None
    """How much of its sound was heard, where the upstream does not know that yet."""
    has_more: bool = False
    """The upstream has more of it than we told."""
    told: bool = True
    """False: nothing of it was told, so it is not in our conversation."""
    settled: bool = True
    """False: our conversation may not know it yet, so that it lacks it says nothing."""
    on_its_way: bool = False
    """It was committed, and has no id yet."""
    unwanted: bool = False
    """It goes as soon as it has an id."""


class Mirror:
    """Args:
    audio_of: What a turn of ours sounded like, where that is still kept.
    pace: Of the voice that answers.
    """

    def __init__(self, audio_of: Callable[[str], bytes | None], pace: Pace) -> None:
        self._audio_of = audio_of
        self.pace = pace
        self._entries: list[Held] = []
        self._numbers = itertools.count(1)
        self.call_ids: dict[str, str] = {}
        """The upstream's ids of calls, by ours, where ours could not be the same."""
        self.version = 0
        """Grows with each change."""

    # --- What the upstream does ----------------------------------------------

    def add(self, held: Held) -> Held:
        self._entries.append(held)
        self.version += 1
        return held

    def knows(self, upstream_id: str) -> bool:
        return any(upstream_id in held.upstream_ids for held in self._entries)

    def by_our_id(self, our_id: str) -> Held | None:
        # Nearly always one of the last.
        return next((held for held in reversed(self._entries) if held.our_id == our_id), None)

    def name(self, held: Held, upstream_id: str, out: list[ClientEvent]) -> None:
        """It has arrived there, under that id."""
        held.upstream_ids, held.on_its_way = [upstream_id], False
        self.version += 1
        if held.unwanted:
            self._delete(held, out)

    def drop(self, held: Held) -> None:
        """The upstream never had it."""
        if held in self._entries:
            self._entries.remove(held)
            self.version += 1

    # --- What our conversation does ------------------------------------------

    def follow(self, item: Item, previous_item_id: str | None, out: list[ClientEvent]) -> None:
        """A client made an item: the upstream is to have it too."""
        if self.by_our_id(item.id or "") is not None:
            return
        previous = None if previous_item_id is None else self.by_our_id(previous_item_id)
        at = len(self._entries)
        if previous is not None:
            at = self._after(previous)
        elif previous_item_id is None:
            at = 0
        held = Held("given", our_id=item.id or None, item=item, text=_words(item))
        self._put(held, self._given(item), at, out)

    def remove(self, our_id: str, out: list[ClientEvent]) -> None:
        held = self.by_our_id(our_id)
        if held is not None:
            self._delete(held, out)

    def cut(self, item: Item, audio_end_ms: int) -> Held | None:
        """No more was heard of an answer.  Returns it, where the upstream has more of it."""
        held = self.by_our_id(item.id or "")
        if held is None or held.speech is None:
            return None
        samples = audio_end_ms * MEDIA_RATE_HZ // 1000
        if samples >= held.speech.samples and held.settled and not held.has_more:
            return None
        held.item, held.cut_samples = item, samples
        return held

    def mend(self, held: Held, out: list[ClientEvent]) -> None:
        """Cut an answer there as it was cut here."""
        if held.item is not None:
            self._mend(held, held.item, out)

    def align(self, items: Sequence[Item], out: list[ClientEvent]) -> None:
        """Make the upstream's conversation the one that ``items`` are."""
        named = {held.our_id: held for held in self._entries if held.our_id is not None}
        pairs = [(item, self._find(item, named)) for item in items]
        kept = {id(held) for _, held in pairs}
        for held in list(self._entries):
            if id(held) not in kept and held.settled:
                self._delete(held, out)
        stray = self._out_of_place([held for _, held in pairs if held is not None])
        before: Held | None = None
        for item, known in pairs:
            if known is None:
                held = Held("given", our_id=item.id or None, item=item, text=_words(item))
                self._put(held, self._given(item), self._after(before), out)
                before = held
            elif id(known) in stray:
                self._delete(known, out)
                before = self._put_anew(known, item, self._after(before), out)
            else:
                before = self._mend(known, item, out)

    def are_there(self, items: Sequence[Item]) -> bool:
        """Whether the upstream has names for all of them that it has to make itself."""
        helds = (None if item.id is UNSET else self.by_our_id(item.id) for item in items)
        return not any(held is not None and held.on_its_way for held in helds)

    def references(self, items: Sequence[Item]) -> tuple[InputItem, ...]:
        """Items to be put into a request of their own: the user's voice by its name there."""
        references: list[InputItem] = []
        for item in items:
            held = None if item.id is UNSET else self.by_our_id(item.id)
            if held is not None and held.kind == "turn" and held.upstream_ids:
                references.append(ItemReference(id=held.upstream_ids[0]))
            elif not _says_nothing(given := self._given(item)):
                references.append(with_fields(given, id=UNSET))
        return tuple(references)

    def _find(self, item: Item, named: Mapping[str, Held]) -> Held | None:
        assert item.id is not UNSET, "items of a conversation have ids"
        known = named.get(item.id)
        if known is not None:
            known.settled = True
            known.item = item
        return known

    def _out_of_place(self, helds: Sequence[Held]) -> set[int]:
        """Those without which the rest stands in our order: as few as may be, by their `id`."""
        places = {id(held): at for at, held in enumerate(self._entries)}
        rows = [(places[id(held)], held) for held in helds if not held.on_its_way]
        if all(one[0] < other[0] for one, other in itertools.pairwise(rows)):
            return set()
        # The longest row that only goes up: of each length, the one that ends lowest.
        ends: list[int] = []
        last: list[int] = []
        previous: list[int | None] = []
        for number, (place, _) in enumerate(rows):
            length = bisect_left(ends, place)
            previous.append(last[length - 1] if length else None)
            ends[length:] = [place, *ends[length + 1 :]]
            last[length:] = [number, *last[length + 1 :]]
        stray = {id(held) for _, held in rows}
        at: int | None = last[-1]
        while at is not None:
            stray.discard(id(rows[at][1]))
            at = previous[at]
        return stray

    def _after(self, before: Held | None) -> int:
        return 0 if before is None else self._entries.index(before) + 1

    def _put_anew(self, held: Held, item: Item, at: int, out: list[ClientEvent]) -> Held:
        """Write an item that was there before, as it is now."""
        anew = Held("given", our_id=held.our_id, item=item, text=_words(item))
        self._put(anew, with_fields(self._given(item), id=self._fresh_id(item.id or "")), at, out)
        return anew

    def _put(self, held: Held, given: Item, at: int, out: list[ClientEvent]) -> None:
        """Write an item that is to stand at a place."""
        previous = self._previous_id(at)
        self._entries.insert(at, held)
        self.version += 1
        if _says_nothing(given):
            return
        assert isinstance(given.id, str), "it was given one"
        held.upstream_ids = [given.id]
        out.append(
            ConversationItemCreate(
                event_id=f"item:{given.id}", item=given, previous_item_id=previous
            )
        )

    def _previous_id(self, at: int) -> str | None:
        """What stands before a place; None: it is the end, or before one that has no id yet."""
        if not any(held.upstream_ids or held.on_its_way for held in self._entries[at:]):
            return None
        for held in reversed(self._entries[:at]):
            if held.on_its_way:
                return None
            if held.upstream_ids:
                return held.upstream_ids[-1]
        return "root"

    def _mend(self, held: Held, item: Item, out: list[ClientEvent]) -> Held:
        """What our conversation keeps of an answer may be less than what the upstream said.

        Returns what stands there now.
        """
        if not isinstance(item, Message):
            return held
        words = _words(item)
        if held.kind == "turn":
            is_whole = len(item.content) == 1  # Else a client's, with text beside the sound.
        else:
            is_whole = item.role != "assistant" or (
                words == held.text and not held.has_more and held.cut_samples is None
            )
        if is_whole:
            return held
        if held.speech is None or len(held.upstream_ids) != 1:
            at = self._entries.index(held)
            self._delete(held, out)
            return self._put_anew(held, item, at, out)
        samples = held.speech.samples
        if held.cut_samples is not None:
            samples = min(samples, held.cut_samples)
        elif words != held.text:
            samples = held.speech.heard_samples(words)
        [upstream_id] = held.upstream_ids
        out.append(
            ConversationItemTruncate(
                event_id=f"cut:{upstream_id}",
                item_id=upstream_id,
                audio_end_ms=samples * 1000 // MEDIA_RATE_HZ,
            )
        )
        held.text, held.has_more, held.cut_samples = words, False, None
        self.version += 1
        return held

    def _delete(self, held: Held, out: list[ClientEvent]) -> None:
        self.version += 1
        if held in self._entries:
            self._entries.remove(held)
        if held.on_its_way:
            held.unwanted = True
            return
        for upstream_id in held.upstream_ids:
            out.append(
                ConversationItemDelete(event_id=f"delete:{upstream_id}", item_id=upstream_id)
            )
        held.upstream_ids = []

    def _fresh_id(self, our_id: str) -> str:
        """Of something that was there before, under that id."""
        number = f"_{next(self._numbers)}"
        return our_id[: MAX_ID_CHARACTERS - len(number)] + number

    # --- Anew, in another session of the upstream ------------------------------

    def rebuilt(self, out: list[ClientEvent], *, commit: Callable[[Held], bool]) -> Mirror:
        """The same conversation, written to an upstream that knows nothing.

        What was spoken is told in words: the user's, but for turns whose audio is kept; the
        assistant's as far as they were heard.

        ``commit`` is asked for each turn: whether it sends it as audio, to be transcribed.
        """
        mirror = Mirror(self._audio_of, self.pace)
        mirror._numbers, mirror.version = self._numbers, self.version + 1
        for held in self._entries:
            if held.unwanted or not held.told or (held.kind == "turn" and held.our_id is None):
                continue
            copy = replace(held, upstream_ids=[], speech=None, has_more=False, on_its_way=False)
            if held.kind == "turn" and commit(copy):
                copy.on_its_way = True
                mirror._entries.append(copy)
                continue
            item = self._again(held)
            if item is not None:
                mirror._put(copy, item, len(mirror._entries), out)
        return mirror

    def _again(self, held: Held) -> Item | None:
        """An item as it is created anew; None: nothing is known of it."""
        our_id = held.our_id or self._fresh_id("item_again")
        match held.kind:
            case "turn":
                heard = InputAudio(held.text or None)
                return self._given(Message(id=our_id, role="user", content=(heard,)))
            case "spoken" | "written":
                said = OutputText(held.text)
                return Message(id=our_id, role="assistant", content=(said,))
            case _ if held.item is not None:
                return with_fields(self._given(held.item), id=our_id)
            case _:
                return None

    def _given(self, item: Item) -> Item:
        """An item as an upstream takes it from a client."""
        if isinstance(item, FunctionCallOutput):
            call_id = self.call_ids.get(item.call_id, item.call_id)
            return with_fields(item, status=UNSET, call_id=call_id)
        if isinstance(item, FunctionCall):
            return with_fields(item, status=UNSET)
        content: list[AnyContent] = []
        for part in item.content:
            match part:
                case OutputAudio(transcript, _):
                    content.append(OutputText(transcript or ""))
                case InputAudio(transcript, _):
                    audio = self._audio_of(item.id or "")
                    content.append(
                        InputAudio(None, audio)
                        if audio
                        else InputText(INAUDIBLE if transcript is None else transcript)
                    )
                case _:
                    content.append(part)
        return with_fields(item, status=UNSET, content=tuple(content))


def _words(item: Item) -> str:
    """What an assistant's message says."""
    if not isinstance(item, Message):
        return ""
    words = []
    for part in item.content:
        match part:
            case OutputAudio(transcript, _):
                words.append(transcript or "")
            case OutputText(text) | InputText(text):
                words.append(text)
    return "".join(words)


def _says_nothing(item: Item) -> bool:
    """A message of the assistant of which nothing was heard: no upstream takes an empty one."""
    is_answer = isinstance(item, Message) and item.role == "assistant"
    return is_answer and not _words(item).strip()
