"""Reads a scripted agent from TOML; docs/guides/scripted-agents.md describes the format.

All mistakes of a file are reported together, each with its line and what to do.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args

import msgspec

from antiphon.engines.cascade.llm.offline.expressions import Expression, ExpressionError
from antiphon.engines.cascade.llm.offline.global_intents import GLOBAL_PHRASES
from antiphon.engines.cascade.llm.offline.phrases import Phrase, PhraseError, parse_phrase
from antiphon.engines.cascade.llm.offline.script import (
    Action,
    Agent,
    Arguments,
    GlobalIntent,
    GlobalName,
    Intent,
    Language,
    Phrases,
    RandomChoice,
    Scalar,
    Script,
    Sets,
    State,
    Templates,
    filled,
)
from antiphon.engines.cascade.llm.offline.script_lines import Lines
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


ToolItems = Mapping[tuple[str, str], tuple[str, ...]]
"""Values of a function's parameter."""


def parse_script(text: str, *, source: str, tool_items: ToolItems = MappingProxyType({})) -> Script:
    """Read a script from its text; ``source`` names it in errors.

    ``tool_items``: what enumerations have that are taken from functions, instead of their own.

    Raises:
        ConfigurationError: something in it is wrong.
    """
    if len(text) > MAX_SCRIPT_CHARS:
        raise ConfigurationError(f"{source}: longer than {MAX_SCRIPT_CHARS} characters")
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{source}: not valid TOML: {error}") from error
    reader = _Reader(source, Lines(text), tool_items)
    script = reader.script(raw)
    if reader.problems or script is None:
        raise ConfigurationError("\n".join(reader.problems))
    return msgspec.structs.replace(script, text=text)


def with_tool_items(script: Script, items: ToolItems) -> Script:
    """The script with enumerations as the client's functions have them now."""
    return _with_items(script.text, tuple(items.items())) if any(items.values()) else script


@lru_cache(maxsize=64)
def _with_items(text: str, items: tuple[tuple[tuple[str, str], tuple[str, ...]], ...]) -> Script:
    return parse_script(text, source="script", tool_items=dict(items))


