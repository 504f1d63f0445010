from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.causes import Attached, Word
from antiphon.core.effects import SendTo, TurnCommitted
from antiphon.core.items import MAX_AUDIO_BYTES
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import (
    FunctionCall,
    InputAudio,
    InputImage,
    InputText,
    Message,
    OutputAudio,
)
from antiphon.testing.virtual_call import CLIENT
from tests.core.stories import (
    append,
    by_hand,
    function_call,
    ids,
    refusal,
    respond,
    text,
    update_input,
)
from tests.core.witness import LawfulCall

WORDS = [Word(5, 4_800), Word(12, 12_000), Word(18, 24_000)]


def answered(**terms: Any) -> tuple[LawfulCall, str]:
    """A second of answer, done."""
    call = by_hand(**terms)
    call.client(respond()).engine_speaks(1_000, "Seven, eight, nine", words=WORDS)
    call.engine_finishes().take()
    return call, ids(call)[-1]


def create(*content: Any, role: Any = "user", item_id: str = "mine") -> client.ClientEvent:
    return client.ConversationItemCreate(item=Message(role=role, content=content, id=item_id))


def transcript(call: LawfulCall, item_id: str) -> str | None:
    item = next(i for i in call.conversation.items if i.id == item_id)
    assert isinstance(item, Message)
    [part] = item.content
    assert isinstance(part, OutputAudio)
    return part.transcript


# --- Create ------------------------------------------------------------------


def test_an_item_is_added_and_done_and_nothing_answers_it() -> None:
    call = by_hand()
    call.client(text("Hello.", "mine"))
    added, done = call.events()
    assert isinstance(added, server.ConversationItemAdded)
    assert isinstance(done, server.ConversationItemDone)
    assert added.item == done.item == call.conversation.items[0]
    assert added.item.id == "mine"


def test_the_same_item_again_is_acknowledged_again() -> None:
    call = by_hand()
    call.client(text("Hello.", "mine"), text("More.", "other")).take()
    call.client(text("Hello.", "mine"))
    assert call.types() == ["conversation.item.added", "conversation.item.done"]
    assert ids(call) == ["mine", "other"]


def test_another_item_of_the_same_id_is_refused() -> None:
    call = by_hand()
    call.client(text("Hello.", "mine")).take()
    call.client(text("Good day.", "mine"))
    assert refusal(call) == ("item_create_duplicate_item_id", "item.id")


def test_created_audio_is_given_to_the_engine_and_shown_without_it() -> None:
    call = by_hand()
    call.client(create(InputAudio(audio=bytes(9_600))))
    added, _, committed = call.take()
    assert committed == TurnCommitted("mine", bytes(9_600))
    assert isinstance(added, server.ConversationItemAdded)
    assert isinstance(added.item, Message)
    assert added.item.content == (InputAudio(None),)


def test_long_created_audio_reaches_the_engine_whole() -> None:
    call = by_hand()
    call.client(create(InputAudio(audio=bytes(MAX_AUDIO_BYTES + 2))))
    assert len(call.one(TurnCommitted).pcm) == MAX_AUDIO_BYTES + 2
    assert call.conversation.held_audio_bytes == 0


