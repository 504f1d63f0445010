from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.core.causes import (
    EngineCalled,
    EngineErred,
    EngineFailed,
    EngineFinished,
    EngineLost,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    PartFailed,
    RateLimitsChanged,
    TranscriptEnded,
    Word,
)
from antiphon.core.effects import (
    Configure,
    Effect,
    Generate,
    StopGenerating,
    TurnCommitted,
)
from antiphon.core.responses import MAX_OUT_OF_BAND, UNLIMITED
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import (
    FunctionCall,
    InputAudio,
    InputText,
    ItemReference,
    Message,
    OutputAudio,
)
from antiphon.testing.virtual_call import session
from tests.core.stories import (
    append,
    by_hand,
    function_call,
    function_output,
    hands_free,
    ids,
    of_kind,
    refusal,
    respond,
    text,
    update,
    update_input,
)
from tests.core.witness import LawfulCall

CANCEL = client.ResponseCancel()


def done(call: LawfulCall) -> server.Response:
    return call.one(server.ResponseDone).response


def generate(effects: list[Effect]) -> Generate:
    [found] = [e for e in effects if isinstance(e, Generate)]
    return found


# --- From created to done ----------------------------------------------------


def test_a_spoken_answer_in_the_order_of_the_reference() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(400, "Hello.").engine_finishes()
    assert call.types() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_a_written_answer_has_no_audio_events() -> None:
    call = by_hand()
    call.client(respond(output_modalities=("text",))).engine_writes("Hel").engine_writes("lo.")
    call.engine_finishes()
    assert call.types() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_a_call_of_a_function_has_neither_parts_nor_audio() -> None:
    call = by_hand()
    call.client(respond())
    call.give(EngineCalled(call.response_id, "call_1", "look", '{"at":', ended=False))
    call.give(EngineCalled(call.response_id, "call_1", "look", '"me"}'))
    call.engine_finishes()
    events = call.events()
    assert [e.__struct_config__.tag for e in events] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    [item] = events[-2].response.output  # type: ignore[union-attr]
    assert isinstance(item, FunctionCall)
    assert (item.status, item.arguments) == ("completed", '{"at":"me"}')


def test_a_preamble_and_two_calls_are_three_items() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(300, "One moment.")
    call.engine_calls("look", "{}", "call_1").engine_calls("hear", "{}", "call_2").engine_finishes()
    events = call.events()
    assert [e.output_index for e in of_kind(events, server.ResponseOutputItemAdded)] == [0, 1, 2]
    [response] = [e.response for e in of_kind(events, server.ResponseDone)]
    assert [type(i).__name__ for i in response.output] == [
        "Message",
        "FunctionCall",
        "FunctionCall",
    ]


def test_half_a_call_is_closed_as_incomplete() -> None:
    call = by_hand()
    call.client(respond())
    call.give(EngineCalled(call.response_id, "call_1", "look", '{"at', ended=False))
    call.engine_finishes()
    [item] = done(call).output
    assert item.status == "incomplete"


def test_speech_after_writing_is_another_item() -> None:
    call = by_hand()
    call.client(respond()).engine_writes("Note.").engine_speaks(100, "Hi.").engine_writes("End.")
    call.engine_finishes()
    kinds = [type(i.content[0]).__name__ for i in done(call).output]  # type: ignore[union-attr]
    assert kinds == ["OutputText", "OutputAudio", "OutputText"]


def test_an_engine_that_cannot_speak_answers_in_text() -> None:
    call = by_hand(engine_speaks=False)
    call.client(respond())
    assert generate(call.take()).modality == "text"
    call.give(EngineSaid(call.response_id, "Hello."))
    call.give(EngineSpoke(call.response_id, bytes(480)))
    assert "response.output_text.delta" in call.types()


