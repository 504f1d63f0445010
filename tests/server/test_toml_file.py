from __future__ import annotations

import pytest

from antiphon.server.toml_file import line_of

TEXT = '''\
# server = comment
[server]
port = 1
"quoted key" = 2
text = """
[engine]
port = 3
"""
[ engine . deep ]
'single' = 4
a.b = 5
[[many]]
x = 6
[models]
gpt-4.1 = "x"
"gpt-5.*" = "y"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("server",), 2),
        (("server", "port"), 3),
        (("server", "quoted key"), 4),
        (("engine",), 9),
        (("engine", "deep", "single"), 10),
        (("engine", "deep", "a", "b"), 11),
        (("many", "x"), 13),
        (("models", "gpt-4"), 15),
        (("models", "gpt-5.*"), 16),
        (("server", "absent"), None),
        (("port",), None),
    ],
)
def test_the_line_of_a_key_is_found(path: tuple[str, ...], line: int | None) -> None:
    assert line_of(TEXT, path) == line
