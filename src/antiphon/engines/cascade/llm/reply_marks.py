"""The marks that chat templates leave in a model's text, as data.

Each comes from a template or a parser that is in use: DeepSeek-R1 and Qwen3 (``<think>``),
Kimi (``◁think▷``), Magistral (``[THINK]``), Command A (``<|START_THINKING|>``), Seed-OSS;
Hermes, Qwen and GLM (``<tool_call>``), Llama (``<function=``, ``<|python_tag|>``), Mistral
(``[TOOL_CALLS]``), Granite and Phi (``<|tool_call|>``), DeepSeek-V3, Kimi-K2, MiniMax; gpt-oss
(Harmony, https://cookbook.openai.com/articles/openai-harmony).
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

Kind = Literal["token", "thought", "call", "role", "channel"]


class Ends(Struct, frozen=True):
    """What ends a block."""

    pattern: re.Pattern[str]
    longest: int
    """Characters of the longest of them: one may have begun so long ago."""


def _ends(*marks: str, kept: tuple[str, ...] = ()) -> Ends:
    """``kept`` ones are marks of their own: they are read again."""
    pattern = "|".join([*map(re.escape, marks), *(f"(?={re.escape(mark)})" for mark in kept)])
    return Ends(re.compile(pattern, re.IGNORECASE), max(map(len, [*marks, *kept])))


class Mark(Struct, frozen=True):
    kind: Kind
    """What the text behind the mark is; "token": text like any other."""
    ends: Ends | None = None
    """None for a call: it ends with its JSON value."""
    like_a_word: bool = False
    """People write it too ("the <tool_call> tag"): what follows must look like a call."""


_THOUGHT_BEGINS = (
    "<think>", "<thinking>", "<thought>", "<reasoning>", "<seed:think>", "◁think▷",
    "[think]", "<|start_thinking|>", "<|begin_of_thought|>",
)  # fmt: skip
_THOUGHT_ENDS = (
    "</think>", "</thinking>", "</thought>", "</reasoning>", "</seed:think>", "◁/think▷",
    "[/think]", "<|end_thinking|>", "<|end_of_thought|>",
)  # fmt: skip
THOUGHT_END = _ends(*_THOUGHT_ENDS)
_TAGGED_CALLS = ("tool_call", "tool_calls", "toolcall", "function_call", "functioncall")
_ROLES = ("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|start_of_role|>")
_CHANNELS = ("<|start|>", "<|channel|>")
_TOKENS = (
    "</s>", "[inst]", "[/inst]", "<<sys>>", "<</sys>>", "<bos>", "<eos>", "<pad>", "<unk>",
    "<end_of_turn>", "[/tool_calls]", "[tool_results]", "[/tool_results]", "</function>",
    "</invoke>", "<function_calls>", "</function_calls>", "<minimax:tool_call>",
    "</minimax:tool_call>",
)  # fmt: skip

MARKS: dict[str, Mark] = {
    **dict.fromkeys([*_TOKENS, *_THOUGHT_ENDS], Mark("token")),
    **{f"</{tag}>": Mark("token") for tag in _TAGGED_CALLS},
    **dict.fromkeys(_THOUGHT_BEGINS, Mark("thought", THOUGHT_END)),
    **{f"<{tag}>": Mark("call", _ends(f"</{tag}>"), like_a_word=True) for tag in _TAGGED_CALLS},
    "<function=": Mark("call", _ends("</function>"), like_a_word=True),
    "<invoke name=": Mark("call", _ends("</invoke>"), like_a_word=True),
    "<｜tool▁call▁begin｜>": Mark("call", _ends("<｜tool▁call▁end｜>")),
    "<|tool_call_begin|>": Mark("call", _ends("<|tool_call_end|>")),
    "<|python_tag|>": Mark("call", _ends("<|eom_id|>", "<|eot_id|>")),
    "[tool_calls]": Mark("call"),
    "<|tool_call|>": Mark("call"),
    **dict.fromkeys(_ROLES, Mark("role")),
    **dict.fromkeys(_CHANNELS, Mark("channel")),
}
"""By their text, in lower case."""

NEXT_ROLE = _ends(kept=_ROLES)
"""A turn that the model made up for somebody else lasts until the next one."""
NEXT_CHANNEL = _ends("<|end|>", "<|return|>", "<|call|>", kept=_CHANNELS)
BARE_FINAL = _ends("assistantfinal", kept=("assistantcommentary",))
"""Harmony whose special tokens the server has taken out."""

ROLE_NAMES = ("assistant", "model", "user", "system", "tool", "developer", "ipython", "human")
CHANNEL_NAMES = (*ROLE_NAMES, "analysis", "commentary", "final", "functions")
OUR_ROLES = ("assistant", "model")

FENCE_NAMES = ("", "json", "tool_call", "tool_calls", "tool_code", "function_call")
CALL_KEYS = ("name", "function", "type", "id", "tool", "tool_name", "arguments", "parameters")
"""The first key of an object that may be a call."""

_TOKEN = re.compile(r"<\|[^\s|<>]{1,48}\|>|<｜[^\s｜<>]{1,48}｜>")
_TOKEN_BEGUN = re.compile(r"<(?:\|[^\s|<>]{0,48}\|?|｜[^\s｜<>]{0,48}｜?)?")
_ANY_TOKEN = Mark("token")


def mark_at(text: str) -> tuple[str, Mark] | None:
    """The mark that ``text`` begins with, as it is written there."""
    for literal, mark in MARKS.items():
        if text[: len(literal)].lower() == literal:
            return text[: len(literal)], mark
    if token := _TOKEN.match(text):
        return token[0], _ANY_TOKEN
    return None


def may_become_mark(text: str) -> bool:
    """Whether more text could make a mark of it."""
    if _TOKEN_BEGUN.fullmatch(text):
        return True
    begun = text.lower()
    return any(literal.startswith(begun) for literal in MARKS)
