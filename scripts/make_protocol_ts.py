"""Write the events' TypeScript types from antiphon.protocol.

With --check: exit 1 if the file is not what this would write.

A web page reads other servers too, so where they send less its view is looser than what ours
promises (`LOOSE`); and of items and the parts of their content, which may be of kinds that are
not known yet, it sees one interface with the fields of all (`MERGED`, `OPEN`).
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from antiphon.protocol import items, server, session

FILE = Path(__file__).parent.parent / "web/packages/client/src/protocol.generated.ts"
WIDTH = 100

HEAD = """\
// Written by scripts/make_protocol_ts.py from antiphon.protocol; do not edit.
"""

UNIONS: dict[str, Any] = {
    "TurnDetection": session.TurnDetection,
    "ToolChoice": session.ToolChoice,
    "ItemStatus": items.Status,
}
"""Unions that have a name of their own."""

MERGED: dict[str, tuple[type, ...]] = {
    "AudioFormat": get_args(session.AudioFormat),
    "WireTool": (session.FunctionTool,),
    "WireSession": get_args(session.AnySession),
    "WireAudio": (session.Audio, session.TranscriptionAudio),
    "WireContent": (*get_args(items.AnyContent), *get_args(server.Part)),
    "WireItem": get_args(items.Item),
    "WireUsage": (server.Usage,),
    "WireTranscriptionUsage": (server.TranscriptionUsage, server.TranscriptionTokens),
    "WireError": (server.ErrorDetail, server.TranscriptionError, server.ResponseError),
    "WireResponse": (server.Response,),
}
"""Interfaces with another name than in Python, or with the fields of several structs."""

OPEN = {"WireContent", "WireItem"}
"""Of these a server may have kinds that nobody here knows."""
EXTENSIBLE = {"WireSession"}
"""Sent back as they came, with whatever else a server keeps in them."""
LOOSE = {"WireSession": set(), "WireResponse": {"id"}, "StatusDetails": set()}
"""Of these other servers send no more, in any case, than the fields named."""
OFTEN_MISSING = {"content_index", "output_index", "usage"}
"""In events of other servers; the client needs none of them."""
SKIPPED = {"object", "event_id"}
"""What the type says already; what `ServerEvent` adds to each event."""

DOCS = {
    "TurnDetection": "When the server takes a turn to be over. `null`: the client says so.",
    "WireSession": "The session as `session.created` and `session.updated` show it, or a part.",
}
"""What Python says by a name."""

NAMES = {struct: name for name, structs in MERGED.items() for struct in structs}


class Field(NamedTuple):
    name: str
    kinds: tuple[str, ...]
    """The members of its type, null at the end."""
    is_optional: bool
    doc: str = ""

    def __str__(self) -> str:
        return f"{self.name}{'?' * self.is_optional}: {' | '.join(self.kinds)}"


# --- What Python says --------------------------------------------------------


def documented(struct: type) -> dict[str, str]:
    """The docstrings under a struct's fields."""
    tree = ast.parse(inspect.getsource(struct))
    (definition,) = tree.body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = inspect.cleandoc(str(ast.literal_eval(text.value)))
    return found


def told(struct: type) -> str:
    """The first paragraph of a struct's docstring."""
    text = struct.__doc__ or ""
    return "" if not text else inspect.cleandoc(text).split("\n\n")[0]


# --- Types -------------------------------------------------------------------


def kinds_of(kind: msgspec.inspect.Type) -> tuple[str, ...]:
    """A type's members in TypeScript, each once, null at the end."""
    match kind:
        case msgspec.inspect.UnionType(types=types):
            members = [member for member in types if not is_null(member)]
            found = [*(named(members) or [k for member in members for k in kinds_of(member)])]
            return tuple(dict.fromkeys(found + ["null"] * (len(members) < len(types))))
        case msgspec.inspect.StructType(cls=cls):
            return (name_of(cls),)
        case msgspec.inspect.LiteralType(values=values):
            return named([kind]) or tuple(quoted(value) for value in values)
        case msgspec.inspect.VarTupleType(item_type=item):
            inner = kinds_of(item)
            return (f"({' | '.join(inner)})[]" if len(inner) > 1 else f"{inner[0]}[]",)
        case msgspec.inspect.DictType(value_type=msgspec.inspect.StrType()):
            return ("Record<string, string>",)
        case msgspec.inspect.DictType():
            return ("object",)
        case msgspec.inspect.AnyType():
            return ("unknown",)
        case msgspec.inspect.BoolType():
            return ("boolean",)
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return ("number",)
        case msgspec.inspect.StrType() | msgspec.inspect.BytesType():
            return ("string",)  # Bytes are base64.
    raise TypeError(f"no TypeScript for {kind}")


def is_null(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.NoneType)


def named(members: list[msgspec.inspect.Type]) -> tuple[str, ...]:
    """The union's own name; () where it has none."""
    return tuple(n for n, union in UNIONS.items() if members == list(members_of(union)))


def members_of(kind: Any) -> tuple[msgspec.inspect.Type, ...]:
    info = msgspec.inspect.type_info(kind)
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def name_of(struct: type) -> str:
    return NAMES.get(struct, struct.__name__)


def quoted(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def fields_of(struct: type[msgspec.Struct]) -> list[Field]:
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)
    docs = documented(struct)
    fields = []
    for field in info.fields:
        if field.encode_name in SKIPPED - ({"event_id"} & set(docs)):
            continue
        kinds = kinds_of(field.type)
        if struct.__struct_config__.omit_defaults:
            kinds = tuple(kind for kind in kinds if kind != "null")  # It is left out.
        fields.append(Field(field.encode_name, kinds, not field.required, docs.get(field.name, "")))
    return fields


