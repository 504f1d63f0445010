from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigurationError
from antiphon.protocol.session import FunctionTool
from antiphon.talk.settings import endpoint, read_tool_result, read_tools


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime?model=m"),
        ("https://host/v1", "wss://host/v1/realtime?model=m"),
        ("ws://host/v1/realtime?model=other", "ws://host/v1/realtime?model=m"),
        ("wss://host/openai/v1/", "wss://host/openai/v1/realtime?model=m"),
        ("host:9000", "ws://host:9000/v1/realtime?model=m"),
    ],
)
def test_a_base_is_made_whole(url: str, whole: str) -> None:
    assert endpoint(url, "m") == whole


def test_the_model_may_be_in_the_address_or_left_to_the_server() -> None:
    assert endpoint("ws://h/v1/realtime?model=a", None) == "ws://h/v1/realtime?model=a"
    assert endpoint("ws://h", None) == "ws://h/v1/realtime"


def test_a_conversation_that_is_resumed_stands_in_the_address() -> None:
    url = endpoint("ws://h", "m", resume="conv_1")
    assert url == "ws://h/v1/realtime?model=m&conversation_id=conv_1"


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(ConfigurationError, match="give a base such as"):
        endpoint("ftp://host", None)


def test_tools_and_their_results_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(
        '[{"type":"function","name":"f","result":{"a":1}},{"type":"function","name":"g"}]'
    )
    assert read_tools(path) == ((FunctionTool("f"), FunctionTool("g")), {"f": '{"a":1}'})


@pytest.mark.parametrize("text", ["{", '{"name":"f"}', '[{"type":"function"}]'])
def test_a_file_that_holds_no_tools_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tools.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="it must be a list of"):
        read_tools(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        read_tools(tmp_path / "missing.json")


def test_a_result_on_the_command_line() -> None:
    assert read_tool_result('f={"a": 1}') == ("f", '{"a": 1}')
    with pytest.raises(ConfigurationError, match="text goes in quotes"):
        read_tool_result("f=sunny")
    with pytest.raises(ConfigurationError, match="write it as name=JSON"):
        read_tool_result("f")
