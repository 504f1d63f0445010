"""The whole client against a small server, over real sockets, in virtual time."""

from __future__ import annotations

import wave
from pathlib import Path

import msgspec
import numpy as np
import pytest

from antiphon.audio.formats import Format
from antiphon.protocol.session import FunctionTool
from antiphon.talk import notices
from antiphon.talk.app import Exit
from antiphon.talk.script import Script, Speech, Step, Typed
from antiphon.talk.settings import Settings, Turns
from antiphon.talk.way_back import Way
from antiphon.upstream import wire
from antiphon.upstream.connection import CannotConnect, Connection, Connector
from tests.fakes.realtime_server import FakeServer, Reply, tone

from .world import NoticeView, make_talk, world_of


def speech(ms: int, name: str = "hello.wav") -> Speech:
    pcm = tone(ms)
    return Speech(name, pcm, len(pcm))


def script(*steps: Step, barge_in_ms: float | None = None, is_manual: bool = False) -> Script:
    return Script(steps, barge_in_ms=barge_in_ms, patience_ms=5000, is_manual=is_manual)


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return data.reshape(-1, file.getnchannels()), file.getframerate()


async def test_a_file_is_spoken_and_its_reply_heard_and_saved(tmp_path: Path) -> None:
    server = FakeServer([Reply("Good morning to you.", 600)], transcripts=["good morning"])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(
            world,
            view,
            script=script(speech(400)),
            save=tmp_path / "reply.wav",
            save_both=tmp_path / "both.wav",
        )
        with talk.recorder:
            assert await world.run(talk) == (Exit.OK, None)

    assert [said.text for said in view.of(notices.UserSaid) if said.final] == ["good morning"]
    assert [said.text for said in view.of(notices.AgentSaid)] == ["Good morning to you."]
    (turn,) = view.of(notices.TurnTimed)
    # The server answers at once; it saw the end of the turn after 500 ms of silence.
    assert turn.audio_after_ms == 0
    assert turn.sound_after_ms == 20
    assert turn.sound_after_speech_ms == 520

    reply, rate_hz = read_wav(tmp_path / "reply.wav")
    both, _ = read_wav(tmp_path / "both.wav")
    assert rate_hz == 24_000
    assert len(reply) == len(both)
    assert (both[:, 1] == reply[:, 0]).all()
    loud_ms = np.flatnonzero(np.abs(reply[:, 0]) > 500) / 24
    user_ms = np.flatnonzero(np.abs(both[:, 0]) > 500) / 24
    assert loud_ms[-1] - loud_ms[0] == pytest.approx(600, abs=3)
    # The file pairs what was sent with what was played in the same 20 ms.
    assert loud_ms[0] - user_ms[-1] == pytest.approx(500, abs=3)