class _Top(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a file has; the parts are read one by one, so that all mistakes are found."""

    agent: Any
    states: dict[str, Any]
    enums: dict[str, Any] = {}
    variables: dict[str, Scalar] = {}
    random: dict[str, Any] = {}
    globals: dict[str, Any] = {}
    intents: list[Any] = []
    languages: dict[str, Any] = {}
    pronunciations: dict[str, str] = {}


class _ToolEnum(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    tool: str
    parameter: str
    items: list[str]
    """For when the client has no such tool."""


class _Language(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    words: str = ""
    reply: str


class _Reader:
    """Reads one file; keeps its problems, so that all are shown at once."""

    def __init__(self, source: str, lines: Lines, tool_items: ToolItems) -> None:
        self.problems: list[str] = []
        self._source = source
        self._lines = lines
        self._tool_items = tool_items
        self._here: Path_ = ()
        """The table that is read."""
        self._enums: dict[str, EnumSlot] = {}
        self._used_enums: set[str] = set()
        self._tool_enums: set[tuple[str, str]] = set()
        self._named: list[tuple[Path_, str, Iterable[str]]] = []
        """Names in a text, with the table that it stands in."""
        self._gotos: list[tuple[Path_, str]] = []

    def wrong(self, path: Path_, why: str, quoted: str = "") -> None:
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
        line = self._lines.of(path, quoted)
        self.problems.append(f"{self._source}, line {line}: {where}: {why}")

    def table(self, raw: Any, kind: type[Table], path: Path_) -> Table | None:
        self._here = path
        try:
            return msgspec.convert(raw, kind, dec_hook=self.decoded)
        except msgspec.ValidationError as error:
            why = str(error).replace("Object contains unknown field", "there is no field")
            why = why.replace("Object missing required field", "a field is missing:")
            fields = ", ".join(f.encode_name for f in msgspec.structs.fields(kind))
            self.wrong(path or ("script",), f"{why} (fields here: {fields})")
            return None

    def decoded(self, kind: type, written: Any) -> Any:
        """What stands for a value of the script's own kinds."""
        if kind is Templates:
            texts = [written] if isinstance(written, str) else written
            return Templates(self.template(text) for text in _texts(texts))
        if kind is Phrases:
            return Phrases(p for text in _texts(written) if (p := self.phrase(text)))
        if kind is Template:
            return self.template(*_texts([written]))
        if kind is Expression:
            return self.expression(*_texts([written]))
        if not isinstance(written, dict):
            raise TypeError("Expected a table")
        return self.sets(written) if kind is Sets else self.arguments(written)

    # --- The whole ---

    def script(self, raw: dict[str, Any]) -> Script | None:
        top = self.table(raw, _Top, ())
        agent = self.table(top.agent, Agent, ("agent",)) if top else None
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
            **msgspec.structs.asdict(agent),
            states=states,
            intents=intents,
            globals=self.globals(top.globals),
            variables={"agent": Filled(agent.name, agent.name), **variables},
            random=random,
            languages=self.languages(top.languages),
            pronunciations=top.pronunciations,
            tool_enums=frozenset(self._tool_enums),
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
        for path, text, names in self._named:
            for name in sorted({name.split(".")[0] for name in names} - known):
                self.wrong(path, f"'{name}' is no slot and no variable{_near(name, known)}", text)
        for path, target in self._gotos:
            if target not in script.states:
                near = _near(target, script.states)
                self.wrong(path, f"there is no state '{target}'{near}", target)

    def warnings(self, script: Script) -> Iterable[str]:
        reached, ahead = set[str](), [script.start]
        while ahead:
            name = ahead.pop()
            if name in script.states and name not in reached:
                reached.add(name)
                state = script.states[name]
                for action in (state.on_enter, *state.intents, *script.intents):
                    ahead += filter(None, _targets(action))
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
                table = self.table(written, _ToolEnum, path)
                if table is None:
                    return
                parameter = (table.tool, table.parameter)
                self._tool_enums.add(parameter)
                offered = self._tool_items.get(parameter, ())
                items = [item for item in offered if canon(item.replace("_", " "))] or table.items
                choices = [Choice(item, (item.replace("_", " "),)) for item in items]
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
        choice = self.table(written, RandomChoice, path)
        if choice and not choice.is_one():
            why = 'write { digits = 4 }, { choice = ["a", "b"] } or { from = 1, to = 6 }'
            self.wrong(path, why)
        return choice

    def languages(self, written: Mapping[str, Any]) -> tuple[Language, ...]:
        tables = {
            code: self.table(raw, _Language, ("languages", code)) for code, raw in written.items()
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
            raw = written.get(name, {})
            found = self.table(
                {**raw, "name": name} if isinstance(raw, dict) else raw, GlobalIntent, path
            )
            if found:
                phrases = Phrases((*found.phrases, *GLOBAL_PHRASES[name]))
                kept.append(msgspec.structs.replace(found, phrases=phrases))
        return tuple(kept)

    def state(self, name: str, written: Any) -> State:
        path: Path_ = ("states", name)
        apart = dict(written) if isinstance(written, dict) else {}
        intents = self.intents(apart.pop("intents", []), (*path, "intents"))
        on_enter = self.on_enter(apart.pop("on_enter", []), (*path, "on_enter"))
        state = self.table(apart if isinstance(written, dict) else written, State, path)
        if state is None:
            return State()
        if not written.get("intents") and not state.final:
            self.wrong(path, "it has no intents: add [[states…intents]], or say final = true")
        return msgspec.structs.replace(state, intents=intents, on_enter=on_enter)

    def on_enter(self, written: Any, path: Path_) -> Action:
        written = written if isinstance(written, dict) else {"reply": written}
        action = self.table(written, Action, path) or Action()
        self._gotos += [((*path, "call"), target) for target in _targets(action) if target]
        return action

    def intents(self, written: Any, path: Path_) -> tuple[Intent, ...]:
        if not isinstance(written, list):
            self.wrong(path, "write each intent as a table of its own: [[…intents]]")
            return ()
        found = (self.intent(raw, (*path, index)) for index, raw in enumerate(written))
        return tuple(intent for intent in found if intent)

    def intent(self, written: Any, path: Path_) -> Intent | None:
        intent = self.table(written, Intent, path)
        if intent is None:
            return None
        examples, confirm = written["examples"], intent.confirm
        if not examples:
            self.wrong((*path, "examples"), "it has no examples: nothing could be said")
        if isinstance(confirm, str):
            confirm = self.template(confirm)
        elif not isinstance(confirm, bool):
            self.wrong((*path, "confirm"), "write true, or a question")
        self._gotos += [(path, target) for target in _targets(intent) if target]
        name = intent.name or " ".join(examples[:1])
        return msgspec.structs.replace(intent, name=name, confirm=confirm)

    def arguments(self, written: Any) -> Any:
        match written:
            case str():
                return self.template(written)
            case dict():
                return Arguments({name: self.arguments(value) for name, value in written.items()})
            case list():
                return [self.arguments(value) for value in written]
            case _:
                return written

    def sets(self, written: Mapping[str, Any]) -> Sets:
        return Sets(
            (name, self.expression(value) if isinstance(value, str) else filled(value))
            for name, value in written.items()
        )

    def expression(self, written: str) -> Expression:
        try:
            expression = Expression(written)
        except ExpressionError as error:
            why = f"{error}; text stands in quotes of its own: \"'like this'\""
            self.wrong(self._here, why, written)
            return Expression("false")
        self._named.append((self._here, written, expression.names))
        return expression

    def template(self, written: str) -> Template:
        try:
            template = Template(written)
        except TemplateError as error:
            self.wrong(self._here, str(error), written)
            return Template("")
        self._named.append((self._here, written, template.names))
        return template

    def phrase(self, written: str) -> Phrase | None:
        try:
            return parse_phrase(written, self.slot)
        except PhraseError as error:
            self.wrong(self._here, str(error), written)
            return None

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


def _texts(written: Any) -> list[str]:
    if not _is_texts(written):
        raise TypeError("Expected text, or a list of texts")
    return list(written)


def _is_texts(ways: Any) -> bool:
    return isinstance(ways, list) and all(isinstance(way, str) for way in ways)


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(sorted(known)[:20])
    return f"; did you mean '{near[0]}'?" if near else f" (known: {listed})"


def _actions(script: Script) -> Iterable[Action]:
    yield from (state.on_enter for state in script.states.values())
    yield from script.every_intent()


def _targets(action: Action) -> tuple[str | None, ...]:
    goto = action.goto if isinstance(action, Intent) else None
    return (goto, action.call.goto, action.call.error_goto) if action.call else (goto,)
