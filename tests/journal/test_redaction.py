"""What is taken out before anything is written."""

from __future__ import annotations

import re

import pytest

from antiphon.core.causes import Word
from antiphon.core.items import MessageEntry, SpokenPart, TextPart
from antiphon.core.records import Change, ItemChanged, SessionChanged
from antiphon.errors import ConfigurationError
from antiphon.journal.entries import Changed
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.redaction import FAILED, redacted
from antiphon.protocol.session import Session
from antiphon.server.keeping import make_keeping
from antiphon.server.settings import Config, JournalSettings
from tests.journal.logs import whole_log
from tests.server.place import HELLO, places
from tests.server.test_conversations import PATH, gone, says

NUMBER = re.compile(r"\d{4,}")


def redact(text: str) -> str:
    return NUMBER.sub("#", text)


def message(*parts: TextPart | SpokenPart) -> ItemChanged:
    return ItemChanged(MessageEntry("item_1", "assistant", parts=list(parts)))


def test_every_text_passes_and_nothing_else() -> None:
    change = message(TextPart("output_text", "Card 4111111111111111, item_1."))
    found = redacted(change, redact)
    assert found == message(TextPart("output_text", "Card #, item_1."))
    session = Session(id="sess_123456", model="m", expires_at=123456, instructions="PIN 98765")
    kept = redacted(SessionChanged(session, "conv_123456"), redact)
    assert isinstance(kept, SessionChanged)
    assert isinstance(kept.session, Session)
    assert (kept.session.id, kept.conversation_id) == ("sess_123456", "conv_123456")
    assert kept.session.instructions == "PIN #"


@pytest.mark.parametrize(
    "change", [entry.change for entry in whole_log() if isinstance(entry, Changed)], ids=repr
)
def test_what_needs_no_redaction_stays_as_it_is(change: Change) -> None:
    assert redacted(change, lambda text: text) == change


def test_places_of_words_go_where_the_words_are_others() -> None:
    part = SpokenPart("Say 4711 now.", samples=9_000, words=[Word(3, 1_000), Word(8, 5_000)])
    found = redacted(message(part), redact)
    assert found == message(SpokenPart("Say # now.", samples=9_000))
    quiet = SpokenPart("Say so.", samples=9_000, words=[Word(3, 1_000)])
    assert redacted(message(quiet), redact) == message(quiet)


@pytest.mark.parametrize("broken", [lambda text: 1 // 0, lambda text: None])
def test_a_hook_that_fails_keeps_nothing_of_the_text(
    broken: object, caplog: pytest.LogCaptureFixture
) -> None:
    found = redacted(message(TextPart("output_text", "swordfish")), broken)  # type: ignore[arg-type]
    assert found == message(TextPart("output_text", FAILED))
    assert "redaction failed" in caplog.text
    assert "swordfish" not in caplog.text


async def test_a_session_is_kept_redacted() -> None:
    journal = MemoryJournal()
    settings = JournalSettings(redact=f"{__name__}:redact")
    async with places(HELLO, journal=journal, journal_settings=settings) as place:
        ws = await place.join()
        name = (await says(ws, "My PIN is 98765."))["conversation_id"]
        await ws.close()
        await gone(place)
        told = await place.ask("GET", f"{PATH}/{name}")
        assert told.body["items"][0]["content"][0]["text"] == "My PIN is #."


@pytest.mark.parametrize("name", ["no_such:redact", f"{__name__}:absent", f"{__name__}:NUMBER"])
def test_a_hook_that_is_not_there_is_the_operators_mistake(name: str) -> None:
    config = Config(journal=JournalSettings(redact=name))
    with pytest.raises(ConfigurationError, match="redact"):
        make_keeping(config, MemoryJournal())
