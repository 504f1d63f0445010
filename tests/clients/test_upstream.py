"""What OpenAI's own models let a server send, as we read it."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from antiphon.protocol.server import ServerEvent
from antiphon.upstream import wire

SCHEMA = TypeAdapter(RealtimeServerEvent).json_schema()
TAGS = [str(kind.__struct_config__.tag) for kind in get_args(ServerEvent)]
KNOWN = {tag for tag in TAGS if not tag.startswith("antiphon.")}


def example(schema: dict[str, Any], *, full: bool, last: bool) -> Any:
    """Something that fits: with what it must have or with all that it may have; of several
    kinds the first or the last.
    """
    if "$ref" in schema:
        return example(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], full=full, last=last)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][-last]
    if kinds := schema.get("anyOf") or schema.get("oneOf"):
        kinds = [kind for kind in kinds if kind.get("type") != "null"]
        return example(kinds[-last], full=full, last=last)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            wanted = properties if full else schema.get("required", ())
            return {name: example(properties[name], full=full, last=last) for name in wanted}
        case "array":
            return [example(schema["items"], full=full, last=last)] if full else []
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "c29tZQ=="  # Words, an id or base64.


@pytest.mark.parametrize("full", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_each_event_is_read_or_kept(full: bool, last: bool) -> None:
    seen = set()
    for kind in SCHEMA["anyOf"]:
        event = example(kind, full=full, last=last)
        read = wire.read(json.dumps(event))
        if event["type"] not in KNOWN:
            assert read == wire.Foreign(event["type"], event)
        elif isinstance(read, wire.Foreign):
            assert last, read.problem
            assert "of an unknown type" in (read.problem or ""), read.problem
            seen.add(event["type"])
        else:
            assert read.__struct_config__.tag == event["type"]
            seen.add(event["type"])
    assert seen == KNOWN