async def test_the_microphones_sound_goes_out_in_real_time_and_20_ms_pieces() -> None:
    server = FakeServer([Reply()])
    async with world_of(server) as world:
        talk = make_talk(world, NoticeView(), script=script(speech(400)))
        await world.run(talk)
        appends = server.of_type("input_audio_buffer.append")
        assert {len(event["audio"]) for event in appends} == {20 * 48 * 4 // 3}
        assert talk.conversation.sent_ms == pytest.approx(world.now_ms(), abs=60)


async def test_barge_in_stops_at_once_and_truncates_at_what_was_heard(tmp_path: Path) -> None:
    server = FakeServer([Reply("one two three four five six", 3000), Reply("Well.", 200)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(
            world,
            view,
            script=script(speech(400), speech(300), barge_in_ms=1000),
            save_both=tmp_path / "both.wav",
        )
        with talk.recorder:
            assert await world.run(talk) == (Exit.OK, None)

    (truncate,) = server.of_type("conversation.item.truncate")
    cut, whole = view.of(notices.AgentSaid)
    assert cut.audio_end_ms == truncate["audio_end_ms"]
    assert (cut.text, cut.cut) == ("one two", "three four five six")
    assert (whole.text, whole.cut) == ("Well.", "")
    # What the saved file holds is what the server was told.
    both, _ = read_wav(tmp_path / "both.wav")
    sounds = np.flatnonzero(both[:, 1])
    first_reply = sounds[sounds < sounds[0] + 24 * 1500]
    first_reply_ms = (first_reply[-1] - first_reply[0]) / 24
    assert first_reply_ms == pytest.approx(truncate["audio_end_ms"], abs=1)
    assert truncate["audio_end_ms"] == 1020


async def test_a_reply_still_being_generated_is_cut_too() -> None:
    server = FakeServer([Reply("one two three four", 3000, paced=True), Reply("Well.", 200)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, script=script(speech(400), speech(300), barge_in_ms=600))
        assert await world.run(talk) == (Exit.OK, None)
    (truncate,) = server.of_type("conversation.item.truncate")
    assert truncate["audio_end_ms"] == view.of(notices.AgentSaid)[0].audio_end_ms
    assert 600 <= truncate["audio_end_ms"] <= 700


async def test_after_a_restart_of_the_server_the_conversation_is_rebuilt() -> None:
    server = FakeServer(
        [Reply("First answer.", 300), Reply("Second answer.", 300)],
        transcripts=["first question", "second question"],
        drop_at_ms=[(2600, 1012)],
    )
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, script=script(speech(400), speech(900)))
        assert await world.run(talk) == (Exit.OK, None)

    (reconnecting,) = view.of(notices.Reconnecting)
    assert (reconnecting.attempt, reconnecting.delay_ms) == (1, 250)
    assert view.of(notices.Rebuilt) == [notices.Rebuilt(items=2, left_out=0)]
    assert "reconnecting" in view.states
    first, second = server.of_type("conversation.item.create")
    assert first["previous_item_id"] == "root"
    assert first["item"]["content"] == [{"type": "input_text", "text": "first question"}]
    assert second["previous_item_id"] == first["item"]["id"]
    assert second["item"]["content"] == [{"type": "output_text", "text": "First answer."}]
    # The file whose sending was torn is sent again, whole.
    assert [said.text for said in view.of(notices.AgentSaid)] == ["First answer.", "Second answer."]


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_conversation_that_the_server_keeps_is_asked_for_where_it_is_there(
    *, is_there: bool
) -> None:
    server = FakeServer([Reply("Answer.", 300)], drop_at_ms=[(200, 1006)])
    view = NoticeView()
    asked: list[str] = []
    async with world_of(server) as world:

        async def refuses() -> Connection:
            raise CannotConnect("gone", is_refused=True, may_retry=False)

        def connect_to(way: Way) -> Connector:
            asked.append(way.conversation_id)
            return world.connect if is_there else refuses

        talk = make_talk(world, view, script=script(speech(400)))
        talk.connect_to = connect_to
        # As the server says when the first connection is up.
        world.on_connected = lambda: world.at(100, keep)

        def keep() -> None:
            kept = {"engine": "fake", "resume": {"conversation_id": "conv_1"}}
            session = {"id": "s", "model": "fake", "antiphon": kept}
            created = {"type": "session.created", "event_id": "e", "session": session}
            event = wire.read(msgspec.json.encode(created))
            assert not isinstance(event, wire.Foreign)
            talk.conversation.way_back.received(event)

        assert await world.run(talk) == (Exit.OK, None)
    assert asked == ["conv_1"]
    assert view.of(notices.Summary)[0].reconnections == 1


async def test_a_torn_connection_is_like_a_restart() -> None:
    server = FakeServer([Reply("Answer.", 300)], drop_at_ms=[(200, 1006)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, script=script(speech(400)))
        assert await world.run(talk) == (Exit.OK, None)
    assert view.of(notices.Reconnecting)[0].why == "the connection broke"
    assert view.of(notices.Summary)[0].reconnections == 1


async def test_a_lost_connection_may_end_the_run() -> None:
    server = FakeServer([Reply()], drop_at_ms=[(200, 1012)])
    async with world_of(server) as world:
        talk = make_talk(world, NoticeView(), script=script(speech(400)), reconnects=False)
        code, problem = await world.run(talk)
    assert code is Exit.LOST
    assert problem == "the connection was lost: the server is restarting: away"


async def test_reconnecting_is_given_up_after_its_attempts() -> None:
    server = FakeServer([Reply()], drop_at_ms=[(200, 1012)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, script=script(speech(400)))
        world.on_connected = lambda: server.refuse_status.extend([503] * 9)
        code, problem = await world.run(talk)
    assert code is Exit.LOST
    assert problem is not None
    assert "is busy (HTTP 503); try again in 2 s" in problem
    # The server's own wish (2 s) is longer than the backoff.
    assert [r.delay_ms for r in view.of(notices.Reconnecting)] == [250, 2000, 2000]


async def test_a_function_call_gets_its_canned_result_and_the_model_goes_on() -> None:
    server = FakeServer([Reply(call=("weather", '{"city":"Oslo"}')), Reply("It rains.", 200)])
    settings = Settings(
        tools=(FunctionTool(name="weather"),), tool_results={"weather": '{"rain":true}'}
    )
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, settings=settings, script=script(speech(400)))
        assert await world.run(talk) == (Exit.OK, None)
    (created,) = server.of_type("conversation.item.create")
    assert created["item"]["output"] == '{"rain":true}'
    assert created["item"]["call_id"] == view.of(notices.ToolCalled)[0].call_id
    assert len(server.of_type("response.create")) == 1
    assert view.of(notices.AgentSaid)[0].text == "It rains."
    assert server.of_type("session.update")[0]["session"]["tools"] == [
        {"type": "function", "name": "weather"}
    ]


async def test_a_function_without_a_result_is_told_so() -> None:
    server = FakeServer([Reply(call=("weather", "{}")), Reply("I cannot say.", 200)])
    async with world_of(server) as world:
        talk = make_talk(world, NoticeView(), script=script(Typed("Rain?")))
        assert await world.run(talk) == (Exit.OK, None)
    output = server.of_type("conversation.item.create")[-1]["item"]["output"]
    assert output == '{"error":"No result was given for weather."}'


async def test_typed_texts_are_answered_one_after_another() -> None:
    server = FakeServer([Reply("Hello.", 200), Reply("Bye.", 200)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, script=script(Typed("hi"), Typed("bye")))
        assert await world.run(talk) == (Exit.OK, None)
    assert [said.text for said in view.of(notices.AgentSaid)] == ["Hello.", "Bye."]
    kinds = [e["type"] for e in server.received if not e["type"].startswith("input_audio")]
    assert kinds == ["session.update", *["conversation.item.create", "response.create"] * 2]


async def test_in_manual_turns_the_client_commits_and_asks() -> None:
    server = FakeServer([Reply("Yes.", 200)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(
            world,
            view,
            settings=Settings(turns="manual"),
            script=script(speech(400), is_manual=True),
        )
        assert await world.run(talk) == (Exit.OK, None)
    kinds = list(dict.fromkeys(event["type"] for event in server.received))
    assert kinds == [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]
    assert len(server.of_type("input_audio_buffer.append")) == 20
    assert view.of(notices.TurnTimed)[0].audio_after_ms == 0


async def test_in_manual_turns_a_barge_in_cancels_truncates_and_clears() -> None:
    server = FakeServer([Reply("one two three", 3000, paced=True), Reply("Yes.", 200)])
    async with world_of(server) as world:
        talk = make_talk(
            world,
            NoticeView(),
            settings=Settings(turns="manual"),
            script=script(speech(400), speech(400), barge_in_ms=20, is_manual=True),
        )
        assert await world.run(talk) == (Exit.OK, None)
    kinds = [e["type"] for e in server.received if e["type"] != "input_audio_buffer.append"]
    assert kinds == [
        "session.update",
        "input_audio_buffer.commit",
        "response.create",
        "response.cancel",
        "conversation.item.truncate",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "response.create",
    ]


@pytest.mark.parametrize("audio_format", ["pcm", "pcmu", "pcma"])
async def test_each_format_is_heard_as_it_was_sent(audio_format: Format, tmp_path: Path) -> None:
    server = FakeServer([Reply("Yes.", 500)])
    async with world_of(server) as world:
        talk = make_talk(
            world,
            NoticeView(),
            settings=Settings(audio_format=audio_format),
            script=script(speech(400)),
            save=tmp_path / "reply.wav",
        )
        with talk.recorder:
            assert await world.run(talk) == (Exit.OK, None)
    reply, _ = read_wav(tmp_path / "reply.wav")
    heard = reply[np.flatnonzero(np.abs(reply[:, 0]) > 500)[0] :][: 24 * 480, 0].astype(float)
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum.argmax() * 24_000 / len(heard) == pytest.approx(440, abs=5)
    assert np.sqrt((heard**2).mean()) == pytest.approx(8000 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("turns", ["server_vad", "semantic_vad"])
async def test_the_settings_go_out_first(turns: Turns) -> None:
    server = FakeServer([Reply()])
    settings = Settings(
        voice="cedar", instructions="Be brief.", speed=1.2, turns=turns, transcribe=False
    )
    async with world_of(server) as world:
        talk = make_talk(world, NoticeView(), settings=settings, script=script(Typed("hi")))
        await world.run(talk)
    update = server.received[0]["session"]
    assert update["type"] == "realtime"
    assert update["instructions"] == "Be brief."
    assert update["audio"]["input"]["turn_detection"] == {"type": turns}
    assert update["audio"]["input"]["transcription"] is None
    assert update["audio"]["output"]["voice"] == "cedar"
    assert update["audio"]["output"]["speed"] == 1.2


async def test_settings_that_are_refused_end_the_run() -> None:
    server = FakeServer()
    async with world_of(server) as world:
        talk = make_talk(
            world, NoticeView(), settings=Settings(voice="nobody"), script=script(Typed("hi"))
        )
        code, problem = await world.run(talk)
    assert code is Exit.REFUSED
    assert problem == "the server refused the settings: There is no voice 'nobody'."


async def test_a_bad_key_is_told_and_not_tried_again() -> None:
    server = FakeServer(key="right")
    async with world_of(server) as world:
        world.key = "wrong"
        code, problem = await world.run(make_talk(world, NoticeView(), script=script(Typed("hi"))))
    assert code is Exit.REFUSED
    assert problem is not None
    assert "does not accept the key" in problem


async def test_silence_of_the_server_ends_the_run_as_failed() -> None:
    view = NoticeView()
    async with world_of(FakeServer()) as world:
        talk = make_talk(world, view, script=script(speech(400)))
        assert await world.run(talk) == (Exit.FAILED, None)
    assert view.of(notices.Note) == [notices.Note(text="no reply to hello.wav")]


async def test_a_failed_reply_is_told_and_ends_the_run_as_failed() -> None:
    view = NoticeView()
    async with world_of(FakeServer([Reply(fails="the model is out of memory")])) as world:
        talk = make_talk(world, view, script=script(Typed("hi")))
        assert (await world.run(talk))[0] is Exit.FAILED
    assert view.of(notices.ReplyFailed)[0].reason == "the model is out of memory"


async def test_ctrl_c_ends_a_script_early_with_a_summary() -> None:
    view = NoticeView()
    async with world_of(FakeServer([Reply("long", 60_000)])) as world:
        talk = make_talk(world, view, script=script(Typed("hi")))
        world.at(500, talk.interrupt)
        assert (await world.run(talk))[0] is Exit.INTERRUPTED
    (summary,) = view.of(notices.Summary)
    assert summary.turns == 1
    assert 0.3 < summary.heard_s < 0.6