@pytest.mark.parametrize("samples", [0, 1, 4_799, 4_800, 4_801, 24_000])
def test_audio_deltas_are_short_and_lose_nothing(samples: int) -> None:
    call = by_hand()
    call.client(respond()).give(EngineSpoke(call.response_id, b"\1\2" * samples))
    deltas = [e.delta for e in of_kind(call.events(), server.ResponseOutputAudioDelta)]
    assert b"".join(deltas) == b"\1\2" * samples
    assert all(0 < len(d) <= 9_600 for d in deltas)


@pytest.mark.parametrize("audio_format", [wire.PcmuFormat(), wire.PcmaFormat()])
def test_an_answer_in_g711_is_as_long_as_it_was_spoken(audio_format: Any) -> None:
    call = by_hand()
    output = client.ResponseAudioOutput(format=audio_format)
    call.client(respond(audio=client.ResponseAudio(output)))
    for _ in range(5):
        call.engine_speaks(100)
    call.engine_finishes()
    deltas = of_kind(call.events(), server.ResponseOutputAudioDelta)
    assert sum(len(e.delta) for e in deltas) == 4_000


def test_nothing_said_is_a_done_with_no_output() -> None:
    call = by_hand()
    call.client(respond(metadata={"k": "v"})).engine_finishes()
    created, finished, _ = call.events()
    assert isinstance(created, server.ResponseCreated)
    assert isinstance(finished, server.ResponseDone)
    assert finished.response.output == ()
    assert created.response.metadata == finished.response.metadata == {"k": "v"}
    assert created.response.usage is None
    assert finished.response.usage is not None


# --- What a response is told -------------------------------------------------


def test_a_response_is_what_the_session_says() -> None:
    tool = wire.FunctionTool("look")
    call = LawfulCall(session(instructions="Sing.", tools=(tool,), max_output_tokens=9))
    call.client(text("Hello."), respond())
    command = generate(call.take())
    assert (command.instructions, command.tools, command.max_output_tokens) == ("Sing.", (tool,), 9)
    assert (command.modality, command.voice, command.speed) == ("audio", "marin", 1.0)
    assert [i.id for i in command.items] == ids(call)
    assert command.out_of_band is False


def test_a_response_may_differ_from_its_session_in_everything() -> None:
    tool = wire.FunctionTool("look")
    call = LawfulCall(session(instructions="Sing.", tools=(tool,)))
    output = client.ResponseAudioOutput(format=wire.PcmuFormat(), voice="ash", speed=1.5)
    call.client(
        respond(
            instructions="",
            tools=(),
            tool_choice="none",
            max_output_tokens=5,
            output_modalities=("audio",),
            audio=client.ResponseAudio(output),
        )
    )
    effects = call.take()
    command = generate(effects)
    assert (command.instructions, command.tools, command.tool_choice) == ("", (), "none")
    assert (command.voice, command.speed, command.max_output_tokens) == ("ash", 1.5, 5)
    shown = of_kind(effects, server.ResponseCreated)[0].response  # type: ignore[arg-type]
    assert shown.audio.output == server.ResponseVoice(wire.PcmuFormat(), "ash")
    call.engine_finishes().client(respond())
    assert generate(call.take()).instructions == "Sing."


LOW = wire.Reasoning("low")


@pytest.mark.parametrize(
    ("of_session", "of_response", "told"),
    [
        ({}, {}, (None, None)),
        ({"parallel_tool_calls": False, "reasoning": LOW}, {}, (False, "low")),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": True}, (True, None)),
        (
            {"reasoning": wire.Reasoning("low")},
            {"reasoning": wire.Reasoning("high")},
            (None, "high"),
        ),
        ({"reasoning": LOW}, {"reasoning": None}, (None, "low")),
    ],
)
def test_how_to_reason_and_call_reaches_the_engine(
    of_session: dict[str, Any], of_response: dict[str, Any], told: tuple[bool | None, str | None]
) -> None:
    command = generate(LawfulCall(session(**of_session)).client(respond(**of_response)).take())
    assert (command.parallel_tool_calls, command.reasoning_effort) == told


