"""What is written down, and that it stays readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.core.items import HeardPart, MessageEntry
from antiphon.core.records import (
    EngineChanged,
    ItemChanged,
    ItemDeleted,
    ServerCall,
    ServerCallChanged,
)
from antiphon.journal.entries import (
    Changed,
    JournalError,
    Missed,
    Opened,
    decode,
    encode,
    without_audio,
)
from antiphon.journal.recall import NO_ANSWER, Move, Recalled
from antiphon.protocol.items import Message
from tests.journal.logs import WORDS, changed, later_log, opened, said, timed, whole_log

DATA = Path(__file__).parent.parent / "data" / "journal"


def read_fixture(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def test_format_1_is_read_as_it_was_meant() -> None:
    assert [decode(data) for data in read_fixture(DATA / "format_1.entries")] == whole_log()


def test_format_2_is_that_of_what_format_1_has_not() -> None:
    assert [decode(data) for data in read_fixture(DATA / "format_2.entries")] == later_log()
    assert {encode(entry)[0] for entry in later_log()} == {2}
    assert {encode(entry)[0] for entry in whole_log()} == {1}, "older servers read the rest"


def test_a_log_tells_where_the_time_of_its_turns_went() -> None:
    recalled = Recalled([*whole_log(), timed()])
    assert recalled.whole
    assert [timeline.duration_ms for timeline in recalled.timelines] == [800]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "format none"),
        (b"\x03abc", "format 3; this version reads 1 to 2"),
        (b"\x01abc", "cannot be read"),
        (encode(opened())[:-3], "cannot be read"),
    ],
)
def test_what_is_no_entry_is_told_apart(data: bytes, problem: str) -> None:
    with pytest.raises(JournalError, match=problem):
        decode(data)


def test_sound_is_left_out_and_its_length_stays() -> None:
    part = HeardPart("Hello.", pcm=bytearray(200), samples=100)
    change = ItemChanged(MessageEntry("a", "user", parts=[part]))
    kept = without_audio(change)
    assert isinstance(kept.item, MessageEntry)
    assert kept.item.parts == [HeardPart("Hello.", samples=100)]
    assert len(part.pcm) == 200, "others look on"


def test_what_has_no_sound_is_not_copied() -> None:
    change = said("a").change
    assert without_audio(change) is change


# --- Read again --------------------------------------------------------------


def test_a_log_recalls_items_responses_and_sessions() -> None:
    recalled = Recalled(whole_log())
    assert recalled.whole
    assert [item.id for item in recalled.items] == ["item_1", "item_2", "item_4"]
    assert [response.id for response in recalled.responses] == ["resp_1"]
    assert [session.model for session in recalled.sessions] == ["gpt-realtime"]
    assert recalled.used.total_tokens == 3


def test_what_was_under_way_is_incomplete_and_its_words_will_not_come() -> None:
    heard = HeardPart(samples=100, awaits_transcript=True)
    entry = MessageEntry("a", "user", "in_progress", [heard])
    past = Recalled([changed(ItemChanged(entry))]).past
    [item] = past.items
    assert isinstance(item, MessageEntry)
    assert item.status == "incomplete"
    assert item.parts == [HeardPart(samples=100)]


def test_a_new_session_may_choose_its_voice() -> None:
    assert Recalled(whole_log()).past.voice_heard is False


def test_a_log_with_gaps_tells_what_it_has() -> None:
    log = [said("a"), said("c", after="b"), changed(ItemDeleted("d")), said("e", after="c")]
    recalled = Recalled(log)
    assert not recalled.whole
    assert [item.id for item in recalled.items] == ["a", "c", "e"]


def test_it_goes_on_over_sessions() -> None:
    log: list[Changed] = [said("a"), said("b", after="a")]
    again = Recalled([opened(), *log, opened(session_id="sess_2"), said("c", after="b")])
    assert [session.session_id for session in again.sessions] == ["sess_1", "sess_2"]
    assert all(isinstance(item, Message) and WORDS in str(item) for item in again.items)
    assert len(again.items) == 3


def test_a_log_says_where_something_was_missed() -> None:
    missed = Missed(at_s=1, session_id="sess_1")
    recalled = Recalled([opened(), said("a"), decode(encode(missed)), said("b", after="a")])
    assert not recalled.whole
    assert [item.id for item in recalled.items] == ["a", "b"]


def test_a_move_is_told_with_its_time() -> None:
    recalled = Recalled([opened(), said("a"), changed(EngineChanged("other", "gone"), at_s=7)])
    assert recalled.moves == [Move(7, "sess_1", "other", "gone")]


def test_what_the_server_carried_out_stands_where_it_was_called_and_has_an_answer() -> None:
    call = ServerCall(item_id="c", after="a", call_id="call_1", name="recall", arguments="{}")
    log: list[Opened | Changed] = [opened(), said("a"), said("b", after="a")]
    log.append(changed(ServerCallChanged(call)))
    recalled = Recalled([decode(encode(entry)) for entry in log])
    assert [item.id for item in recalled.items] == ["a", "b"]
    assert [item.id for item in recalled.all_items] == ["a", "c", "c_output", "b"]
    [kept] = recalled.past.server_calls
    assert kept.output == NO_ANSWER, "its process died before it was answered"
