"""Reads a scripted agent from TOML; docs/guides/scripted-agents.md describes the format.

All mistakes of a file are reported together, each with its line and what to do.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from antiphon.engines.cascade.llm.offline.expressions import Expression, ExpressionError
from antiphon.engines.cascade.llm.offline.global_intents import GLOBAL_EXAMPLES
from antiphon.engines.cascade.llm.offline.numbers import spoken_digits, spoken_number
from antiphon.engines.cascade.llm.offline.phrases import Phrase, PhraseError, parse_phrase
from antiphon.engines.cascade.llm.offline.script import (
    Action,
    GlobalIntent,
    GlobalName,
    Intent,
    Language,
    RandomChoice,
    Script,
    State,
    Templates,
    ToolCall,
    ToolEnum,
)
from antiphon.engines.cascade.llm.offline.script_tables import (
    AgentTable,
    CallTable,
    GlobalTable,
    IntentTable,
    LanguageTable,
    Lines,
    OnEnterTable,
    RandomTable,
    Scalar,
    ScriptTable,
    StateTable,
    TextOrList,
    ToolEnumTable,
)
from antiphon.engines.cascade.llm.offline.slots import (
    PLAIN_SLOTS,
    Choice,
    DigitsSlot,
    EnumSlot,
    Filled,
    NumberSlot,
    Slot,
    TextSlot,
)
from antiphon.engines.cascade.llm.offline.templates import Template, TemplateError
from antiphon.engines.cascade.llm.offline.words import canon
from antiphon.errors import ConfigurationError

MAX_SCRIPT_CHARS = 200_000
_ALWAYS = frozenset(
    {"agent", "date", "functions", "heard", "now", "options", "result", "time", "year"}
)
"""Names that templates may use without declaring them."""

Path_ = tuple[str | int, ...]
Table = TypeVar("Table", bound=msgspec.Struct)


def load_script(path: Path) -> Script:
    """Read the script at ``path``.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"agent script {path}: cannot be read ({error})") from error
    return parse_script(text, source=str(path))


def parse_script(text: str, *, source: str) -> Script:
    """Read a script from its text; ``source`` names it in errors.

    Raises:
        ConfigurationError: something in it is wrong.
    """
    if len(text) > MAX_SCRIPT_CHARS:
        raise ConfigurationError(f"{source}: longer than {MAX_SCRIPT_CHARS} characters")
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{source}: not valid TOML: {error}") from error
    reader = _Reader(source, Lines(text))
    script = reader.script(raw)
    if reader.problems or script is None:
        raise ConfigurationError("\n".join(reader.problems))
    return script