def reachable(kinds: Iterable[type[msgspec.Struct]]) -> Iterator[type[msgspec.Struct]]:
    """The structs in the fields of these, each once, the inner ones first."""
    seen = set()

    def visit(kind: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
        match kind:
            case msgspec.inspect.UnionType(types=types):
                for member in types:
                    yield from visit(member)
            case msgspec.inspect.VarTupleType(item_type=item):
                yield from visit(item)
            case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in seen:
                seen.add(cls)
                for field in fields:
                    yield from visit(field.type)
                yield cls

    for struct in kinds:
        info = msgspec.inspect.type_info(struct)
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            yield from visit(field.type)


# --- Declarations ------------------------------------------------------------


def comment(text: str, indent: str = "") -> list[str]:
    lines = text.replace("``", "`").splitlines()
    if len(lines) <= 1:
        return [f"{indent}/** {line} */" for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"]


def declared(field: Field, indent: str) -> list[str]:
    line = f"{indent}{field};"
    if len(line) > WIDTH:
        head = line.partition(":")[0]
        return [*comment(field.doc, indent), *on_lines(f"{head}:", field.kinds, indent)]
    return [*comment(field.doc, indent), line]


def on_lines(head: str, kinds: Iterable[str], indent: str = "") -> list[str]:
    lines = [head, *(f"{indent}  | {kind}" for kind in kinds)]
    return [*lines[:-1], f"{lines[-1]};"]


def union(name: str, kind: Any) -> list[str]:
    kinds = [k for member in members_of(kind) for k in alone(member)]
    line = f"export type {name} = {' | '.join(kinds)};"
    lines = [line] if len(line) <= WIDTH else on_lines(f"export type {name} =", kinds)
    return [*comment(DOCS.get(name, "")), *lines]


def alone(kind: msgspec.inspect.Type) -> tuple[str, ...]:
    """As `kinds_of`, for the very union that has the name."""
    if isinstance(kind, msgspec.inspect.LiteralType):
        return tuple(quoted(value) for value in kind.values)
    return kinds_of(kind)


def interface(name: str, structs: tuple[type[msgspec.Struct], ...]) -> list[str]:
    """The fields of all the structs; what one of them may lack may be missing."""
    certain = LOOSE.get(name)
    all_fields = [{field.name: field for field in fields_of(struct)} for struct in structs]
    lines = comment(DOCS.get(name) or (told(structs[0]) if len(structs) == 1 else ""))
    lines.append(f"export interface {name} {{")
    if (tag := tag_of(name, structs)) is not None:
        lines += declared(tag, "  ")
    for field_name in dict.fromkeys(n for fields in all_fields for n in fields):
        found = [fields[field_name] for fields in all_fields if field_name in fields]
        is_optional = len(found) < len(structs) or any(field.is_optional for field in found)
        if certain is not None:
            is_optional = field_name not in certain
        kinds = dict.fromkeys(kind for field in found for kind in field.kinds if kind != "null")
        nulls = ["null"] * any("null" in field.kinds for field in found)
        doc = next((field.doc for field in found if field.doc), "")
        lines += declared(Field(field_name, (*kinds, *nulls), is_optional, doc), "  ")
    if name in EXTENSIBLE:
        lines.append("  [other: string]: unknown;")
    return [*lines, "}"]


def tag_of(name: str, structs: tuple[type[msgspec.Struct], ...]) -> Field | None:
    configs = [struct.__struct_config__ for struct in structs]
    tags = tuple(quoted(config.tag) for config in configs if config.tag_field is not None)
    if not tags:
        return None
    kinds = ("string",) if name in OPEN else tuple(dict.fromkeys(tags))
    return Field("type", kinds, name in EXTENSIBLE)


def events() -> list[str]:
    lines = [
        "/** What each server event carries, by its type. */",
        "export interface ServerEvents {",
    ]
    for kind in get_args(server.ServerEvent):
        tag = str(kind.__struct_config__.tag)
        key = tag if tag.isidentifier() else f"'{tag}'"
        fields = [
            field._replace(
                is_optional=field.is_optional
                or field.name in OFTEN_MISSING
                or field.kinds[-1] == "null"
            )
            for field in fields_of(kind)
        ]
        lines += comment(told(kind), "  ")
        if fields:
            inner = [line for field in fields for line in declared(field, "    ")]
            lines += [f"  {key}: {{", *inner, "  };"]
        else:
            lines.append(f"  {key}: object;")
    return [*lines, "}"]


def types() -> list[str]:
    return [
        "/** The types of all events that are known here. */",
        "export const SERVER_EVENT_TYPES: ReadonlySet<string> = new Set<keyof ServerEvents>([",
        *(f"  '{kind.__struct_config__.tag}'," for kind in get_args(server.ServerEvent)),
        "]);",
    ]


def written() -> str:
    structs = reachable(get_args(server.ServerEvent))
    interfaces = dict.fromkeys(name_of(struct) for struct in structs)
    own = {struct.__name__: struct for struct in reachable(get_args(server.ServerEvent))}
    parts = [
        *(union(name, kind) for name, kind in UNIONS.items()),
        *(interface(name, MERGED.get(name) or (own[name],)) for name in interfaces),
        events(),
        types(),
    ]
    return HEAD + "".join("\n" + "\n".join(part) + "\n" for part in parts)


def main(argv: list[str]) -> int:
    text = written()
    if "--check" in argv:
        if FILE.read_text(encoding="utf-8") != text:
            print(f"{FILE.name} is out of date; run scripts/make_protocol_ts.py", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
