from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.core.faults import Fault
from antiphon.core.settings import update_session
from antiphon.protocol import session as wire
from antiphon.protocol.server import Error
from antiphon.testing.virtual_call import session
from tests.core.stories import by_hand, hands_free, refusal, respond, update
from tests.core.witness import LawfulCall


def patched(json: str, base: wire.AnySession | None = None, *, locked: bool = False) -> Any:
    patch = msgspec.json.decode(json, type=wire.SessionPatch)
    return update_session(base or session(), patch, voice_locked=locked)


LOOK = wire.FunctionTool("look", parameters={})


@pytest.mark.parametrize(
    ("json", "field", "value"),
    [
        ('{"output_modalities":["text"]}', "output_modalities", ("text",)),
        ('{"output_modalities":["text","audio"]}', "output_modalities", ("audio",)),
        ('{"instructions":""}', "instructions", ""),
        ('{"tools":[{"type":"function","name":"look","parameters":{}}]}', "tools", (LOOK,)),
        ('{"tool_choice":"required"}', "tool_choice", "required"),
        (
            '{"tool_choice":{"type":"function","name":"look"}}',
            "tool_choice",
            wire.FunctionChoice("look"),
        ),
        ('{"max_output_tokens":7}', "max_output_tokens", 7),
        ('{"truncation":"disabled"}', "truncation", "disabled"),
        (
            '{"truncation":{"type":"retention_ratio","retention_ratio":0.5}}',
            "truncation",
            wire.RetentionRatio(0.5),
        ),
        ('{"tracing":"auto"}', "tracing", "auto"),
        ('{"prompt":{"id":"p"}}', "prompt", wire.StoredPrompt("p")),
        (
            '{"include":["item.input_audio_transcription.logprobs"]}',
            "include",
            ("item.input_audio_transcription.logprobs",),
        ),
        ('{"parallel_tool_calls":true}', "parallel_tool_calls", True),
        ('{"reasoning":{"effort":"low"}}', "reasoning", wire.Reasoning("low")),
    ],
)
def test_one_field_is_set_and_no_other_changes(json: str, field: str, value: object) -> None:
    after = patched(json)
    assert getattr(after, field) == value
    assert msgspec.structs.replace(after, **{field: getattr(session(), field)}) == session()


@pytest.mark.parametrize(
    ("json", "field", "value"),
    [
        ('{"format":{"type":"audio/pcmu"}}', "format", wire.PcmuFormat()),
        (
            '{"transcription":{"model":"whisper-1"}}',
            "transcription",
            wire.Transcription("whisper-1"),
        ),
        ('{"transcription":{}}', "transcription", wire.Transcription()),
        (
            '{"noise_reduction":{"type":"far_field"}}',
            "noise_reduction",
            wire.NoiseReduction("far_field"),
        ),
        ('{"turn_detection":null}', "turn_detection", None),
    ],
)
def test_a_field_of_the_input_is_set(json: str, field: str, value: object) -> None:
    after = patched('{"audio":{"input":' + json + "}}")
    expected = msgspec.structs.replace(session().audio.input, **{field: value})
    assert after.audio.input == expected
    assert after.audio.output == session().audio.output


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", 0.9),
        ("prefix_padding_ms", 0),
        ("silence_duration_ms", 9),
        ("idle_timeout_ms", 6_000),
        ("create_response", False),
        ("interrupt_response", False),
    ],
)
def test_a_field_of_the_detection_is_set(field: str, value: object) -> None:
    detection = msgspec.json.encode({field: value}).decode()
    after = patched('{"audio":{"input":{"turn_detection":' + detection + "}}}")
    assert after.audio.input.turn_detection == msgspec.convert(
        {"type": "server_vad", field: value}, wire.ServerVad
    )


@pytest.mark.parametrize(
    ("json", "output"),
    [
        ('{"format":{"type":"audio/pcma"}}', wire.AudioOutput(format=wire.PcmaFormat())),
        ('{"voice":"ash"}', wire.AudioOutput(voice="ash")),
        ('{"voice":{"id":"voice_1"}}', wire.AudioOutput(voice=wire.CustomVoice("voice_1"))),
        ('{"speed":1.5}', wire.AudioOutput(speed=1.5)),
    ],
)
def test_a_field_of_the_output_is_set(json: str, output: wire.AudioOutput) -> None:
    assert patched('{"audio":{"output":' + json + "}}").audio == wire.Audio(output=output)


