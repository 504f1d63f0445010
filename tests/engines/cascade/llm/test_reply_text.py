"""Each case in the way some model or server is known to write it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.reply_blocks import MAX_CALL_CHARS, Template
from antiphon.engines.cascade.llm.reply_marks import MARKS
from antiphon.engines.cascade.llm.reply_text import ReplyText, tools_on_offer
from antiphon.engines.cascade.llm.written_calls import Schemas
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.protocol.session import FunctionTool

TOOLS: Schemas = {
    "get_weather": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
    "get_time": {},
}
ROME = ("get_weather", {"city": "Rome"})


def joined(parts: Iterable[Thinking]) -> list[object]:
    """Texts in one piece between calls, calls as (name, arguments)."""
    found: list[object] = []
    for part in parts:
        match part:
            case SayText(text) if found and isinstance(found[-1], str):
                found[-1] += text
            case SayText(text):
                found.append(text)
            case CallTool(_, name, arguments, ended):
                assert ended
                found.append((name, json.loads(arguments)))
    return found


def reply(*pieces: str, tools: Schemas = TOOLS, cut_short: bool = False) -> list[object]:
    filtered = ReplyText(tools)
    parts = [part for piece in pieces for part in filtered.feed(piece)]
    return joined(parts + filtered.flush(cut_short=cut_short))


THOUGHTS = [
    ("<think>\nThe user wants the weather.\n</think>\n\nSunny.", "Sunny."),
    ("<THINK>x</THINK>Sunny.", "Sunny."),
    ("<thinking>x</thinking>Sunny.", "Sunny."),
    ("<reasoning>x < y, I <b>think</reasoning>Sunny.", "Sunny."),
    ("<think>x</thinking>Sunny.", "Sunny."),
    ("◁think▷x◁/think▷Sunny.", "Sunny."),
    ("[THINK]x[/THINK]Sunny.", "Sunny."),
    ("<|START_THINKING|>x<|END_THINKING|>Sunny.", "Sunny."),
    ("<think></think>Sunny.", "Sunny."),
    ("Well. <think>hm</think>Sunny.", "Well. Sunny."),
    ("\n\n</think>\n\nSunny.", "Sunny."),
    ("<|channel|>analysis<|message|>x<|end|>"
     "<|start|>assistant<|channel|>final<|message|>Sunny.", "Sunny."),
    ("<|start|>assistant<|channel|>final<|message|>Sunny.<|return|>", "Sunny."),
    ("<|channel|>commentary<|message|>Sunny.<|end|>", "Sunny."),
    ("<|channel|>commentary to=python <|message|>print(1)<|call|>Sunny.", "Sunny."),
    ("analysisThe user wants it.assistantfinalSunny.", "Sunny."),
]  # fmt: skip

TOKENS = [
    ("Sunny.<|im_end|>", "Sunny."),
    ("Sunny.<|eot_id|>", "Sunny."),
    ("Sunny.<|end|><|endoftext|>", "Sunny."),
    ("Sunny.</s>", "Sunny."),
    ("Sunny.<end_of_turn>", "Sunny."),
    ("Sunny.<｜end▁of▁sentence｜>", "Sunny."),
    ("<s>[INST] <<SYS>>Sunny.<</SYS>>[/INST]", "Sunny."),
    ("<|im_start|>assistant\nSunny.", "Sunny."),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nSunny.", "Sunny."),
    ("<start_of_turn>model\nSunny.<end_of_turn>", "Sunny."),
    ("Sunny.<|im_end|><|im_start|>user\nAnd now?<|im_end|>"
     "<|im_start|>assistant\n Rainy.", "Sunny. Rainy."),
]  # fmt: skip

CALLS = [
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>',
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}',
    '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Rome\\"}"}</tool_call>',
    '<tool_call>[{"name": "get_weather", "parameters": {"city": "Rome"}}]</tool_call>',
    "<tool_call><function=get_weather><parameter=city>\nRome\n</parameter></function></tool_call>",
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value></tool_call>",
    '<function=get_weather>{"city": "Rome"}</function>',
    '<function_call>{"name": "get_weather", "arguments": {"city": "Rome"}}</function_call>',
    '<invoke name="get_weather"><parameter name="city">Rome</parameter></invoke>',
    '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Rome"}}]',
    '[TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}',
    '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Rome"}}]<|/tool_call|>',
    '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Rome"}}<|eom_id|>',
    '{"name": "get_weather", "parameters": {"city": "Rome"}}',
    '{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Rome"}}}',
    '```json\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n```',
    "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
    '{"city": "Rome"}<|call|>',
    "<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>"
    '{"city": "Rome"}',
    'analysisLet me look.assistantcommentary to=functions.get_weather json{"city": "Rome"}',
    'commentary to=functions.get_weather json{"city": "Rome"}',
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n'
    '{"city": "Rome"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    '<|tool_call_argument_begin|>{"city": "Rome"}<|tool_call_end|><|tool_calls_section_end|>',
]  # fmt: skip

UNHARMED = [
    "Is a < b or a<b? Use x <- f(y) and a <| b |> c, x <|> y.",
    "use the <b> tag, the <table> and the <s>struck</s> one",
    'In `<think>` and "<|im_end|>" the model thinks.',
    "the <tool_call> tag, and <function=…> too",
    "[1] See [INSTALL] and [the page](https://example.com).",
    '{"a": 1} is JSON, and so is {"name": "get_weather"}',
    '{"name": "Bob"}',
    "[1, 2]",
    "```python\nprint('<b>')\n```",
    '```json\n{"name": "Bob", "age": 5}\n```\nThat is Bob.',
    "``` \nnothing\n```",
    "analysis is hard, final answers are short",
    "a",
    "assistant",
    "<",
    "  Two spaces before.  ",
    "Ends in <thin",
    "İ <İthink> \ud800 \0",
]


@pytest.mark.parametrize(("text", "left"), THOUGHTS + TOKENS)
def test_thoughts_and_control_tokens_are_not_for_people(text: str, left: str) -> None:
    assert reply(text) == [left]


@pytest.mark.parametrize(
    "text", ["<think>it never ends", "<|channel|>analysis<|message|>so", "<think"]
)
def test_a_thought_that_never_ends_hides_the_rest(text: str) -> None:
    assert reply(text) in ([], ["<think"])


@pytest.mark.parametrize("text", CALLS)
def test_a_call_written_as_text_is_made(text: str) -> None:
    assert reply(text) == [ROME]


@pytest.mark.parametrize("text", CALLS)
def test_a_call_of_no_tool_on_offer_is_never_made_nor_spoken_in_marks(text: str) -> None:
    found = reply(text, tools={"other": {}})
    assert found == [] or (found == [text] and text[0] in "{`")
    assert not any(isinstance(part, tuple) for part in reply(text, tools={}))


@pytest.mark.parametrize("text", CALLS)
def test_half_a_call_is_none(text: str) -> None:
    cut = text[: text.index("Rome") + 2]
    for cut_short in (True, False):
        assert not any(isinstance(part, tuple) for part in reply(cut, cut_short=cut_short))


@pytest.mark.parametrize("text", UNHARMED)
def test_what_only_looks_like_a_mark_passes(text: str) -> None:
    assert reply(text) == [text]


def test_calls_and_text_keep_their_order() -> None:
    text = f"Let me look.\n{CALLS[0]}\n{CALLS[0]}\nDone."
    assert reply(text) == ["Let me look.\n", ROME, ROME, "Done."]
    assert reply("; ".join([CALLS[13]] * 2)) == [ROME, ROME]


def test_values_written_without_quotes_are_what_the_schema_says() -> None:
    parameters = "<parameter=city>12</parameter><parameter=days>3</parameter>"
    text = f"<function=get_weather>{parameters}</function>"
    assert reply(text) == [("get_weather", {"city": "12", "days": 3})]


def test_each_call_has_an_id_of_its_own() -> None:
    parts = ReplyText(TOOLS).feed(CALLS[0] * 2)
    ids = [part.call_id for part in parts if isinstance(part, CallTool)]
    assert len(set(ids)) == 2


def test_a_call_of_the_server_ends_the_text_before_it() -> None:
    filtered = ReplyText(TOOLS)
    call = CallTool("call_1", "get_time", "{}")
    assert filtered.take(SayText("I look <")) == [SayText("I look ")]
    assert filtered.take(call) == [SayText("<"), call]
    assert filtered.take(Thought()) == [Thought()]


def test_a_limit_makes_no_call_of_what_it_cut() -> None:
    filtered = ReplyText(TOOLS)
    assert filtered.take(SayText(CALLS[1])) == []
    assert filtered.take(Thought("max_output_tokens")) == [Thought("max_output_tokens")]


def test_a_template_that_opens_the_thought_is_learned_from_its_first_answer() -> None:
    template = Template()
    whole = "The user wants it.\n</think>\n\nSunny."

    def answer(text: str, *, cut_short: bool = False) -> list[object]:
        filtered = ReplyText(TOOLS, template=template)
        parts = [part for piece in cut_every(text, 3) for part in filtered.feed(piece)]
        return joined(parts + filtered.flush(cut_short=cut_short))

    assert answer("In `</think>` it ends. <think>x</think>y") == ["In `</think>` it ends. y"]
    assert not template.opens_thought
    assert answer(whole) == ["The user wants it.\n\n\nSunny."], "nobody could know"
    assert answer(whole) == ["Sunny."]
    assert answer("<think>It</think>Sunny.") == ["Sunny."]
    assert answer("The user wa", cut_short=True) == []
    filtered = ReplyText(TOOLS, template=template)
    call = CallTool("call_1", "get_time", "{}")
    assert filtered.take(SayText("I must look.")) == []
    assert filtered.take(call) == [call]
    assert template.opens_thought
    assert answer("Sunny, without a thought.") == ["Sunny, without a thought."]
    assert not template.opens_thought
    assert ReplyText(TOOLS, template=template).feed("At once.") == [SayText("At once.")]


def test_text_is_delayed_no_more_than_it_must() -> None:
    filtered = ReplyText(TOOLS)
    assert filtered.feed("Is a <") == [SayText("Is a ")]
    assert filtered.feed(" b?") == [SayText("< b?")]
    assert filtered.feed(" [a") == [SayText(" [a")]
    assert filtered.feed(' {"name": ') == [SayText(' {"name": ')]
    assert ReplyText({}).feed('{"name": ') == [SayText('{"name": ')]


def test_memory_is_bounded() -> None:
    knows = Template()
    knows.opens_thought = True
    for opening in (
        "",
        "<think>",
        CALLS[0][:30],
        "[TOOL_CALLS] [{",
        '{"name": "',
        "<|channel|>final",
    ):
        filtered = ReplyText(TOOLS, template=None if opening else knows)
        filtered.feed(opening)
        for _ in range(40):
            filtered.feed("x" * (MAX_CALL_CHARS // 20))
        assert len(filtered._buffer) <= MAX_CALL_CHARS * 2


def test_only_functions_that_may_be_called_are_on_offer() -> None:
    tools = (FunctionTool(name="look"),)
    assert tools_on_offer(Generate(response_id="r", items=(), tools=tools)) == {"look": {}}
    assert (
        tools_on_offer(Generate(response_id="r", items=(), tools=tools, tool_choice="none")) == {}
    )


WHOLE = [text for text, _ in THOUGHTS + TOKENS] + CALLS + UNHARMED


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_how_the_text_is_cut_changes_nothing(step: int) -> None:
    for text in WHOLE:
        assert reply(*cut_every(text, step)) == reply(text), text


def cut_every(text: str, step: int) -> Sequence[str]:
    return [text[i : i + step] for i in range(0, len(text), step)]


_PARTS = st.sampled_from(
    [*MARKS, *WHOLE, "assistant", "final", "\n", " ", "{", "}", '"', "`", "<", "x"]
)
_TEXTS = st.lists(_PARTS | st.text(max_size=8), max_size=8).map("".join)


@given(_TEXTS, st.data())
def test_no_cut_changes_the_result_of_any_text(text: str, data: st.DataObject) -> None:
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in itertools.pairwise([0, *at, len(text)])]
    assert reply(*pieces) == reply(text)


@given(st.text(st.characters(exclude_characters="<[◁`{"), max_size=60))
def test_plain_text_passes_at_once(text: str) -> None:
    text = "It " + text
    assert joined(ReplyText(TOOLS).feed(text)) == [text]
