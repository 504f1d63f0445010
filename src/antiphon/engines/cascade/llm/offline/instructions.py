"""What can be done with instructions where there is no language model to follow them."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from antiphon.protocol.session import DEFAULT_INSTRUCTIONS

SCRIPT_MARK = "#!antiphon-script"
"""Instructions that begin with this line carry a script, in TOML, after it."""
MAX_SCRIPT_CHARS = 64_000

_SAY = re.compile(
    r"""\s*(?:please\s+)?(?:say|speak|read\ out|repeat)
        (?:\s+(?:exactly|verbatim|only|just|the\ following|this|to\ the\ user))*
        \s*(?::\s*|\s(?=["“'‘]))(?P<text>.+)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_GREET = re.compile(
    r"\b(greet(?:ing)?|welcome|say (?:hello|hi)|introduce yourself)\b", re.IGNORECASE
)


class Directive(Struct, frozen=True):
    """The simple things that instructions may ask for."""

    kind: Literal["say", "greet", "none"]
    text: str = ""


def read_instructions(instructions: str) -> Directive:
    """As "Say exactly: …" is obeyed; "Greet the user" is, where nobody has spoken yet."""
    said = _SAY.match(instructions)
    if said:
        return Directive("say", said.group("text").strip().strip("\"“”'‘’").strip())
    if len(instructions) < 400 and _GREET.search(instructions):
        return Directive("greet")
    return Directive("none")


def free_form(instructions: str) -> bool:
    """Whether somebody wrote instructions that only a language model could follow."""
    return bool(instructions.strip()) and instructions.strip() != DEFAULT_INSTRUCTIONS


def carried_script(instructions: str) -> str | None:
    """The script's text, where the instructions carry one."""
    first, _, rest = instructions.lstrip().partition("\n")
    return rest if first.strip() == SCRIPT_MARK else None