@pytest.mark.parametrize(
    ("truncation", "may"), [("auto", True), ("disabled", False), (wire.RetentionRatio(0.5), True)]
)
def test_an_engine_knows_whether_it_may_leave_items_out(truncation: Any, may: bool) -> None:
    command = generate(LawfulCall(session(truncation=truncation)).client(respond()).take())
    assert command.may_truncate is may


def test_null_options_are_those_of_the_session() -> None:
    call = by_hand()
    options = ("output_modalities", "instructions", "audio", "tools", "tool_choice", "input")
    call.client(respond(**dict.fromkeys(options), conversation=None, metadata=None))
    command = generate(call.take())
    assert command.instructions == wire.DEFAULT_INSTRUCTIONS
    assert command.voice == "marin"


def test_input_takes_the_place_of_the_conversation() -> None:
    call = by_hand()
    call.client(text("Old.", "old"), text("Older.", "older", role="system"))
    new = Message(role="user", content=(InputText("New."),))
    call.client(respond(input=(ItemReference(id="older"), new)))
    asked = generate(call.take())
    assert not asked.items_are_conversation
    assert asked.items[0].id == "older"
    assert len(asked.items) == 2
    assert ids(call) == ["old", "older"], "it is not added"
    call.engine_speaks(100, "Yes.").engine_finishes()
    assert len(ids(call)) == 3, "but its answer is"
    call.client(respond())
    assert generate(call.take()).items_are_conversation


def test_an_empty_input_is_an_empty_context() -> None:
    call = by_hand()
    call.client(text("Old."), respond(input=()))
    assert generate(call.take()).items == ()


def test_a_reference_to_nothing_is_refused_with_its_place() -> None:
    call = by_hand()
    new = Message(role="user", content=(InputText("New."),))
    call.client(respond(input=(new, ItemReference(id="none"))))
    assert refusal(call) == ("item_reference_not_found", "response.input[1].id")


def test_uncommitted_audio_is_no_part_of_the_context() -> None:
    call = by_hand()
    call.client(append(500), respond())
    assert generate(call.take()).items == ()


def test_a_transcription_session_answers_nothing() -> None:
    call = LawfulCall(wire.TranscriptionSession(id="sess_1", expires_at=1))
    call.client(respond())
    assert refusal(call)[0] == "invalid_event"


# --- One at a time, and beside it --------------------------------------------


def test_a_second_response_is_refused_and_the_first_goes_on() -> None:
    call = by_hand()
    call.client(respond())
    first = call.response_id
    call.take()
    call.client(client.ResponseCreate(event_id="again"))
    error = call.one(server.Error).error
    assert error.code == "conversation_already_has_active_response"
    assert first in error.message
    assert (error.event_id, error.param) == ("again", None)
    call.engine_speaks(100, "Still here.")
    assert "response.output_audio.delta" in call.types()


def test_a_response_out_of_band_runs_beside_and_leaves_no_trace() -> None:
    call = by_hand()
    call.client(respond())
    main = call.response_id
    call.client(respond(conversation="none", metadata={"topic": "mood"}))
    beside = call.response_id
    effects = call.take()
    created = of_kind(effects, server.ResponseCreated)  # type: ignore[arg-type]
    assert [c.response.conversation_id is None for c in created] == [False, True]
    call.give(EngineWrote(beside, "Cheerful."))
    call.give(EngineSaid(main, "Hello."))
    call.give(EngineFinished(beside))
    types = call.types()
    assert types.count("conversation.item.added") == 1
    assert len(ids(call)) == 1
    call.give(EngineFinished(main))
    assert done(call).id == main


def test_too_many_beside_are_refused() -> None:
    call = by_hand()
    call.client(*[respond(conversation="none")] * MAX_OUT_OF_BAND).take()
    call.client(respond(conversation="none"))
    assert refusal(call)[0] == "rate_limit_exceeded"
    call.client(respond())
    assert call.types() == ["response.created"]


def test_the_user_does_not_interrupt_what_runs_beside() -> None:
    call = hands_free()
    call.client(respond(conversation="none")).take()
    call.user_speaks(300)
    assert not any(isinstance(e, StopGenerating) for e in call.take())