def test_audio_that_comes_with_its_transcript_is_kept_within_the_same_bound() -> None:
    call = by_hand()
    for n in range(5):
        known = InputAudio("Known.", bytes(MAX_AUDIO_BYTES // 2))
        call.client(create(known, item_id=f"mine_{n}"))
    assert not any(isinstance(e, TurnCommitted) for e in call.take())
    assert call.conversation.held_audio_bytes <= MAX_AUDIO_BYTES


def test_two_untranscribed_parts_in_one_item_are_refused() -> None:
    call = by_hand()
    call.client(create(InputAudio(audio=bytes(96)), InputAudio(audio=bytes(96))))
    assert refusal(call) == ("invalid_value", "item.content[1]")
    assert ids(call) == []


def test_a_call_without_an_id_of_its_own_is_given_one() -> None:
    call = by_hand()
    call.client(client.ConversationItemCreate(item=FunctionCall(name="look", arguments="{}")))
    [item] = call.conversation.items
    assert isinstance(item, FunctionCall)
    assert str(item.call_id).startswith("call_")


# --- Retrieve ----------------------------------------------------------------


def test_an_item_comes_back_with_its_audio_to_the_one_who_asked() -> None:
    call, item_id = answered()
    call.client(client.ConversationItemRetrieve(item_id=item_id))
    [sent] = call.take()
    assert isinstance(sent, SendTo)
    assert isinstance(sent.event, server.ConversationItemRetrieved)
    item = sent.event.item
    assert isinstance(item, Message)
    assert item.content == (OutputAudio("Seven, eight, nine", bytes(48_000)),)


def test_audio_comes_back_in_the_sessions_format() -> None:
    call = by_hand()
    call.client(append(1_000), client.InputAudioBufferCommit())
    call.client(update_input(format=wire.PcmuFormat())).take()
    call.client(client.ConversationItemRetrieve(item_id=call.turn_id))
    item = call.one(server.ConversationItemRetrieved).item
    assert isinstance(item, Message)
    [part] = item.content
    assert isinstance(part, InputAudio)
    assert isinstance(part.audio, bytes)
    assert len(part.audio) == 8_000


def test_audio_too_long_to_be_kept_is_left_out() -> None:
    call = by_hand()
    for extra, comes in ((0, True), (2, False)):
        call.client(create(InputAudio(audio=bytes(MAX_AUDIO_BYTES + extra)))).take()
        call.client(client.ConversationItemRetrieve(item_id="mine"))
        item = call.one(server.ConversationItemRetrieved).item
        assert isinstance(item, Message)
        assert isinstance(item.content[0].audio, bytes) is comes  # type: ignore[union-attr]
        call.client(client.ConversationItemDelete(item_id="mine"))


# --- Truncate ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("end_ms", "words"),
    [
        (0, ""),
        (199, ""),
        (200, "Seven"),
        (499, "Seven"),
        (500, "Seven, eight"),
        (999, "Seven, eight"),
        (1_000, "Seven, eight, nine"),
        (1_085, "Seven, eight, nine"),
        (1_500, "Seven, eight, nine"),
    ],
)
def test_truncation_keeps_the_words_that_were_heard(end_ms: int, words: str) -> None:
    call, item_id = answered()
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=end_ms))
    truncated = call.one(server.ConversationItemTruncated)
    assert (truncated.item_id, truncated.content_index) == (item_id, 0)
    assert truncated.audio_end_ms == end_ms
    assert transcript(call, item_id) == words


def test_an_end_far_beyond_the_audio_is_refused() -> None:
    call, item_id = answered()
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=1_501))
    error = call.one(server.Error).error
    assert (error.code, error.param) == ("invalid_value", "audio_end_ms")
    assert error.message == "Audio content of 1000ms is already shorter than 1501ms"


def test_the_audio_that_was_cut_is_gone() -> None:
    call, item_id = answered()
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=500)).take()
    call.client(client.ConversationItemRetrieve(item_id=item_id))
    item = call.one(server.ConversationItemRetrieved).item
    assert isinstance(item, Message)
    assert item.content == (OutputAudio("Seven, eight", bytes(24_000)),)


def test_an_item_can_be_cut_while_it_is_still_being_spoken() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(500, "Seven, eight, nine", words=WORDS[:2])
    item_id = ids(call)[-1]
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=300))
    call.engine_speaks(500, words=WORDS[2:]).engine_finishes()
    assert transcript(call, item_id) == "Seven"


@pytest.mark.parametrize("what", ["text", "call", "user audio", "no such part"])
def test_only_the_assistants_audio_can_be_cut(what: str) -> None:
    call, _ = answered()
    if what == "text":
        call.client(text("Hello.", "mine", role="assistant"))
    elif what == "call":
        call.client(function_call())
    elif what == "user audio":
        call.client(append(300), client.InputAudioBufferCommit())
    call.take()
    index = 1 if what == "no such part" else 0
    call.client(
        client.ConversationItemTruncate(item_id=ids(call)[-1], content_index=index, audio_end_ms=0)
    )
    assert call.one(server.Error).error.code == "unsupported_content_type"


