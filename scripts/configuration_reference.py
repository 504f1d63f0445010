"""Write docs/reference/configuration.md from the types of the settings.

With --check: exit 1 if the page is not what this would write.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from antiphon.server.config import variable_name
from antiphon.server.setting_types import type_in_words
from antiphon.server.settings import SECTIONS

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by scripts/configuration_reference.py from antiphon.server.settings; do not edit. -->

Antiphon runs without any configuration. Settings come from one file, `antiphon.toml` in the
working directory (or `--config FILE`, or `$ANTIPHON_CONFIG`), and from environment variables.
A flag overrules a variable, which overrules the file. In a variable a list is separated by
commas. Everything is checked at start; `antiphon check` prints what would run, and where each
setting comes from.

```toml
[server]
host = "0.0.0.0"
api_keys = ["a-long-random-key"]

[models]
"gpt-realtime*" = "offline"
```
"""

MODELS = """
## [models]

Which engine serves which model name. Exact names come first, then patterns (`*`, `?`, `[…]`) in
the order of the file, then `default` of `[engine]`. Quote names that hold dots or stars. There
are no variables for this section. Of several engines the first serves, and the others go on, in
their order, while it cannot:

```toml
[models]
"gpt-realtime*" = ["relay", "offline"]
```
"""


def quoted(words: str) -> str:
    """What is written as it stands, as code."""
    return re.sub(r'"[^"]*"', r"`\g<0>`", words)


def description(kind: Any) -> str:
    return next(m.description for m in kind.__metadata__ if isinstance(m, msgspec.Meta)) or ""


def default(field: msgspec.structs.FieldInfo) -> str:
    factory = field.default_factory
    value = field.default if factory is msgspec.NODEFAULT else factory()
    if value is None or value in ((), {}) or isinstance(value, msgspec.Struct):
        return "–"
    return f"`{msgspec.json.encode(value).decode()}`"


def render() -> str:
    page = HEAD
    for name, kind in SECTIONS.items():
        page += f"\n## [{name}]\n\n{kind.__doc__}\n\n"
        page += "| setting | variable | type | default | |\n|---|---|---|---|---|\n"
        for field in msgspec.structs.fields(kind):
            page += (
                f"| `{field.name}` | `{variable_name(name, field.name)}` "
                f"| {quoted(type_in_words(field.type))} | {default(field)} "
                f"| {description(field.type)} |\n"
            )
        if name == "engine":
            page += MODELS
    return page


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(render())
    elif not PAGE.exists() or PAGE.read_text() != render():
        sys.exit(f"{PAGE.name} is out of date: run scripts/configuration_reference.py")
