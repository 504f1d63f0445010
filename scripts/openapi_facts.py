"""Take from OpenAI's OpenAPI description what concerns the Realtime API: names, types, limits.

    python scripts/openapi_facts.py openapi.json --source "openai/openai-openapi COMMIT, DATE"

The description (MIT) is https://github.com/openai/openai-openapi. Its texts are left out: facts
are what tests and `scripts/compatibility_matrix.py` compare with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "tests/data/openapi/realtime.json"

KEPT = {
    "type", "properties", "required", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "items",
    "additionalProperties", "nullable", "minimum", "maximum", "minLength", "maxLength", "maxItems",
    "minItems",
}  # fmt: skip
"""Of JSON Schema.  All else is for readers."""
PREFIX = "#/components/schemas/"
ROOTS = {
    "client": "RealtimeClientEvent",
    "server": "RealtimeServerEvent",
}
"""Unions of events; members of GA's that only beta knew are told apart by `BETA_ONLY`."""
BETA_EVENTS = {"client": "RealtimeBetaClientEvent", "server": "RealtimeBetaServerEvent"}
"""Of the beta dialect there is no union, only events with this prefix."""
BODIES = {
    "POST /v1/realtime/client_secrets": "RealtimeCreateClientSecretRequest",
    "POST /v1/realtime/client_secrets → 200": "RealtimeCreateClientSecretResponse",
    "POST /v1/realtime/calls": "RealtimeCallCreateRequest",
    "POST /v1/realtime/sessions (beta)": "RealtimeSessionCreateRequest",
    "POST /v1/realtime/sessions (beta) → 200": "RealtimeSessionCreateResponse",
    "POST /v1/realtime/transcription_sessions (beta)": "RealtimeTranscriptionSessionCreateRequest",
}


def pruned(schema: Any, inside_properties: bool = False) -> Any:
    if isinstance(schema, list):
        return [pruned(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if inside_properties:
        return {name: pruned(one) for name, one in schema.items()}
    kept = {
        key: value.removeprefix(PREFIX)
        if key == "$ref"
        else pruned(value, inside_properties=key == "properties")
        for key, value in schema.items()
        if key in KEPT
    }
    if kept.pop("nullable", False):
        kept = {"anyOf": [kept, {"type": "null"}]}
    if "$ref" in kept:
        kept["$ref"] = f"#/schemas/{kept['$ref']}"
    return kept


def referred(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from referred(one)
    elif isinstance(schema, dict):
        if isinstance(name := schema.get("$ref"), str):
            yield name.removeprefix("#/schemas/")
        for one in schema.values():
            yield from referred(one)


def event_type(schema: dict[str, Any]) -> str:
    kind = schema["properties"]["type"]
    return str(kind.get("const") or kind["enum"][0])


def facts(api: dict[str, Any], source: str) -> dict[str, Any]:
    everything = api["components"]["schemas"]
    found: dict[str, Any] = {"source": source, "bodies": BODIES, "events": {}, "schemas": {}}
    for side, union in ROOTS.items():
        names = [one["$ref"].removeprefix(PREFIX) for one in everything[union]["anyOf"]]
        found["events"][side] = {event_type(everything[name]): name for name in sorted(names)}
    for side, prefix in BETA_EVENTS.items():
        names = [name for name in sorted(everything) if name.startswith(prefix)]
        events = {event_type(everything[name]): name for name in names}
        found["events"][f"beta {side}"] = events
    wanted = [name for events in found["events"].values() for name in events.values()]
    wanted += BODIES.values()
    while wanted:
        name = wanted.pop()
        if name not in found["schemas"]:
            found["schemas"][name] = schema = pruned(everything[name])
            wanted += referred(schema)
    found["schemas"] = dict(sorted(found["schemas"].items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="openapi.json of the description")
    parser.add_argument("--source", required=True, help="which version that is")
    args = parser.parse_args()
    found = facts(json.loads(args.file.read_text()), args.source)
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(found['schemas'])} schemas")


if __name__ == "__main__":
    main()
