"""What of a language model's text is for people.

Servers leave in the text what their parsers do not know: thoughts, control tokens, calls
written out.  Pure, and fed piece by piece: how the text is cut changes nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.reply_blocks import (
    BareHarmony,
    Block,
    Channel,
    Hidden,
    JsonCall,
    LikelyThought,
    MaybeCall,
    Over,
    Role,
    TaggedCall,
    Template,
    begins_bare_harmony,
)
from antiphon.engines.cascade.llm.reply_marks import (
    FENCE_NAMES,
    THOUGHT_END,
    Mark,
    mark_at,
    may_become_mark,
)
from antiphon.engines.cascade.llm.written_calls import Schemas, WrittenCall
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.protocol.session import FunctionTool

_BLANK_CHARS = 200
_MAY_BEGIN = re.compile(r"[<\[◁`]")
_QUOTED = re.compile(r"(?:^|[\s(\[])[`\"'“‘«]\Z")
"""Behind an opening quote a mark is spoken of, not used."""
_FENCE = re.compile(r"```([\w-]{0,16})[ \t]*\n")
_FENCE_BEGUN = re.compile(r"`{1,2}|```[\w-]{0,16}[ \t]{0,8}")


def tools_on_offer(request: Generate) -> Schemas:
    """The functions that may be called, with the schemas of their parameters."""
    if request.tool_choice == "none":
        return {}
    offered = [*request.tools, *request.server_tools]
    return {tool.name: tool.parameters or {} for tool in offered if isinstance(tool, FunctionTool)}


def new_call_id() -> str:
    return f"call_{secrets.token_hex(8)}"


class ReplyText:
    """Filters one answer of a model.

    A mark that somebody merely speaks of, in quotes or backticks, passes; so does all
    that only looks like one.  Held back is at most the beginning of a possible mark, or a
    call until it is whole.
    """

    def __init__(
        self,
        tools: Schemas,
        *,
        template: Template | None = None,
        new_call_id: Callable[[], str] = new_call_id,
    ) -> None:
        """``template`` is shared by the answers of one model, which learn from each other."""
        self._template = template or Template()
        self._tools = tools
        self._new_call_id = new_call_id
        self._buffer = ""
        opens = self._template.opens_thought
        self._block: Block | None = LikelyThought(self._template) if opens else None
        """What the buffer is; None: text."""
        self._thought = opens
        """A thought was opened."""
        self._shown = _Shown()
        self._out: list[Thinking] = []

    def take(self, thought: Thinking) -> list[Thinking]:
        """The same thought as far as it is for people; a call ends the text before it."""
        match thought:
            case SayText(text):
                return self.feed(text)
            case Thought(reason):
                return [*self.flush(cut_short=reason is not None), thought]
            case CallTool():
                # A model that calls has not answered: what is open is a thought.
                return [*self.flush(cut_short=isinstance(self._block, LikelyThought)), thought]

    def feed(self, piece: str) -> list[Thinking]:
        self._buffer += piece
        return self._read(Over.NO)

    def flush(self, *, cut_short: bool = False) -> list[Thinking]:
        """The text is over; ``cut_short``: by a limit, so that a call may be half a call."""
        out = self._read(Over.CUT_SHORT if cut_short else Over.YES)
        self._shown.begin_anew()
        return out

    def _read(self, over: Over) -> list[Thinking]:
        # Text uses itself up, or waits; a block at the end of all gives way to text.
        while self._read_block(over) if self._block else self._buffer and self._read_text(over):
            pass
        out, self._out = self._out, []
        return out

    def _read_block(self, over: Over) -> bool:
        block = self._block
        assert block is not None
        read = block.read(self._buffer, over)
        self._buffer = self._buffer[read.used :]
        self._block = read.then
        if read.used and not read.shown:
            self._shown.hide()
        self._show(read.shown)
        for call in read.calls:
            self._call(call)
        return read.then is not block

    def _read_text(self, over: Over) -> bool:
        """One step; False: more must come first."""
        if self._shown.nothing:
            decided = self._read_beginning(over)
            if decided is not None:
                return decided
        begin = _MAY_BEGIN.search(self._buffer)
        at = begin.start() if begin else len(self._buffer)
        if at:
            return self._pass(at)
        if self._buffer[0] == "`":
            return self._read_fence(over)
        if not _QUOTED.search(self._shown.tail):
            if found := mark_at(self._buffer):
                return self._read_mark(*found)
            if over is Over.NO and may_become_mark(self._buffer):
                return False
        return self._pass(1)

    def _pass(self, chars: int) -> bool:
        self._show(self._buffer[:chars])
        self._buffer = self._buffer[chars:]
        return True

    def _read_beginning(self, over: Over) -> bool | None:
        """What is a mark only before all else; None: it is none."""
        text = self._buffer
        blank = len(text) - len(text.lstrip(self._shown.skipped))
        if blank:
            return self._pass(blank)
        if self._tools and text[0] in "{[":
            if text[0] == "{" or text[1:].lstrip()[:1] == "{":
                self._block = MaybeCall("", self._tools)
                return True
            if over is Over.NO and not text[1:].strip():
                return False
        if text[0] in "acf":
            bare = begins_bare_harmony(text)
            if bare:
                self._block = BareHarmony(self._tools)
                self._shown.hide()
                return True
            if bare is None and over is Over.NO:
                return False
        if text[:3].lower() == "<s>":
            return self._read_mark(text[:3], Mark("token"))
        return None

    def _read_fence(self, over: Over) -> bool:
        if self._tools and self._shown.tail[-1:] in ("", "\n"):
            fence = _FENCE.match(self._buffer)
            if fence and fence[1].lower() in FENCE_NAMES:
                self._buffer = self._buffer[fence.end() :]
                self._block = MaybeCall(fence[0], self._tools)
                return True
            if not fence and over is Over.NO and _FENCE_BEGUN.fullmatch(self._buffer):
                return False
        return self._pass(1)

    def _read_mark(self, text: str, mark: Mark) -> bool:
        if text.lower() == "</s>" and self._shown.struck_out:
            return self._pass(len(text))
        self._buffer = self._buffer[len(text) :]
        self._shown.hide()
        match mark.kind:
            case "token" if not self._thought and THOUGHT_END.pattern.fullmatch(text):
                self._template.opens_thought = True
            case "thought":
                self._thought = True
                self._block = Hidden(mark.ends)
            case "call" if mark.ends:
                self._block = TaggedCall(text, mark, self._tools)
            case "call":
                self._block = JsonCall(self._tools)
            case "role":
                self._block = Role()
            case "channel":
                self._block = Channel(self._tools)
        return True

    def _show(self, text: str) -> None:
        if not (text := self._shown.add(text)):
            return
        match self._out:
            case [*_, SayText(before)]:
                self._out[-1] = SayText(before + text)
            case _:
                self._out.append(SayText(text))

    def _call(self, call: WrittenCall) -> None:
        self._out.append(CallTool(self._new_call_id(), call.name, call.arguments))
        self._shown.begin_anew()


class _Shown:
    """What people have seen of this message already, as far as it matters."""

    def __init__(self) -> None:
        self.nothing = True
        """Nothing but blanks, which wait for more."""
        self.tail = ""
        """The last two characters."""
        self.struck_out = False
        """HTML's own <s> was there: its </s> is no token."""
        self.skipped = " \t\r\n"
        """What does not make a beginning."""
        self._blank = ""
        self._hidden = False

    def add(self, text: str) -> str:
        """What to show now."""
        self.struck_out = self.struck_out or "<s>" in (self.tail + text).lower()
        self.tail = (self.tail + text[-2:])[-2:]
        if not self.nothing:
            return text
        begun = text.lstrip(self.skipped)
        self._blank = (self._blank + text[: len(text) - len(begun)])[:_BLANK_CHARS]
        if not begun:
            return ""
        self.nothing = False
        return begun if self._hidden else self._blank + begun

    def hide(self) -> None:
        """Something was left out: blanks around it would be left over."""
        self._hidden = True

    def begin_anew(self) -> None:
        """Behind a call; calls one after another are parted by signs."""
        self.nothing = self._hidden = True
        self.skipped = " \t\r\n;,"
        self._blank = self.tail = ""
