from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import EngineFinished
from antiphon.core.items import (
    CallEntry,
    HeardPart,
    ImagePart,
    MessageEntry,
    OutputEntry,
    Part,
    SpokenPart,
    TextPart,
)
from antiphon.core.usage import (
    IMAGE_TOKENS,
    Tokens,
    add_usage,
    entry_tokens,
    instruction_tokens,
    text_tokens,
    usage_of,
)
from antiphon.protocol import server
from antiphon.protocol.client import InputAudioBufferCommit
from antiphon.protocol.session import FunctionTool
from tests.core.stories import append, by_hand, respond, text


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (TextPart("input_text", "x" * 9), Tokens(text=3)),
        (TextPart("output_text", ""), Tokens()),
        (HeardPart("said", samples=24 * 1_000), Tokens(audio=10)),
        (HeardPart(None, samples=24 * 101), Tokens(audio=2)),
        (SpokenPart("x" * 4, samples=24 * 1_000), Tokens(text=1, audio=20)),
        (ImagePart("data:"), Tokens(image=IMAGE_TOKENS)),
    ],
)
def test_each_kind_of_part_has_its_price(part: Part, tokens: Tokens) -> None:
    assert entry_tokens(MessageEntry("a", "user", parts=[part, part])) == tokens + tokens


def test_calls_and_outputs_count_as_text() -> None:
    assert entry_tokens(CallEntry("a", "look", "call_1", "{}")) == Tokens(2)
    assert entry_tokens(OutputEntry("a", "call_1", "x" * 8)) == Tokens(2)


def test_tools_count_with_the_instructions() -> None:
    assert instruction_tokens("", ()) == 0
    assert instruction_tokens("x" * 8, ()) == 2
    assert instruction_tokens("x" * 8, (FunctionTool("look"),)) > 2


def test_a_bill_that_somebody_else_wrote_is_shown_as_it_is() -> None:
    bill = server.Usage(
        total_tokens=61,
        input_tokens=50,
        output_tokens=11,
        input_token_details=server.InputTokenDetails(
            text_tokens=10,
            audio_tokens=40,
            cached_tokens=30,
            cached_tokens_details=server.CachedTokenDetails(text_tokens=5, audio_tokens=25),
        ),
        output_token_details=server.OutputTokenDetails(text_tokens=3, audio_tokens=8),
    )
    call = by_hand()
    call.client(respond()).engine_speaks(400, "Well.")
    call.give(EngineFinished(call.response_id, usage=bill))
    assert call.one(server.ResponseDone).response.usage == bill
    assert call.conversation.used == bill


COUNT = st.none() | st.integers(0, 1_000)


@given(st.tuples(*[st.integers(0, 500)] * 3), st.text(max_size=40), COUNT, COUNT, COUNT)
def test_a_bill_is_the_sum_of_its_lines(
    context: tuple[int, int, int],
    said: str,
    taken: int | None,
    made: int | None,
    cached: int | None,
) -> None:
    part = SpokenPart(said, samples=len(said) * 1_000)
    spoken = MessageEntry("a", "assistant", parts=[part])
    counted = EngineFinished("r", None, taken, made, cached)
    usage = usage_of(Tokens(*context), [spoken], counted)
    lines = usage.input_token_details
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens == lines.text_tokens + lines.audio_tokens + lines.image_tokens
    assert lines.cached_tokens == lines.cached_tokens_details.text_tokens <= lines.text_tokens
    out = usage.output_token_details
    assert usage.output_tokens == out.text_tokens + out.audio_tokens
    assert usage.input_tokens == (sum(context) if taken is None else taken)
    assert out.text_tokens == (text_tokens(said) if made is None else made)


def test_a_response_bills_its_context_and_what_it_made() -> None:
    call = by_hand()
    call.client(append(1_000))
    call.client(InputAudioBufferCommit(), text("x" * 40), respond(instructions="x" * 4))
    call.engine_speaks(500, "x" * 8).engine_finishes()
    usage = call.one(server.ResponseDone).response.usage
    assert usage is not None
    assert usage.input_token_details == server.InputTokenDetails(text_tokens=11, audio_tokens=10)
    assert usage.output_token_details == server.OutputTokenDetails(text_tokens=2, audio_tokens=10)


def test_what_an_engine_counted_overrules_the_estimate() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(500, "x" * 8)
    call.take()
    call.give(EngineFinished(call.response_id, None, 100, 7, 60))
    usage = call.one(server.ResponseDone).response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 17, 117)
    assert usage.input_token_details.cached_tokens == 60


USAGE = st.builds(
    lambda context, made: usage_of(
        Tokens(*context), [MessageEntry("a", "assistant", parts=made)], None
    ),
    st.tuples(*[st.integers(0, 500)] * 3),
    st.lists(st.builds(TextPart, st.just("output_text"), st.text(max_size=20)), max_size=2),
)


@given(USAGE, USAGE)
def test_two_bills_add_up_line_by_line(one: server.Usage, other: server.Usage) -> None:
    both = add_usage(one, other)
    assert both.total_tokens == one.total_tokens + other.total_tokens
    assert both.total_tokens == both.input_tokens + both.output_tokens
    lines = both.input_token_details
    assert both.input_tokens == lines.text_tokens + lines.audio_tokens + lines.image_tokens
    assert add_usage(one, server.Usage()) == one


def test_a_conversation_knows_what_its_responses_used() -> None:
    call = by_hand()
    call.client(text("x" * 40), respond()).engine_writes("x" * 8).engine_finishes()
    call.client(respond(conversation="none")).engine_writes("x" * 4)
    call.client(respond()).engine_finishes()
    used = [e.response.usage for e in call.events() if isinstance(e, server.ResponseDone)]
    assert len(used) == 2
    assert used[0] is not None
    assert used[1] is not None
    assert call.conversation.used == add_usage(used[0], used[1])
