"""What an answer is asked with: its options over the session's settings, and what it sees."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from antiphon.core.context import Window, fit_context
from antiphon.core.created import Created, create_entry
from antiphon.core.faults import Fault
from antiphon.core.items import Entry
from antiphon.core.response import Plan
from antiphon.core.settings import check_voice, one_modality, voice_name
from antiphon.core.stage import Stage
from antiphon.core.usage import Tokens, instruction_tokens
from antiphon.protocol.client import ResponseOptions
from antiphon.protocol.items import InputItem, ItemReference
from antiphon.protocol.session import (
    FunctionChoice,
    FunctionTool,
    Reasoning,
    Session,
    Tool,
    ToolChoice,
)


class Planner:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def plan(
        self,
        session: Session,
        options: ResponseOptions,
        *,
        in_conversation: bool,
        engine_name: str | None = None,
        response_id: str | None = None,
    ) -> Plan:
        """Args:
            engine_name, response_id: None is a new one.

        Raises:
            Fault: what is asked for cannot be; no id of it was used.
        """
        output = options.audio.output if options.audio else None
        voice = (output and output.voice) or session.audio.output.voice
        if in_conversation:
            check_voice(voice, session.audio.output.voice, locked=self._stage.voice_heard)
        self._stage.check_voice(voice, "response.audio.output.voice")
        tools = session.tools if options.tools is UNSET else options.tools or ()
        choice = options.tool_choice or session.tool_choice
        _check_choice(choice, tools)
        modalities = options.output_modalities or session.output_modalities
        modality = one_modality(modalities)[0] if self._stage.terms.engine_speaks else "text"
        instructions = options.instructions
        if response_id is None:
            response_id = self._stage.ids.new("resp")
        parallel = (options.parallel_tool_calls, session.parallel_tool_calls)
        reasoning = options.reasoning or session.reasoning or Reasoning()
        return Plan(
            id=response_id,
            engine_name=response_id if engine_name is None else engine_name,
            in_conversation=in_conversation,
            modality="audio" if modality == "audio" else "text",
            instructions=session.instructions if instructions in (UNSET, None) else instructions,
            tools=tools,
            server_tools=self._server_tools(options, tools, choice),
            tool_choice=choice,
            voice=voice_name(voice),
            speed=(output and output.speed) or session.audio.output.speed,
            audio_format=(output and output.format) or session.audio.output.format,
            max_output_tokens=options.max_output_tokens or session.max_output_tokens,
            parallel_tool_calls=next((p for p in parallel if isinstance(p, bool)), None),
            reasoning_effort=reasoning.effort,
            metadata=options.metadata or None,
        )

    def context(
        self, given: tuple[InputItem, ...] | object | None, untold: list[Created]
    ) -> Sequence[Entry]:
        """The conversation, or what `input` puts in its place.

        ``untold`` is added to: what of it is audio whose words the engine is to find out.
        """
        if given is UNSET or given is None:
            return self._stage.history.whole().entries
        assert isinstance(given, tuple)
        return [self._context_entry(item, index, untold) for index, item in enumerate(given)]

    def fit(
        self,
        plan: Plan,
        entries: Sequence[Entry],
        session: Session,
        window: Window | None,
    ) -> tuple[Sequence[Entry], Tokens]:
        fixed_tokens, whole = self.fixed_tokens(plan), self._stage.history.whole()
        is_known = entries is whole.entries and not whole.has_orphans
        context, seen = fit_context(
            entries,
            limit_tokens=self._stage.terms.context_tokens,
            instruction_tokens=fixed_tokens,
            truncation=session.truncation,
            count=self._stage.history.tokens,
            window=window,
            counted=whole.tokens if is_known else None,
        )
        return context, seen + Tokens(text=fixed_tokens)

    def fixed_tokens(self, plan: Plan) -> int:
        return instruction_tokens(
            plan.instructions + self._stage.memory, (*plan.tools, *plan.server_tools)
        )

    def _server_tools(
        self, options: ResponseOptions, tools: tuple[Tool, ...], choice: ToolChoice
    ) -> tuple[FunctionTool, ...]:
        """Those that are offered beside the client's; of two of one name the client's counts."""
        terms = self._stage.terms
        if options.conversation == "none" or options.input not in (UNSET, None):
            return ()
        if choice != "auto" or terms.engine_follows_items or terms.engine_begins:
            return ()
        taken = {tool.name for tool in tools if isinstance(tool, FunctionTool)}
        return tuple(tool for tool in terms.server_tools if tool.name not in taken)

    def _context_entry(self, item: InputItem, index: int, untold: list[Created]) -> Entry:
        where = f"response.input[{index}]"
        if isinstance(item, ItemReference):
            entry = self._stage.history.get(item.id)
            if entry is None:
                raise Fault(
                    "item_reference_not_found",
                    f"Error creating response: the item with id '{item.id}' does not exist.",
                    param=f"{where}.id",
                )
            return entry
        audio_format = self._stage.session.audio.input.format
        # An id of our own: nobody is shown it, and the client's may be that of another item,
        # whose words the engine knows under it.
        created = create_entry(item, self._stage.new_item_id(), audio_format, where=where)
        self._stage.check_images(created.entry, where)
        if created.untold is not None:
            untold.append(created)
        return created.entry


def _check_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> None:
    if isinstance(choice, FunctionChoice):
        names = {tool.name for tool in tools if isinstance(tool, FunctionTool)}
        if choice.name not in names:
            raise Fault(
                "invalid_value",
                f"Tool choice '{choice.name}' not found in 'tools'.",
                param="response.tool_choice",
            )
