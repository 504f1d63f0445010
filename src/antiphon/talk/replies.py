"""The replies on their way to the ear: sound, words, and what of them was heard."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.audio.formats import Decoder, Format
from antiphon.talk.captions import ReplyText
from antiphon.talk.playback import Playback


@dataclass
class _Reply:
    words: ReplyText
    decoder: Decoder
    sounds: bool = False
    written: bool = False
    ended: bool = False
    stale: bool = False


@dataclass(frozen=True)
class Ending:
    """How far one item was heard.

    Attributes:
        text, cut: The words heard, and those cut off.
        truncate_ms: Where the server must cut it; None when it was heard to the end, or
            when the server has no sound of it.
    """

    item_id: str
    text: str
    cut: str = ""
    content_index: int = 0
    truncate_ms: int | None = None


@dataclass
class Replies:
    playback: Playback
    audio_format: Format
    _live: dict[str, _Reply] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _last_sounding: str | None = None
    began_ms: float | None = None
    """When what is being heard began to sound."""

    @property
    def busy(self) -> bool:
        """Something is being heard, or about to be."""
        return bool(self._live)

    @property
    def sounding(self) -> str | None:
        """The last item of which some sound has been heard, or whose text is shown."""
        begun = (
            item_id
            for item_id, reply in reversed(self._live.items())
            if reply.written or self.playback.has_begun(item_id)
        )
        return next(begun, None)

    def begins_to_sound(self, now_ms: float) -> bool:
        """Whether another item has begun since this was last asked."""
        before, self._last_sounding = self._last_sounding, self.sounding
        begins = self._last_sounding is not None and self._last_sounding != before
        if begins and self.began_ms is None:
            self.began_ms = now_ms
        return begins

    def progress(self) -> tuple[str, str]:
        """Of the reply that is being heard: the words heard, and those to come."""
        item_id = self.sounding or next(iter(self._live), None)
        if item_id is None:
            return "", ""
        reply = self._live[item_id]
        if reply.written:
            return reply.words.text, ""
        cut = self.playback.progress(item_id)
        return reply.words.split(cut.heard_ms, cut.received_ms, is_complete=cut.is_complete)

    def add_sound(self, item_id: str, content_index: int, data: bytes) -> None:
        if (reply := self._get(item_id)) is not None:
            reply.sounds = True
            self.playback.put(item_id, content_index, reply.decoder.decode(data))

    def end_sound(self, item_id: str, content_index: int) -> None:
        if (reply := self._live.get(item_id)) is not None:
            self.playback.put(item_id, content_index, reply.decoder.flush())
            self.playback.end(item_id, content_index)

    def add_words(self, item_id: str, delta: str, *, written: bool = False) -> str | None:
        """The whole text so far; None for a reply that was cut."""
        if (reply := self._get(item_id)) is None:
            return None
        reply.written = written
        reply.words.add(delta, received_ms=self.playback.progress(item_id).received_ms)
        return reply.words.text

    def complete_words(self, item_id: str, text: str) -> None:
        if (reply := self._live.get(item_id)) is not None:
            reply.words.complete(text)

    def end_all(self, *, stale: bool = False) -> None:
        """Nothing more will come of these.  Stale: the server knows them no more."""
        self.playback.end_all()
        for reply in self._live.values():
            reply.ended = True
            reply.stale = reply.stale or stale

    def texts(self) -> dict[str, str]:
        return {item_id: reply.words.text for item_id, reply in self._live.items()}

    def cut(self) -> list[Ending]:
        """Stop at once; how far each item had been heard."""
        endings = self.take_heard()
        cuts = {cut.item_id: cut for cut in self.playback.stop()}
        for item_id, reply in self._live.items():
            cut = cuts.get(item_id)
            if cut is None:
                text = reply.words.text if reply.written else ""
                endings.append(Ending(item_id, text, "" if reply.written else reply.words.text))
                continue
            heard, lost = reply.words.split(
                cut.heard_ms, cut.received_ms, is_complete=cut.is_complete
            )
            truncate_ms = None if reply.stale else cut.heard_ms
            endings.append(Ending(item_id, heard, lost, cut.content_index, truncate_ms))
        self._over |= self._live.keys()
        self._live.clear()
        return endings

    def take_heard(self) -> list[Ending]:
        """Items heard to their end since the last call."""
        finished = set(self.playback.take_finished())
        finished |= {i for i, r in self._live.items() if r.ended and not r.sounds}
        endings = []
        for item_id in [i for i in self._live if i in finished]:
            reply = self._live.pop(item_id)
            text = reply.words.text
            # Words whose sound never came were not heard.
            unheard = not (reply.sounds or reply.written)
            endings.append(Ending(item_id, "" if unheard else text, text if unheard else ""))
            self._over.add(item_id)
        if not self._live:
            self.began_ms = None
        return endings

    def _get(self, item_id: str) -> _Reply | None:
        if item_id in self._over:
            return None
        return self._live.setdefault(item_id, _Reply(ReplyText(), Decoder(self.audio_format)))