# --- Delete, and what is not there -------------------------------------------


def test_a_deleted_item_is_gone() -> None:
    call, item_id = answered()
    call.client(client.ConversationItemDelete(item_id=item_id))
    assert call.types() == ["conversation.item.deleted"]
    call.client(client.ConversationItemDelete(item_id=item_id))
    assert refusal(call) == ("item_delete_invalid_item_id", "item_id")


def test_an_item_deleted_while_it_is_spoken_is_told_to_its_end_and_not_kept() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(500, "Seven, ")
    call.client(client.ConversationItemDelete(item_id=ids(call)[-1])).take()
    call.engine_speaks(500, "eight").engine_finishes()
    types = call.types()
    assert "conversation.item.done" not in types
    assert types[-3:] == ["response.output_item.done", "response.done", "rate_limits.updated"]
    assert ids(call) == []


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (client.ConversationItemRetrieve(item_id="no"), "item_retrieve_invalid_item_id"),
        (client.ConversationItemDelete(item_id="no"), "item_delete_invalid_item_id"),
        (
            client.ConversationItemTruncate(item_id="no", audio_end_ms=0),
            "item_truncate_invalid_item_id",
        ),
    ],
)
def test_what_is_not_there_cannot_be_asked_for(event: client.ClientEvent, code: str) -> None:
    call = by_hand()
    call.client(event)
    assert refusal(call) == (code, "item_id")


def test_truncation_before_the_first_sound_keeps_nothing() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(0, "Seven, eight, nine")
    item_id = ids(call)[-1]
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=0))
    assert transcript(call, item_id) == ""
    call.engine_speaks(1_000, "", words=WORDS).engine_finishes()
    assert transcript(call, item_id) == ""


def test_on_a_call_a_sideband_is_shown_the_audio_and_the_data_channel_is_not() -> None:
    call = by_hand(playout="server")
    call.give(Attached("sideband", owns=False))
    call.client(respond()).engine_speaks(1_000, "Hello.").engine_finishes().wait(1_000).take()
    retrieve = client.ConversationItemRetrieve(item_id=ids(call)[-1])
    shown = {}
    for connection in ("sideband", CLIENT):
        call.client(retrieve, connection=connection)
        item = call.one(server.ConversationItemRetrieved).item
        assert isinstance(item, Message)
        shown[connection] = item.content
    assert shown == {
        "sideband": (OutputAudio("Hello.", bytes(48_000)),),
        CLIENT: (OutputAudio("Hello."),),
    }


# --- Pictures ----------------------------------------------------------------

PICTURE = InputImage("data:image/png;base64,iVBORw0KGgo=")


def test_a_picture_is_refused_where_the_engine_makes_nothing_of_it() -> None:
    call = by_hand(engine_takes_images=False)
    message = Message(role="user", content=(InputText("See?"), PICTURE))
    call.client(client.ConversationItemCreate(item=message))
    assert refusal(call) == ("unsupported_content_type", "item.content[1]")
    call.client(respond(input=(message,)))
    assert refusal(call) == ("unsupported_content_type", "response.input[0].content[1]")
    assert call.conversation.items == ()


def test_a_picture_is_taken_where_it_does() -> None:
    call = by_hand()
    call.client(client.ConversationItemCreate(item=Message(role="user", content=(PICTURE,))))
    assert len(call.conversation.items) == 1


def test_what_is_no_picture_is_refused_at_its_place() -> None:
    call, page = by_hand(), InputImage("https://example.com/cat.png")
    message = Message(role="user", content=(InputText("See?"), page))
    call.client(client.ConversationItemCreate(item=message))
    assert refusal(call) == ("invalid_image_url", "item.content[1].image_url")
    call.client(respond(input=(message,)))
    assert refusal(call) == ("invalid_image_url", "response.input[0].content[1].image_url")
    allowed = by_hand(image_urls=True)
    allowed.client(client.ConversationItemCreate(item=message))
    assert len(allowed.conversation.items) == 1