class _Reader:
    """Reads one file; keeps its problems, so that all are shown at once."""

    def __init__(self, source: str, lines: Lines) -> None:
        self.problems: list[str] = []
        self._source = source
        self._lines = lines
        self._enums: dict[str, EnumSlot] = {}
        self._used_enums: set[str] = set()
        self._tool_enums: list[ToolEnum] = []
        self._named: list[tuple[Path_, Iterable[str]]] = []
        self._gotos: list[tuple[Path_, str]] = []

    def wrong(self, path: Path_, why: str) -> None:
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
        self.problems.append(f"{self._source}, line {self._lines.of(path)}: {where}: {why}")

    def table(self, raw: Any, kind: type[Table], path: Path_) -> Table | None:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            why = str(error).replace("Object contains unknown field", "there is no field")
            why = why.replace("Object missing required field", "a field is missing:")
            fields = ", ".join(f.encode_name for f in msgspec.structs.fields(kind))
            self.wrong(path or ("script",), f"{why} (fields here: {fields})")
            return None

    # --- The whole ---

    def script(self, raw: dict[str, Any]) -> Script | None:
        top = self.table(raw, ScriptTable, ())
        agent = self.table(top.agent, AgentTable, ("agent",)) if top else None
        if top is None or agent is None:
            return None
        for name, written in top.enums.items():
            self.enum(name, written)
        random = {n: r for n, w in top.random.items() if (r := self.random(n, w))}
        variables = {name: filled(value) for name, value in top.variables.items()}
        intents = self.intents(top.intents, ("intents",))
        states = {name: self.state(name, written) for name, written in top.states.items()}
        if not top.states:
            self.wrong(("states",), "a script needs at least one [states.<name>]")
        script = Script(
            name=agent.name,
            greeting=self.templates(agent.greeting, ("agent", "greeting")),
            about=self.template(
                agent.about or "I am {agent}, a scripted agent without a language model.",
                ("agent", "about"),
            ),
            start=agent.start,
            states=states,
            intents=intents,
            globals=self.globals(top.globals),
            variables={"agent": Filled(agent.name, agent.name), **variables},
            random=random,
            misunderstood=self.templates(agent.misunderstood, ("agent", "misunderstood")),
            open=agent.open,
            cannot_follow=self.templates(agent.cannot_follow, ("agent", "cannot_follow")),
            languages=self.languages(top.languages),
            pronunciations=top.pronunciations,
            tool_enums=tuple(self._tool_enums),
        )
        self._gotos.append((("agent", "start"), agent.start))
        self.check_names(script)
        return msgspec.structs.replace(script, warnings=tuple(self.warnings(script)))

    def check_names(self, script: Script) -> None:
        slots = {g.name for i in script.every_intent() for p in i.phrases for g in p.gaps()}
        sets = {
            name
            for action in _actions(script)
            for name, _ in (*action.sets, *(action.call.sets if action.call else ()))
        }
        known = slots | sets | set(script.variables) | set(script.random) | _ALWAYS
        for path, names in self._named:
            for name in sorted({name.split(".")[0] for name in names} - known):
                self.wrong(path, f"'{name}' is no slot and no variable{_near(name, known)}")
        for path, target in self._gotos:
            if target not in script.states:
                near = _near(target, script.states)
                self.wrong(path, f"there is no state '{target}'{near}")

    def warnings(self, script: Script) -> Iterable[str]:
        reached, ahead = set(), [script.start]
        everywhere = [i.action for i in script.intents]
        while ahead:
            state = script.states.get(ahead.pop())
            if state is None or state.name in reached:
                continue
            reached.add(state.name)
            for action in (state.on_enter, *(i.action for i in state.intents), *everywhere):
                ahead += [t for t in _targets(action) if t]
        for name in script.states:
            if name not in reached:
                line = self._lines.of(("states", name))
                yield f"{self._source}, line {line}: state '{name}' is never reached"
        for name in self._enums:
            if name not in self._used_enums:
                line = self._lines.of(("enums", name))
                yield f"{self._source}, line {line}: enum '{name}' is never used"

    # --- Its parts ---

    def enum(self, name: str, written: Any) -> None:
        path: Path_ = ("enums", name)
        match written:
            case {"tool": _}:
                table = self.table(written, ToolEnumTable, path)
                if table is None:
                    return
                self._tool_enums.append(ToolEnum(name, table.tool, table.parameter))
                choices = [Choice(item, (item.replace("_", " "),)) for item in table.items]
            case list() if all(isinstance(item, str) for item in written):
                choices = [Choice(item, (item,)) for item in written]
            case dict() if all(_is_texts(ways) for ways in written.values()):
                choices = [Choice(item, tuple(ways)) for item, ways in written.items()]
            case _:
                self.wrong(path, 'write ["small", "large"] or { small = ["small", "tiny"] }')
                return
        if not choices or not all(choice.says and all(choice.says) for choice in choices):
            self.wrong(path, "it has no items, or one that cannot be said")
        self._enums[name] = EnumSlot(name, tuple(choices))

    def random(self, name: str, written: Any) -> RandomChoice | None:
        path: Path_ = ("random", name)
        table = self.table(written, RandomTable, path)
        if table is None:
            return None
        if table.digits and 1 <= table.digits <= 20:
            count = table.digits
            return RandomChoice(lambda below: _code("".join(str(below(10)) for _ in range(count))))
        if table.choice:
            items = table.choice
            return RandomChoice(lambda below: filled(items[below(len(items))]))
        if table.low is not None and table.high is not None and table.low <= table.high:
            low, span = table.low, table.high - table.low + 1
            return RandomChoice(lambda below: filled(low + below(span)))
        self.wrong(path, 'write { digits = 4 }, { choice = ["a", "b"] } or { from = 1, to = 6 }')
        return None

    def languages(self, written: Mapping[str, Any]) -> tuple[Language, ...]:
        tables = {
            code: self.table(raw, LanguageTable, ("languages", code))
            for code, raw in written.items()
        }
        return tuple(
            Language(code, frozenset(canon(table.words)), table.reply)
            for code, table in tables.items()
            if table
        )

    def globals(self, written: Mapping[str, Any]) -> tuple[GlobalIntent, ...]:
        known: tuple[GlobalName, ...] = get_args(GlobalName)
        for name in set(written) - set(known):
            self.wrong(("globals", name), f"there is no global '{name}'{_near(name, known)}")
        kept = []
        for name in known:
            path: Path_ = ("globals", name)
            if written.get(name) is False:
                continue
            table = self.table(written.get(name, {}), GlobalTable, path)
            if table:
                phrases = self.phrases([*table.examples, *GLOBAL_EXAMPLES[name]], path)
                replies = self.templates(table.reply, (*path, "reply"))
                kept.append(GlobalIntent(name=name, phrases=phrases, replies=replies))
        return tuple(kept)

    def state(self, name: str, written: Any) -> State:
        path: Path_ = ("states", name)
        table = self.table(written, StateTable, path)
        if table is None:
            return State(name=name)
        if not table.intents and not table.final:
            self.wrong(path, "it has no intents: add [[states…intents]], or say final = true")
        return State(
            name=name,
            on_enter=self.on_enter(table.on_enter, (*path, "on_enter")),
            intents=self.intents(table.intents, (*path, "intents")),
            hints=self.templates(table.hints, (*path, "hints")),
            misunderstood=self.templates(table.misunderstood, (*path, "misunderstood")),
            final=table.final,
        )

    def on_enter(self, written: Any, path: Path_) -> Action:
        if not isinstance(written, dict):
            written = {"reply": written}
        table = self.table(written, OnEnterTable, path)
        if table is None:
            return Action()
        return Action(
            sets=self.sets(table.set, (*path, "set")),
            replies=self.templates(table.reply, path),
            call=self.call(table.call, (*path, "call")),
        )

    def intents(self, written: list[Any], path: Path_) -> tuple[Intent, ...]:
        return tuple(
            intent
            for index, raw in enumerate(written)
            if (intent := self.intent(raw, (*path, index)))
        )

    def intent(self, written: Any, path: Path_) -> Intent | None:
        table = self.table(written, IntentTable, path)
        if table is None:
            return None
        if not table.examples:
            self.wrong((*path, "examples"), "it has no examples: nothing could be said")
        confirm = table.confirm
        if table.goto:
            self._gotos.append(((*path, "goto"), table.goto))
        return Intent(
            name=table.name or " ".join(table.examples[:1]),
            phrases=self.phrases(table.examples, (*path, "examples")),
            when=self.expression(table.when, (*path, "when")) if table.when else None,
            confirm=self.template(confirm, (*path, "confirm"))
            if isinstance(confirm, str)
            else confirm,
            whole=table.whole,
            yields=table.yields,
            rare=table.rare,
            action=Action(
                sets=self.sets(table.set, (*path, "set")),
                replies=self.templates(table.reply, (*path, "reply")),
                call=self.call(table.call, (*path, "call")),
                goto=table.goto,
            ),
        )

    def call(self, table: CallTable | None, path: Path_) -> ToolCall | None:
        if table is None:
            return None
        for name in ("goto", "error_goto"):
            target = getattr(table, name)
            if target:
                self._gotos.append(((*path, name), target))
        return ToolCall(
            tool=table.tool,
            arguments=self.arguments(table.arguments, (*path, "arguments")),
            sets=self.sets(table.set, (*path, "set")),
            result=self.templates(table.result, (*path, "result")),
            error=self.templates(table.error, (*path, "error")),
            missing=self.templates(table.missing, (*path, "missing")),
            goto=table.goto,
            error_goto=table.error_goto,
        )

    def arguments(self, written: Any, path: Path_) -> Any:
        match written:
            case str():
                return self.template(written, path)
            case dict():
                return {
                    name: self.arguments(value, (*path, name)) for name, value in written.items()
                }
            case list():
                return [self.arguments(value, path) for value in written]
            case _:
                return written

    def sets(
        self, written: Mapping[str, Scalar], path: Path_
    ) -> tuple[tuple[str, Expression | Filled], ...]:
        found: list[tuple[str, Expression | Filled]] = []
        for name, value in written.items():
            if isinstance(value, str):
                expression = self.expression(value, (*path, name))
                found += [(name, expression)] if expression else []
            else:
                found.append((name, filled(value)))
        return tuple(found)

    def expression(self, written: str, path: Path_) -> Expression | None:
        try:
            expression = Expression(written)
        except ExpressionError as error:
            self.wrong(path, f"{error}; text stands in quotes of its own: \"'like this'\"")
            return None
        self._named.append((path, expression.names))
        return expression

    def templates(self, written: TextOrList, path: Path_) -> Templates:
        texts = [written] if isinstance(written, str) else written
        return tuple(self.template(text, path) for text in texts)

    def template(self, written: str, path: Path_) -> Template:
        try:
            template = Template(written)
        except TemplateError as error:
            self.wrong(path, str(error))
            return Template("")
        self._named.append((path, template.names))
        return template

    def phrases(self, written: Iterable[str], path: Path_) -> tuple[Phrase, ...]:
        found = []
        for source in written:
            try:
                found.append(parse_phrase(source, self.slot))
            except PhraseError as error:
                self.wrong(path, str(error))
        return tuple(found)

    def slot(self, name: str, kind: str) -> Slot:
        """``{size:item}``, ``{digits:4}``, ``{count:number 1-12}``, ``{room}``."""
        if kind.isdecimal():
            kind = f"{name} {kind}"
        kind, _, bounds = (kind or name).partition(" ")
        kind = name if kind == "item" else kind
        simple = _SIMPLE_SLOTS.get(kind)
        if kind in self._enums:
            self._used_enums.add(kind)
            return self._enums[kind]
        if simple and not bounds:
            return simple
        if kind == "digits" and bounds.isdecimal() and 1 <= int(bounds) <= 20:
            return DigitsSlot(int(bounds))
        low, _, high = bounds.partition("-")
        if kind == "number" and low.isdecimal() and high.isdecimal() and int(low) <= int(high):
            return NumberSlot(int(low), int(high))
        known = {*_SIMPLE_SLOTS, "digits", *self._enums}
        raise PhraseError(
            f"slot {{{name}}}: there is no type '{f'{kind} {bounds}'.strip()}'{_near(kind, known)};"
            " numbers may have bounds, {n:number 1-12}, and digits need a count, {code:digits 4}"
        )


_SIMPLE_SLOTS: dict[str, Slot] = {"number": NumberSlot(), "text": TextSlot(), **PLAIN_SLOTS}


def filled(value: Scalar) -> Filled:
    """A value of the script's own, as it is to be spoken."""
    if isinstance(value, bool):
        return Filled(value, "yes" if value else "no")
    return Filled(value, value if isinstance(value, str) else spoken_number(value))


def _code(digits: str) -> Filled:
    return Filled(digits, spoken_digits(digits))


def _is_texts(ways: Any) -> bool:
    return isinstance(ways, list) and all(isinstance(way, str) for way in ways)


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(sorted(known)[:20])
    return f"; did you mean '{near[0]}'?" if near else f" (known: {listed})"


def _actions(script: Script) -> Iterable[Action]:
    yield from (state.on_enter for state in script.states.values())
    yield from (intent.action for intent in script.every_intent())


def _targets(action: Action) -> tuple[str | None, ...]:
    call = action.call
    return (action.goto, call.goto, call.error_goto) if call else (action.goto,)
