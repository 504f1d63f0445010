from __future__ import annotations

import base64
import json
from typing import Any

from antiphon.talk.server_playout import IN_FLIGHT_MS, ServerPlayout

SOUND = bytes([1, 0] * 480)
SILENCE = bytes(960)


class Case:
    def __init__(self) -> None:
        self.playout = ServerPlayout()
        self.now_ms = 0.0

    def event(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return self._read(self.playout.message(json.dumps({"type": kind, **fields}), self.now_ms))

    def sound(self, pcm: bytes = SOUND) -> list[dict[str, Any]]:
        return self._read(self.playout.sound(pcm, self.now_ms))

    def wait(self, ms: float) -> list[dict[str, Any]]:
        self.now_ms += ms
        return self._read(self.playout.time_passes(self.now_ms))

    def begin(self, response_id: str = "r", item_id: str = "i") -> list[dict[str, Any]]:
        self.event(
            "response.content_part.added",
            response_id=response_id,
            item_id=item_id,
            content_index=0,
            part={"type": "audio"},
        )
        return self.event("output_audio_buffer.started", response_id=response_id)

    @staticmethod
    def _read(messages: list[str]) -> list[dict[str, Any]]:
        return [json.loads(message) for message in messages]


def delta(item_id: str = "i", response_id: str = "r") -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "response_id": response_id,
        "item_id": item_id,
        "content_index": 0,
        "delta": base64.b64encode(SOUND).decode(),
    }


def test_sound_of_the_track_is_that_of_the_reply() -> None:
    case = Case()
    assert case.begin() == []
    assert case.sound() == [delta()]


def test_sound_that_came_before_its_event_is_not_lost_and_silence_is_not_of_it() -> None:
    case = Case()
    for pcm in (SILENCE, SILENCE, SOUND):
        assert case.sound(pcm) == []
    assert case.begin() == [delta()]


def test_a_reply_is_complete_when_it_was_heard() -> None:
    case = Case()
    case.begin()
    done = {"response": {"id": "r", "status": "completed"}}
    assert case.event("response.output_audio.done", response_id="r", item_id="i") == []
    assert case.event("response.done", **done) == []
    assert case.event("output_audio_buffer.stopped", response_id="r") == []
    assert case.sound() == [delta()], "what was still under way"
    told = case.wait(IN_FLIGHT_MS)
    assert [event["type"] for event in told] == ["response.output_audio.done", "response.done"]
    assert case.sound() == []


def test_what_was_silenced_is_not_heard_any_more() -> None:
    case = Case()
    case.begin()
    case.event("response.done", response={"id": "r", "status": "cancelled"})
    told = case.event("output_audio_buffer.cleared", response_id="r")
    assert [event["type"] for event in told] == ["response.done"]
    assert case.sound() == []
    case.wait(IN_FLIGHT_MS)
    assert case.begin("s", "j") == [], "nothing of the one before"
    assert case.sound() == [delta("j", "s")]


def test_two_replies_sound_one_after_the_other() -> None:
    case = Case()
    case.begin("r", "i")
    case.begin("s", "j")
    assert case.sound() == [delta("i", "r")]
    case.event("output_audio_buffer.stopped", response_id="r")
    case.wait(IN_FLIGHT_MS)
    assert case.sound() == [delta("j", "s")]


def test_what_makes_no_sound_passes_as_it_is() -> None:
    case = Case()
    for event in (
        {"type": "session.created", "session": {}},
        {"type": "response.done", "response": {"id": "written"}},
        {"type": "response.output_audio.done", "response_id": "unheard"},
        {"no": "type"},
    ):
        message = json.dumps(event)
        assert case.playout.message(message, 0) == [message]


def created(continues: str | None) -> dict[str, Any]:
    resume = {"conversation_id": "conv_1", "continues": continues}
    return {"session": {"id": "s", "antiphon": {"engine": "e", "resume": resume}}}


def test_what_sounded_goes_on_by_another_call_to_the_same_session() -> None:
    case = Case()
    case.begin()
    assert case.event("response.done", response={"id": "r"}) == []
    case.event("session.created", **created("session"))
    assert case.sound() == [delta()]
    # Its end is told again, since it had not been heard.
    assert case.event("response.done", response={"id": "r"}) == []
    case.event("output_audio_buffer.stopped", response_id="r")
    [done] = case.wait(IN_FLIGHT_MS)
    assert done["type"] == "response.done"


def test_what_sounded_is_over_with_its_session() -> None:
    case = Case()
    case.begin()
    case.event("session.created", **created("conversation"))
    assert case.sound() == []