# --- Ends --------------------------------------------------------------------


def test_cancelling_closes_all_and_says_by_whom() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(400, "Hello", words=[Word(5, 2_400)]).take()
    call.client(CANCEL)
    effects = call.take()
    assert isinstance(effects[0], StopGenerating)
    assert [str(e.__struct_config__.tag) for e in effects[1:]] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    response = effects[-2].response  # type: ignore[union-attr]
    assert response.status_details == server.StatusDetails(
        type="cancelled", reason="client_cancelled"
    )
    assert [i.status for i in response.output] == ["incomplete"]


def test_cancelling_before_the_first_word_leaves_nothing() -> None:
    call = by_hand()
    call.client(respond()).take()
    call.client(CANCEL)
    response = done(call)
    assert (response.status, response.output) == ("cancelled", ())


def test_cancelling_nothing_is_refused_in_the_words_that_clients_know() -> None:
    call = by_hand()
    for event in (CANCEL, client.ResponseCancel(response_id="resp_none")):
        call.client(event)
        error = call.one(server.Error).error
        assert error.code == "response_cancel_not_active"
        assert error.message.startswith("Cancellation failed")


def test_cancel_without_an_id_spares_what_runs_beside() -> None:
    call = by_hand()
    call.client(respond(conversation="none")).take()
    call.client(CANCEL)
    assert refusal(call)[0] == "response_cancel_not_active"
    call.client(client.ResponseCancel(response_id=call.response_id))
    assert done(call).status == "cancelled"


def test_late_news_of_a_stopped_response_is_ignored() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(100, "Hel")
    call.client(CANCEL).take()
    call.engine_speaks(100, "lo.").engine_writes("x").engine_calls("look", "{}").engine_finishes()
    call.give(EngineFailed(call.response_id, "late"))
    assert call.take() == []


def test_words_that_were_never_spoken_do_not_stay_after_an_interruption() -> None:
    """The transcript runs ahead of the sound; a client that heard all of it truncates nothing."""
    call = hands_free()
    call.client(respond())
    call.engine_speaks(500, "One two three.", words=[Word(3, 6_000), Word(7, 12_000)]).take()
    call.user_speaks(200)
    assistant = call.conversation.items[0]
    assert isinstance(assistant, Message)
    assert assistant.content == (OutputAudio("One two"),)


def test_a_failure_fails_the_response_and_the_session_lives() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(100, "Hel").take()
    call.give(EngineFailed(call.response_id, "out of memory", code="oom"))
    response = done(call)
    assert response.status_details == server.StatusDetails(
        type="failed", error=server.ResponseError(code="oom", message="out of memory")
    )
    assert [i.status for i in response.output] == ["incomplete"]
    call.client(respond())
    assert call.types() == ["response.created"]


def test_a_failure_before_the_first_word_costs_nothing() -> None:
    call = by_hand()
    call.client(text("Hello."), respond()).take()
    call.give(EngineFailed(call.response_id, "no"))
    assert done(call).usage == server.Usage()


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_an_engine_that_stops_early_leaves_it_incomplete(reason: Any) -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(100, "Hel").take()
    call.give(EngineFinished(call.response_id, reason))
    response = done(call)
    assert response.status_details == server.StatusDetails(type="incomplete", reason=reason)


@pytest.mark.parametrize(
    "news",
    [
        EngineSpoke("", bytes(2 * 24 * 500)),
        EngineWrote("", "x" * 40),
        EngineSaid("", "x" * 40),
        EngineCalled("", "call_1", "look", '"' + "x" * 38 + '"'),
    ],
)
def test_the_token_limit_stops_speech_text_and_calls(news: Any) -> None:
    call = by_hand()
    call.client(respond(max_output_tokens=10)).take()
    call.give(msgspec.structs.replace(news, response_id=call.response_id))
    effects = call.take()
    assert StopGenerating(call.response_id) in effects
    response = of_kind(effects, server.ResponseDone)[0].response  # type: ignore[arg-type]
    assert (response.status, response.max_output_tokens) == ("incomplete", 10)
    assert response.status_details.reason == "max_output_tokens"


