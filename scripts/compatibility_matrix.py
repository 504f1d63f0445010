"""Write docs/reference/compatibility.md: OpenAI's description of the API beside our types.

With --check: exit 1 if the file is not what this would write.

The facts of the description are in tests/data/openapi/realtime.json (scripts/openapi_facts.py).
What is served is read from the types that every message passes through; that the types are
truly what comes is shown by the conformance scripts, each of whose events is checked against
the same facts (tests/conformance/described.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from antiphon.protocol import client, server

ROOT = Path(__file__).parent.parent
FACTS = ROOT / "tests/data/openapi/realtime.json"
FILE = ROOT / "docs/reference/compatibility.md"

GREEN, YELLOW, RED = "🟢", "🟡", "🔴"

HEAD = """\
# Compatibility with the Realtime API

<!-- Written by scripts/compatibility_matrix.py; do not edit. -->

Event by event and field by field: what OpenAI's own description of the API has ({source}),
and what Antiphon serves. {green} served, {yellow} taken and shown again, but without effect,
{red} not there.

The description is stricter than the API in one thing: fields that are null on the wire
(`response.status_details`, `transcript`) it knows only as absent. With that, each event of all
[conformance scripts](../../tests/conformance/scripts) is as described; a test sees to it.

"""

_NO_MCP = "MCP servers are not called yet"
WITHOUT_EFFECT: Mapping[str, str] = {
    "tracing": "there are no traces to send",
    "prompt": "stored prompts live at OpenAI",
    "audio.input.noise_reduction": "the microphone is heard as it is",
    "tools[].allowed_tools": _NO_MCP,
    "tools[].connector_id": _NO_MCP,
    "tools[].require_approval": _NO_MCP,
    "tools[].server_description": _NO_MCP,
    "tools[].server_label": _NO_MCP,
    "tools[].server_url": _NO_MCP,
    "tool_choice.server_label": _NO_MCP,
}
"""Fields by path below a session or response, and what is inside of them."""

ABSENT: Mapping[str, str] = {
    "conversation.created": "not there; in the beta dialect it is",
    "conversation.item.created": "not there; in the beta dialect it is",
    "conversation.item.input_audio_transcription.segment": "not there: nobody tells speakers apart",
    "input_audio_buffer.dtmf_event_received": "not there: no telephone line",
}
"""Events that are not served, where more can be said of it."""

OBJECTS = ("session", "response", "item")
"""Fields of events that have a table of their own."""


class Field(NamedTuple):
    required: bool
    values: frozenset[str]
    """Of those that are enumerated."""


Schemas = Mapping[str, Any]


# --- Reading schemas ------------------------------------------------------------


def resolved(schema: Any, schemas: Schemas) -> Any:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix("#/schemas/")]
    return schema


def alternatives(schema: Any, schemas: Schemas) -> Iterator[Any]:
    schema = resolved(schema, schemas)
    inner = [one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())]
    for one in inner:
        yield from alternatives(one, schemas)
    if not inner or "properties" in schema:
        yield schema


def fields(schema: Any, schemas: Schemas, path: str = "", depth: int = 0) -> dict[str, Field]:
    """All fields below, by path; lists are `name[]`, and alternatives are one."""
    found: dict[str, Field] = {}

    def add(name: str, field: Field) -> None:
        before = found.get(name)
        if before is not None:
            field = Field(before.required and field.required, before.values | field.values)
        found[name] = field

    if depth > 9:  # A tool's parameters may hold anything.
        return found
    for one in alternatives(schema, schemas):
        required = set(one.get("required", ()))
        for name, inner in one.get("properties", {}).items():
            where = f"{path}.{name}" if path else name
            add(where, Field(name in required, frozenset(values(inner, schemas))))
            for below, field in fields(inner, schemas, where, depth + 1).items():
                add(below, field)
        if "items" in one:
            for below, field in fields(one["items"], schemas, f"{path}[]", depth + 1).items():
                add(below, field)
    return found


def values(schema: Any, schemas: Schemas) -> Iterator[str]:
    for one in alternatives(schema, schemas):
        yield from (value for value in one.get("enum", ()) if isinstance(value, str))
        if isinstance(value := one.get("const"), str):
            yield value
        if "items" in one:
            yield from values(one["items"], schemas)


# --- Ours -----------------------------------------------------------------------


def ours() -> tuple[dict[str, dict[str, Any]], Schemas]:
    """Schemas of our events by side and type, and what they refer to."""
    sides = {"client": client.ClientEvent, "server": server.ServerEvent}
    (*unions,), schemas = msgspec.json.schema_components(
        list(sides.values()), ref_template="#/schemas/{name}"
    )
    events = {}
    for side, union in zip(sides, unions, strict=True):
        kinds = list(alternatives(union, schemas))
        events[side] = {one["properties"]["type"]["enum"][0]: one for one in kinds}
    return events, schemas


# --- Comparing ------------------------------------------------------------------


class Row(NamedTuple):
    path: str
    color: str
    note: str


def compared(theirs: Mapping[str, Field], served: Mapping[str, Field]) -> Iterator[Row]:
    for path, field in sorted(theirs.items()):
        why = without_effect(path)
        mine = served.get(path)
        if mine is None:
            yield Row(path, RED, "")
        elif why:
            yield Row(path, YELLOW, why)
        elif mine.values and (missing := sorted(field.values - mine.values)):
            yield Row(path, RED, "without " + ", ".join(f"`{value}`" for value in missing))
        else:
            yield Row(path, GREEN, "")


def without_effect(path: str) -> str | None:
    top, _, below = path.partition(".")
    path = below if top in OBJECTS and below else path
    for prefix, why in WITHOUT_EFFECT.items():
        if path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")):
            return why
    return None


def is_own_table(path: str) -> bool:
    return any(path.startswith((f"{name}.", f"{name}[")) for name in OBJECTS)


# --- Writing --------------------------------------------------------------------


def page(facts: dict[str, Any]) -> str:
    events, our_schemas = ours()
    lines = [HEAD.format(source=facts["source"], green=GREEN, yellow=YELLOW, red=RED)]
    objects: dict[str, dict[str, Row]] = {}
    summary: list[str] = []
    details: list[str] = []
    for side in ("client", "server"):
        summary += [f"## Events of the {side}", "", "| Event | | Fields |", "|---|---|---|"]
        for kind, name in facts["events"][side].items():
            theirs = fields(facts["schemas"][name], facts["schemas"])
            schema = events[side].get(kind)
            if schema is None:
                summary.append(f"| `{kind}` | {RED} | {ABSENT.get(kind, 'not there')} |")
                continue
            rows = list(compared(theirs, fields(schema, our_schemas)))
            for top in OBJECTS:
                below = object_rows(top, theirs, fields(schema, our_schemas))
                if below:
                    objects.setdefault(f"`{top}` of `{kind}`", {}).update(below)
            own = [row for row in rows if not is_own_table(row.path)]
            summary.append(f"| `{kind}` | {worst(own)} | {told(own)} |")
        extra = sorted(set(events[side]) - set(facts["events"][side]))
        summary += [f"| `{kind}` | {GREEN} | ours alone |" for kind in extra]
        summary.append("")
    for title, below in merged(objects).items():
        details += [f"## {title}", "", "| Field | | |", "|---|---|---|"]
        details += [f"| `{row.path}` | {row.color} | {row.note} |" for row in below]
        details.append("")
    lines += [totals(facts, events, our_schemas), "", *summary, *details]
    return "\n".join(lines).rstrip() + "\n"


def object_rows(
    top: str, theirs: Mapping[str, Field], served: Mapping[str, Field]
) -> dict[str, Row]:
    def cut(all_fields: Mapping[str, Field]) -> dict[str, Field]:
        return {
            path.removeprefix(f"{top}."): field
            for path, field in all_fields.items()
            if path.startswith(f"{top}.")
        }

    return {row.path: row for row in compared(cut(theirs), cut(served))}


def merged(objects: Mapping[str, Mapping[str, Row]]) -> dict[str, list[Row]]:
    """Objects that are the same in several events, once."""
    same: dict[tuple[Row, ...], list[str]] = {}
    for title, rows in objects.items():
        same.setdefault(tuple(rows.values()), []).append(title)
    named = {}
    for rows, titles in same.items():
        top = titles[0].split(" of ")[0]
        kinds = [title.split(" of ")[1] for title in titles]
        named[f"{top} of {', '.join(kinds)}"] = list(rows)
    return named


def worst(rows: Iterable[Row]) -> str:
    colors = {row.color for row in rows}
    return next((color for color in (RED, YELLOW) if color in colors), GREEN)


def told(rows: list[Row]) -> str:
    bad = [row for row in rows if row.color != GREEN]
    said = [f"`{row.path}` {row.color}{' ' + row.note if row.note else ''}" for row in bad]
    return "; ".join([f"{len(rows) - len(bad)} of {len(rows)}", *said])


def totals(facts: dict[str, Any], events: dict[str, dict[str, Any]], our_schemas: Schemas) -> str:
    lines = ["| | Events | Fields |", "|---|---|---|"]
    for side in ("client", "server"):
        kinds = facts["events"][side]
        served = [kind for kind in kinds if kind in events[side]]
        rows = [
            row
            for kind, name in kinds.items()
            for row in compared(
                fields(facts["schemas"][name], facts["schemas"]),
                fields(events[side].get(kind, {}), our_schemas),
            )
        ]
        counts = {color: sum(row.color == color for row in rows) for color in (GREEN, YELLOW, RED)}
        said = ", ".join(f"{count} {color}" for color, count in counts.items())
        lines.append(f"| {side} | {len(served)} of {len(kinds)} | {said} |")
    return "\n".join(lines)


def main() -> None:
    written = page(json.loads(FACTS.read_text()))
    if "--check" in sys.argv:
        if not FILE.exists() or FILE.read_text() != written:
            sys.exit(f"{FILE.name} is not what {Path(__file__).name} writes: run it")
        return
    FILE.write_text(written)


if __name__ == "__main__":
    main()