def test_two_updates_merge_deeply() -> None:
    first = patched('{"audio":{"input":{"turn_detection":{"threshold":0.9}}}}')
    second = patched('{"audio":{"input":{"turn_detection":{"silence_duration_ms":9}}}}', first)
    assert second.audio.input.turn_detection == wire.ServerVad(threshold=0.9, silence_duration_ms=9)
    third = patched('{"audio":{"input":{"transcription":{"model":"a","language":"de"}}}}', second)
    fourth = patched('{"audio":{"input":{"transcription":{"language":"fr"}}}}', third)
    assert fourth.audio.input.transcription == wire.Transcription("a", "fr")
    assert fourth.audio.input.turn_detection == second.audio.input.turn_detection


def test_null_clears_what_can_be_null() -> None:
    full = patched(
        '{"tracing":"auto","prompt":{"id":"p"},"include":[],"tools":[{"type":"function","name":"a"}],'
        '"parallel_tool_calls":true,"reasoning":{"effort":"low"},"audio":{"input":{'
        '"transcription":{"model":"a","language":"de"},"noise_reduction":{"type":"far_field"},'
        '"turn_detection":{"idle_timeout_ms":6000}}}}'
    )
    assert full.audio.input.turn_detection.idle_timeout_ms == 6000
    empty = patched(
        '{"tracing":null,"prompt":null,"include":null,"tools":null,"parallel_tool_calls":null,'
        '"reasoning":null,"audio":{"input":{"transcription":null,"noise_reduction":null,'
        '"turn_detection":{"idle_timeout_ms":null}}}}',
        full,
    )
    assert empty == session()
    kept = patched('{"audio":{"input":{"transcription":{"language":null}}}}', full)
    assert kept.audio.input.transcription == wire.Transcription("a")


def test_null_keeps_what_cannot_be_null() -> None:
    assert (
        patched(
            '{"model":null,"instructions":null,"tool_choice":null,"max_output_tokens":null,'
            '"truncation":null,"output_modalities":null,"audio":{"input":{"format":null,'
            '"turn_detection":{"threshold":null,"create_response":null}},'
            '"output":{"format":null,"voice":null,"speed":null}}}'
        )
        == session()
    )
    assert patched('{"audio":null}') == session()
    assert patched('{"audio":{"input":null,"output":null}}') == session()


def test_another_type_of_detection_starts_from_its_own_defaults() -> None:
    mine = patched(
        '{"audio":{"input":{"turn_detection":{"threshold":0.9,"create_response":false}}}}'
    )
    semantic = patched('{"audio":{"input":{"turn_detection":{"type":"semantic_vad"}}}}', mine)
    assert semantic.audio.input.turn_detection == wire.SemanticVad()
    low = patched(
        '{"audio":{"input":{"turn_detection":{"eagerness":"low","threshold":0.1}}}}', semantic
    )
    assert low.audio.input.turn_detection == wire.SemanticVad(eagerness="low")
    back = patched('{"audio":{"input":{"turn_detection":{"type":"server_vad"}}}}', low)
    assert back.audio.input.turn_detection == wire.ServerVad()


def test_detection_that_was_off_comes_back_with_defaults() -> None:
    off = patched('{"audio":{"input":{"turn_detection":null}}}')
    on = patched('{"audio":{"input":{"turn_detection":{"threshold":0.7}}}}', off)
    assert on.audio.input.turn_detection == wire.ServerVad(threshold=0.7)


def test_noise_reduction_keeps_its_strength() -> None:
    strong = patched('{"audio":{"input":{"noise_reduction":{"type":"near_field","strength":0.5}}}}')
    far = patched('{"audio":{"input":{"noise_reduction":{"type":"far_field"}}}}', strong)
    assert far.audio.input.noise_reduction == wire.NoiseReduction("far_field", 0.5)


def test_the_model_is_fixed_and_may_be_repeated() -> None:
    assert patched('{"model":"test"}') == session()
    assert patched('{"model":"another"}') == session()


