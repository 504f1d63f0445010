from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.engines.cascade.llm.offline.script import Script
from antiphon.engines.cascade.llm.offline.script_file import load_script, parse_script
from antiphon.errors import ConfigurationError

EXAMPLES = Path(__file__).parents[5] / "examples" / "agents"

GOOD = """\
[agent]
name = "desk"
greeting = "Hello."
start = "one"

[enums]
size = ["small", "large"]
drink = { coffee = ["coffee", "a coffee"], tea = ["tea"] }

[variables]
total = 0

[states.one]
on_enter = "What size?"

[[states.one.intents]]
examples = ["{size:item} {drink} [for {count:number 1-9}]"]
when = "total < 5"
set = { total = "total + 1" }
reply = "{drink}, {size}."
goto = "two"

[states.two]
final = true
"""


def parse(text: str) -> Script:
    return parse_script(text, source="desk.toml")


def problems(old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        parse(GOOD.replace(old, new, 1))
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_load_without_warnings(path: Path) -> None:
    assert load_script(path).warnings == ()


def test_a_good_script_has_its_parts() -> None:
    script = parse(GOOD)
    assert list(script.states) == ["one", "two"]
    (intent,) = script.states["one"].intents
    assert intent.name == "{size:item} {drink} [for {count:number 1-9}]"
    assert [gap.name for gap in intent.phrases[0].gaps()] == ["size", "drink", "count"]
    assert {g.name for g in script.globals} == {"help", "repeat", "hint", "undo", "cancel", "about"}


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ('goto = "two"', 'goto = "tow"', 21, "no state 'tow'; did you mean 'two'?"),
        ('start = "one"', 'start = "x"', 4, "agent.start: there is no state 'x' (known: one, two)"),
        ('"{drink}, {size}."', '"{drunk}"', 20, "'drunk' is no slot and no variable"),
        ('"{drink}, {size}."', '"{drink"', 20, "a lone '{'"),
        ("{size:item}", "{sise:item}", 17, "there is no type 'sise'; did you mean 'size'?"),
        ("{count:number 1-9}", "{count:digits}", 17, "digits need a count"),
        ("total < 5", "totl < 5", 18, "'totl' is no slot and no variable"),
        ("total < 5", "print(5)", 18, "only names, numbers"),
        ("total < 5", "total <", 18, "cannot be read"),
        (
            "examples =",
            "exmples =",
            16,
            "there is no field `exmples` (fields here: set, reply, call, name, examples",
        ),
        ('examples = ["{size', 'examples = [] # "{size', 17, "it has no examples"),
        ("final = true", "", 23, "it has no intents"),
        ('name = "desk"', "name = 5", 1, "Expected `str`, got `int` - at `$.name`"),
        ('size = ["small", "large"]', "size = 3", 7, 'write ["small", "large"] or'),
        ('size = ["small", "large"]', "size = []", 7, "no items"),
        ("[variables]", "[globals]\nhelpp = false\n[variables]", 11, "did you mean 'help'?"),
        ("[variables]", "[random]\nx = { from = 3 }\n[variables]", 11, "{ from = 1, to = 6 }"),
        ('name = "desk"', 'name = "desk', 2, "not valid TOML"),
    ],
)
def test_a_mistake_names_its_line_and_what_to_do(old: str, new: str, line: int, why: str) -> None:
    told = problems(old, new)
    assert "desk.toml" in told
    assert f"line {line}" in told
    assert why in told


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace('goto = "two"', 'goto = "nowhere"').replace("total < 5", "tootal < 5")
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert len(str(caught.value).splitlines()) == 2


def test_states_that_are_never_reached_and_enums_never_used_are_warned_of() -> None:
    script = parse(GOOD + '\n[states.three]\nfinal = true\n\n[enums.colour]\nred = ["red"]\n')
    assert [warning.partition(": ")[2] for warning in script.warnings] == [
        "state 'three' is never reached",
        "enum 'colour' is never used",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: cannot be read"):
        load_script(tmp_path / "nothing.toml")
