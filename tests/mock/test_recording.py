"""What passed is written down, and played again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import ConfigurationError
from antiphon.mock import (
    MockCall,
    MockReply,
    MockScript,
    mocking,
    read_recording,
    recording,
)
from antiphon.mock.recordings import Entry, Head, Recording
from antiphon.mock.redaction import JsonMask, Redaction, restored
from antiphon.mock.replay import Diverged, Replay, meaning
from antiphon.protocol.server import ServerEvent
from antiphon.testing import run_in_virtual_time
from antiphon.testing.conformance import VIRTUAL, read_script
from tests.conformance.played import events_of
from tests.mock.visitor import Visitor, visiting

ARGUMENTS = {"city": "Paris", "nights": [1, 20, True, None], "note": 'a "quay"\né'}
SCRIPT = MockScript(
    replies=(
        MockReply(when="weather", calls=(MockCall(name="weather", arguments=ARGUMENTS),)),
        MockReply(says="The secret is Rosebud."),
    ),
    hears=("Rosebud aloud",),
    latency="mobile",
)
SETTINGS: dict[str, Any] = {
    "type": "realtime",
    "instructions": "Speak of Rosebud.",
    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
}


async def story(visitor: Visitor, item_id: str = "mine_1") -> None:
    """As a client tells it; another one tells it with ids of its own."""
    await asyncio.sleep(1)
    await visitor.send("session.update", event_id=f"set_{item_id}", session=SETTINGS)
    content = [{"type": "input_text", "text": "How is the weather, Rosebud?"}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    await visitor.send("conversation.item.create", item=item)
    await visitor.send("response.create", response={"metadata": {"name": "Rosebud"}})
    await asyncio.sleep(2)
    await visitor.speaks(500)
    await visitor.is_quiet(900)
    await asyncio.sleep(5)


async def recorded(folder: Path, *, keep_content: bool) -> Visitor:
    async with (
        mocking(SCRIPT) as mock,
        recording(
            "ws://localhost/v1/realtime",
            folder,
            make_connector=mock.make_connector,
            keep_content=keep_content,
        ) as address,
        aiohttp.ClientSession(address.url, connector=address.make_connector()) as http,
        http.ws_connect("/v1/realtime?model=any") as socket,
    ):
        visitor = Visitor(socket)
        reading = asyncio.create_task(visitor.read())
        await story(visitor)
        await socket.close()
        await reading
        return visitor


async def replayed(path: Path, item_id: str = "mine_1") -> Visitor:
    async with mocking(recording=path) as mock, visiting(mock) as visitor:
        await story(visitor, item_id)
        assert mock.replayer is not None
        assert not mock.replayer.diverged
        return visitor


def since_the_first(visitor: Visitor) -> list[int]:
    return [at_ms - visitor.came_ms[0] for at_ms in visitor.came_ms]


def test_with_its_content_it_is_the_same_again(tmp_path: Path) -> None:
    async def main() -> None:
        first = await recorded(tmp_path, keep_content=True)
        again = await replayed(tmp_path / "0001.jsonl")
        assert again.messages == first.messages
        assert since_the_first(again) == pytest.approx(since_the_first(first), abs=200)

    run_in_virtual_time(main())


def test_without_it_it_has_the_same_shape(tmp_path: Path) -> None:
    async def main() -> None:
        first = await recorded(tmp_path, keep_content=False)
        again = await replayed(tmp_path / "0001.jsonl")
        assert again.types == first.types
        lengths = [len(m) for m in first.messages]
        assert [len(m) for m in again.messages] == pytest.approx(lengths, abs=40)
        (done,) = again.of_type("response.function_call_arguments.done")
        deltas = again.of_type("response.function_call_arguments.delta")
        assert "".join(delta["delta"] for delta in deltas) == done["arguments"]
        assert len(json.loads(done["arguments"])) == 3

    run_in_virtual_time(main())


def test_nothing_that_was_said_is_in_the_file(tmp_path: Path) -> None:
    run_in_virtual_time(recorded(tmp_path, keep_content=False))
    text = (tmp_path / "0001.jsonl").read_text()
    for word in ("Rosebud", "secret", "Paris", "weather,", "quay"):
        assert word not in text
    assert '"name":"weather"' in text


def test_another_client_has_its_own_ids(tmp_path: Path) -> None:
    async def main() -> None:
        await recorded(tmp_path, keep_content=True)
        again = await replayed(tmp_path / "0001.jsonl", "quite_another")
        assert "mine_1" not in "".join(again.messages)
        assert again.of_type("conversation.item.added")[0]["item"]["id"] == "quite_another"

    run_in_virtual_time(main())


def test_whoever_goes_another_way_is_told_so(tmp_path: Path) -> None:
    async def main() -> None:
        await recorded(tmp_path, keep_content=False)
        path = tmp_path / "0001.jsonl"
        async with mocking(recording=path) as mock, visiting(mock) as visitor:
            await visitor.send("session.update", session={"type": "realtime"})
            await visitor.send("response.create")
            await asyncio.sleep(3)
            error = visitor.of_type("error")[0]["error"]
            assert error["code"] == "recording_diverged"
            assert "'conversation.item.create (message, user, input_text)'" in error["message"]
            assert "this one said 'response.create'" in error["message"]
            assert visitor.close_code == 4000
            assert mock.replayer is not None
            assert list(mock.replayer.diverged) == [error["message"]]

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("fault", "status"), [("server_error_at_connect", 502), ("key_refused", 401)]
)
def test_an_upstream_that_does_not_want_us_is_told(tmp_path: Path, fault: str, status: int) -> None:
    async def main() -> None:
        async with (
            mocking(faults=[fault]) as mock,
            recording(
                "ws://localhost/v1/realtime", tmp_path, make_connector=mock.make_connector
            ) as address,
        ):
            connector = address.make_connector()
            async with aiohttp.ClientSession(address.url, connector=connector) as http:
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await http.ws_connect("/v1/realtime")
                assert refused.value.status == status

    run_in_virtual_time(main())
    assert not list(tmp_path.iterdir())


def test_a_close_of_the_server_is_played(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            mocking(faults=["session_expires"]) as mock,
            recording(
                "ws://localhost/v1/realtime", tmp_path, make_connector=mock.make_connector
            ) as address,
        ):
            connector = address.make_connector()
            async with (
                aiohttp.ClientSession(address.url, connector=connector) as http,
                http.ws_connect("/v1/realtime") as socket,
            ):
                visitor = Visitor(socket)
                await visitor.read()
                assert visitor.close_code == 1001
        async with mocking(recording=tmp_path / "0001.jsonl") as mock, visiting(mock) as again:
            await asyncio.sleep(10)
            assert again.types == ["session.created", "error"]
            assert again.close_code == 1001

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("", ":1: this is no recording"),
        ("{}", ":1: this is no recording"),
        ('{"antiphon_recording":9}', "its format is 9; this version reads 1"),
        ('{"antiphon_recording":1}\n{"at_ms":1,"by":"client"}\n{"at":', ":3: this is no recording"),
    ],
)
def test_a_file_that_is_none_is_explained(tmp_path: Path, lines: str, complaint: str) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text(lines)
    with pytest.raises(ConfigurationError) as wrong:
        read_recording(path)
    assert complaint in str(wrong.value)


# --- Redaction, as laws -------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.booleans(), st.integers(1, 7))
def test_masked_json_is_json_and_pieces_add_up(value: Any, is_ascii: bool, size: int) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    mask, whole = JsonMask(), JsonMask().feed(text)
    pieces = [mask.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(pieces) == whole
    json.loads(whole)
    assert len(whole) == len(text)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), min_size=2))
def test_no_word_is_kept(word: str) -> None:
    event = {
        "type": "conversation.item.create",
        "item": {"type": "message", "content": [{"type": "input_text", "text": word}]},
        "metadata": {"name": word, "id": word},
        "instructions": word,
        "logprobs": [{"token": word, "bytes": list(word.encode())}],
        "authorization": word,
    }
    kept = Redaction().redacted(event)
    assert kept["item"]["content"][0]["text"] == "x" * len(word)
    assert kept["metadata"] == {"name": "x" * len(word), "id": "x" * len(word)}
    assert kept["instructions"] == "x" * len(word)
    assert kept["logprobs"] == []
    assert kept["authorization"] is None
    assert Redaction(keep_content=True).redacted(event) == event | {"authorization": None}


SCRIPTS = sorted((Path(__file__).parents[1] / "conformance" / "scripts").glob("*.script"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_redacted_event_is_still_one(path: Path) -> None:
    script = read_script(path)
    if not script.runs_on(VIRTUAL):
        pytest.skip("not for this line")
    redaction = Redaction()
    for event in events_of(path):
        if event["type"] == "(closed)":
            continue
        played = restored(redaction.redacted(event))
        msgspec.convert(played, ServerEvent)
        assert played.keys() == event.keys()


def test_sound_comes_back_as_silence_of_its_length() -> None:
    event = {"type": "response.output_audio.delta", "item_id": "item_1", "delta": "AAECAw=="}
    kept = Redaction().redacted(event)
    assert kept["delta"] == {"redacted_bytes": 4}
    assert restored(kept)["delta"] == "AAAAAA=="


# --- The way through a recording ----------------------------------------------


def of(*entries: Entry) -> Replay:
    head = Head(antiphon_recording=1)
    return Replay(Recording(name="test", head=head, entries=entries))


def client(kind: str, **fields: Any) -> Entry:
    return Entry(at_ms=0, by="client", event={"type": kind, **fields})


def server(kind: str) -> Entry:
    return Entry(at_ms=0, by="server", event={"type": kind})


APPEND = "input_audio_buffer.append"
SOUND = {"redacted_bytes": 4800}


def test_sound_is_followed_by_its_length() -> None:
    replay = of(client(APPEND, audio=SOUND), client(APPEND, audio=SOUND), server("heard"))
    replay.said({"type": APPEND, "audio": "A" * 6400})  # As much as one of them.
    assert replay.next() is None
    replay.said({"type": APPEND, "audio": "A" * 6400})
    following = replay.next()
    assert following is not None
    assert following[1].event == {"type": "heard"}


def test_who_goes_on_sooner_is_not_held_up() -> None:
    replay = of(client(APPEND, audio=SOUND), client("response.cancel"), server("cancelled"))
    replay.said({"type": "response.cancel"})
    assert replay.next() is not None


def test_after_the_end_nothing_more_may_be_said() -> None:
    replay = of(server("hello"))
    assert replay.next() is not None
    assert replay.next() is None
    replay.said({"type": "response.create"})
    with pytest.raises(Diverged, match="has ended"):
        replay.next()


def test_a_meaning_has_kinds_and_roles_and_no_words() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    event = {"type": "conversation.item.create", "event_id": "e", "item": item}
    assert meaning(event) == "conversation.item.create (message, user, input_text)"
    assert meaning({"type": "response.create"}) == "response.create"
    aside = {"type": "response.create", "response": {"conversation": "none"}}
    assert meaning(aside) == "response.create (out of band)"
    assert meaning({"type": "conversation.item.create", "item": 7}) == (
        "conversation.item.create (None)"
    )