def test_below_the_limit_nothing_is_cut() -> None:
    call = by_hand()
    call.client(respond(max_output_tokens=10)).engine_speaks(450).engine_finishes()
    assert done(call).status == "completed"


def test_a_lost_engine_fails_all_and_is_told_the_session_again() -> None:
    call = by_hand()
    call.client(respond(), respond(conversation="none")).take()
    call.give(EngineLost("it crashed"))
    effects = call.take()
    finished = of_kind(effects, server.ResponseDone)  # type: ignore[arg-type]
    assert [f.response.status for f in finished] == ["failed", "failed"]
    assert isinstance(effects[-1], Configure)
    error = of_kind(effects, server.Error)[0].error  # type: ignore[arg-type]
    assert (error.type, error.code) == ("server_error", None)
    call.client(respond())
    assert call.types() == ["response.created"]


def test_rate_limits_can_be_left_out() -> None:
    call = by_hand(announce_rate_limits=False)
    call.client(respond()).engine_finishes()
    assert call.types() == ["response.created", "response.done"]


# --- Automatic answers -------------------------------------------------------


def test_speech_interrupts_the_answer() -> None:
    call = hands_free()
    call.client(respond()).engine_speaks(3_000, "A long answer.").take()
    call.user_speaks(100)
    types = call.types()
    assert types[0] == "input_audio_buffer.speech_started"
    assert types[-2:] == ["response.done", "rate_limits.updated"]


def test_speech_after_the_answer_interrupts_nothing() -> None:
    call = hands_free()
    call.client(respond()).engine_speaks(3_000, "A long answer.").engine_finishes().take()
    call.user_speaks(100)
    assert call.types() == ["input_audio_buffer.speech_started"]


def test_an_answer_waits_for_the_one_that_may_not_be_interrupted() -> None:
    call = hands_free(wire.ServerVad(interrupt_response=False))
    call.client(respond()).engine_speaks(100, "First.")
    first = call.response_id
    call.user_speaks(300).user_is_quiet(700).user_speaks(300).user_is_quiet(700)
    assert call.types().count("response.created") == 1
    call.engine_finishes()
    types = call.types()
    assert types[-2:] == ["rate_limits.updated", "response.created"], "one answer to both turns"
    assert call.response_id != first
    call.engine_finishes()
    assert "response.created" not in call.types()


def test_the_client_answers_its_functions_itself() -> None:
    call = by_hand()
    call.client(respond()).engine_calls("look", "{}").engine_finishes().take()
    call.client(function_output("call_1", "a tree"))
    assert call.types() == ["conversation.item.added", "conversation.item.done"]
    call.client(respond())
    assert [type(i).__name__ for i in generate(call.take()).items] == [
        "FunctionCall",
        "FunctionCallOutput",
    ]


# --- A context that is too long ----------------------------------------------


def test_a_context_that_may_not_be_cut_fails_at_once() -> None:
    call = LawfulCall(session(truncation="disabled", instructions=""), context_tokens=100)
    call.client(text("x" * 404), respond(metadata={"k": "v"}))
    effects = call.take()
    assert not any(isinstance(e, Generate) for e in effects)
    response = of_kind(effects, server.ResponseDone)[0].response  # type: ignore[arg-type]
    assert response.status == "failed"
    assert response.status_details.error.code == "context_length_exceeded"
    assert response.usage == server.Usage()
    call.client(update(truncation="auto"), respond())
    assert "response.created" in call.types()


def test_what_does_not_fit_is_left_out_of_the_prompt_and_stays_in_the_conversation() -> None:
    call = LawfulCall(session(instructions=""), context_tokens=100)
    call.client(*(text("x" * 160, f"m{n}") for n in range(4)), respond())
    assert [i.id for i in generate(call.take()).items] == ["m2", "m3"]
    assert ids(call) == ["m0", "m1", "m2", "m3"]