@pytest.mark.parametrize(
    ("json", "code", "param"),
    [
        ('{"type":"transcription"}', "invalid_parameter", "session.type"),
        ('{"output_modalities":[]}', "invalid_value", "session.output_modalities"),
        (
            '{"tools":[{"type":"mcp","server_label":"a"},{"type":"mcp","server_label":"a"}]}',
            "invalid_value",
            "session.tools",
        ),
    ],
)
def test_what_cannot_be_is_refused(json: str, code: str, param: str) -> None:
    with pytest.raises(Fault) as fault:
        patched(json)
    assert (fault.value.code, fault.value.param) == (code, param)


def test_a_transcription_session_takes_no_realtime_update() -> None:
    listening = wire.TranscriptionSession(id="sess_1", expires_at=1)
    with pytest.raises(Fault, match="realtime session update event to a transcription session"):
        patched('{"type":"realtime"}', listening)
    after = patched(
        '{"type":"transcription","instructions":"no","include":[],'
        '"audio":{"input":{"turn_detection":null},"output":{"voice":"ash"}}}',
        listening,
    )
    expected = wire.TranscriptionAudio(input=wire.AudioInput(turn_detection=None))
    assert after == msgspec.structs.replace(listening, audio=expected, include=())


def test_a_voice_is_locked_once_it_was_heard() -> None:
    with pytest.raises(Fault) as fault:
        patched('{"audio":{"output":{"voice":"ash"}}}', locked=True)
    assert fault.value.code == "cannot_update_voice"
    assert patched('{"audio":{"output":{"voice":"marin"}}}', locked=True) == session()
    assert patched('{"audio":{"output":{"voice":{"id":"marin"}}}}', locked=True)


def test_an_update_is_answered_with_the_whole_session_and_tells_the_engine() -> None:
    call = LawfulCall()
    call.client(update(instructions="Sing."))
    effects = call.take()
    assert [str(e.__struct_config__.tag) for e in effects] == ["session.updated", "configure"]
    assert effects[0].session == effects[1].session == call.conversation.session  # type: ignore[union-attr]
    assert call.conversation.session.instructions == "Sing."  # type: ignore[union-attr]


def test_a_refused_update_applies_nothing_of_it() -> None:
    call = LawfulCall()
    call.client(update(instructions="Sing.", output_modalities=()))
    assert refusal(call) == ("invalid_value", "session.output_modalities")
    assert call.conversation.session == session()


def test_the_voice_locks_when_the_assistant_first_speaks() -> None:
    call = LawfulCall()
    other = wire.AudioPatch(output=wire.AudioOutputPatch(voice="ash"))
    call.client(update(audio=other), respond()).engine_speaks(100, "Hi.").take()
    call.client(update(audio=wire.AudioPatch(output=wire.AudioOutputPatch(voice="marin"))))
    assert refusal(call) == ("cannot_update_voice", None)
    call.client(update(audio=other))
    assert call.types() == ["session.updated"]


def test_a_running_response_keeps_the_settings_it_began_with() -> None:
    call = by_hand()
    call.client(respond(), update(max_output_tokens=1, output_modalities=("text",)))
    call.engine_speaks(1_000, "A long answer it is.").engine_finishes()
    done = call.types()
    assert "response.output_audio.delta" in done
    assert done[-2:] == ["response.done", "rate_limits.updated"]


def test_a_choice_of_a_tool_that_is_not_there_is_refused_when_it_is_used() -> None:
    call = by_hand()
    call.client(update(tool_choice=wire.FunctionChoice("look"))).take()
    call.client(respond())
    assert refusal(call) == ("invalid_value", "response.tool_choice")
    call.client(respond(tools=(LOOK,)))
    assert call.types() == ["response.created"]


def test_an_automatic_answer_that_cannot_be_is_an_error_of_nobodys_event() -> None:
    call = hands_free()
    call.client(update(tool_choice=wire.FunctionChoice("look"))).take()
    call.user_speaks(200).user_is_quiet(700)
    error = call.events()[-1]
    assert isinstance(error, Error)
    assert (error.error.code, error.error.event_id) == ("invalid_value", None)
