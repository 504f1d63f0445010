"""What OpenAI's own description of the API says of an event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FACTS = Path(__file__).parents[1] / "data/openapi/realtime.json"


@cache
def facts() -> dict[str, Any]:
    """Written by scripts/openapi_facts.py."""
    read: dict[str, Any] = json.loads(FACTS.read_text())
    return read


@cache
def _validator(side: str, event_type: str) -> Draft202012Validator | None:
    name = facts()["events"][side].get(event_type)
    if name is None:
        return None
    return Draft202012Validator({"$ref": f"#/schemas/{name}", "schemas": facts()["schemas"]})


def mistakes(event: dict[str, Any], side: str = "server") -> Iterator[str]:
    """Where an event is not as described, as "response.done response.usage: …".

    Null stands for what is absent: the API itself sends it (`status_details`, `transcript`)
    where its description knows only absence.
    """
    validator = _validator(side, event["type"])
    if validator is None:
        yield f"{event['type']}: not described"
        return
    for error in validator.iter_errors(_without_nulls(event)):
        yield f"{event['type']} {_where(error.absolute_path)}: {error.message[:300]}"


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nulls(one) for key, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value]
        case _:
            return value


def _where(path: Iterable[str | int]) -> str:
    return ".".join("[]" if isinstance(part, int) else part for part in path)