def test_a_functions_output_keeps_its_call_however_long() -> None:
    call = LawfulCall(session(instructions=""), context_tokens=100)
    call.client(text("x" * 100), function_call("call_1"), function_output("call_1", "y" * 4_000))
    call.client(respond())
    assert [type(i).__name__ for i in generate(call.take()).items] == [
        "FunctionCall",
        "FunctionCallOutput",
    ]


# --- What is heard in `input` --------------------------------------------------

HEARD = Message(role="user", content=(InputAudio(audio=b"\1\0" * 2_400),), id="mine")


def test_the_words_of_audio_in_the_input_are_found_out_before_it_is_answered() -> None:
    call = by_hand()
    call.client(text("Something else.", "mine")).take()
    call.client(respond(input=(HEARD,), conversation="none"))
    effects = call.take()
    committed = next(e for e in effects if isinstance(e, TurnCommitted))
    asked = generate(effects)
    assert effects.index(committed) < effects.index(asked)
    assert committed.pcm == b"\1\0" * 2_400
    [item] = asked.items
    assert isinstance(item, Message)
    assert (item.id, item.content) == (committed.item_id, (InputAudio(None),))
    assert committed.item_id != "mine", "the words of another item are known under that name"


def test_what_was_said_in_the_input_is_told_to_nobody_else() -> None:
    call = by_hand()
    call.client(update_input(transcription=wire.TranscriptionPatch(model="whisper-1")))
    call.client(respond(input=(HEARD,))).take()
    call.give(TranscriptEnded(call.turn_id, "Who is there?"))
    assert call.take() == []
    assert ids(call) == []


def test_audio_of_the_input_counts_as_heard() -> None:
    call = by_hand()
    call.client(respond(input=(HEARD,))).engine_finishes()
    usage = done(call).usage
    assert usage is not None
    assert usage.input_token_details.audio_tokens == 1


def test_a_mistake_in_the_input_is_found_at_its_place() -> None:
    call = by_hand()
    call.client(respond(input=(HEARD, Message(role="user", content=(OutputAudio("x"),)))))
    assert refusal(call) == ("invalid_value", "response.input[1].content[0].type")


LIMITS = (server.RateLimit("requests", 100, 99, 0.6), server.RateLimit("tokens", 4_000, 10, 57.5))


def test_rate_limits_are_those_that_the_engine_told_last() -> None:
    call = by_hand()
    call.client(respond()).engine_writes("Yes.").engine_finishes()
    assert call.one(server.RateLimitsUpdated).rate_limits == UNLIMITED
    call.give(RateLimitsChanged(LIMITS))
    assert call.one(server.RateLimitsUpdated).rate_limits == LIMITS
    call.give(RateLimitsChanged(LIMITS))
    assert call.types() == []
    call.client(respond()).engine_writes("Yes.").engine_finishes()
    assert call.one(server.RateLimitsUpdated).rate_limits == LIMITS


def test_that_a_part_of_the_engine_failed_is_told_and_ends_nothing() -> None:
    call = by_hand()
    call.client(respond()).engine_writes("Well, ")
    call.take()
    call.give(PartFailed("voice", "voice_replaced", "It is hoarse.", response_id="resp_1"))
    told = call.one(server.PartFailed)
    assert (told.part, told.code, told.message) == ("voice", "voice_replaced", "It is hoarse.")
    assert (told.item_id, told.response_id) == (None, "resp_1")
    call.engine_writes("yes.").engine_finishes()
    assert done(call).status == "completed"


def test_an_error_of_the_engine_is_told_and_ends_nothing() -> None:
    call = by_hand()
    call.client(respond()).engine_writes("Well, ")
    call.take()
    detail = server.ErrorDetail(type="server_error", code="odd", message="Something is odd.")
    call.give(EngineErred(detail))
    assert call.one(server.Error).error == detail
    call.engine_writes("yes.").engine_finishes()
    assert done(call).status == "completed"
