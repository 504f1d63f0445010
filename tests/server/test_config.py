from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.errors import ConfigurationError
from antiphon.limits.policy import Limits
from antiphon.server.config import Loaded, load, variable_name
from antiphon.server.metering_settings import PlanSettings, PriceSettings, TenantBudgetSettings
from antiphon.server.secret import Secret
from antiphon.server.settings import SECTIONS, Config, UpstreamSettings

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(text: str = "", **environ: str) -> Loaded:
    Path("antiphon.toml").write_text(text)
    return load(environ=environ)


def refusal(text: str = "", **environ: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        loaded(text, **environ)
    return str(refused.value)


def test_nothing_at_all_is_a_configuration() -> None:
    assert load(environ={}) == (Config(), None, {}, ())


def test_a_flag_overrules_a_variable_which_overrules_the_file() -> None:
    Path("antiphon.toml").write_text("[server]\nport = 1\nhost = '127.0.0.2'\nstrict = true\n")
    result = load(
        environ={"ANTIPHON_PORT": "2", "ANTIPHON_HOST": "127.0.0.3"},
        overrides={"server.port": 3, "server.log_level": None},
    )
    server = result.config.server
    assert (server.port, server.host, server.strict) == (3, "127.0.0.3", True)
    assert result.sources == {
        "server.port": "command line",
        "server.host": "ANTIPHON_HOST",
        "server.strict": "antiphon.toml:4",
    }


def test_every_kind_of_value_can_come_from_a_variable() -> None:
    config = loaded(
        ANTIPHON_API_KEYS=" one, two ,",
        ANTIPHON_STRICT="true",
        ANTIPHON_DRAIN_SECONDS="1.5",
        ANTIPHON_LOG_LEVEL="debug",
        ANTIPHON_LLM_BASE_URL="http://127.0.0.1:9/v1",
        ANTIPHON_LLM_MODEL="m",
        ANTIPHON_LLM_API_KEY="k",
    ).config
    assert [key.reveal() for key in config.server.api_keys] == ["one", "two"]
    assert config.server.strict is True
    assert config.server.drain_seconds == 1.5
    assert config.llm.base_url == "http://127.0.0.1:9/v1"
    assert config.llm.api_key == Secret("k")


def test_the_file_may_be_named_and_must_then_exist(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 7\n")
    assert load(other, environ={}).config.server.port == 7
    assert load(environ={"ANTIPHON_CONFIG": str(other)}).path == other
    with pytest.raises(ConfigurationError, match="no such file"):
        load(tmp_path / "absent.toml", environ={})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\n\nprot = 1", "antiphon.toml:3: there is no setting 'prot' in [server]. Did"),
        ("[sever]\nport = 1", "antiphon.toml:1: there is no section [sever]. Did you mean 'serv"),
        ("server = 1", "antiphon.toml:1: 'server' must be a table"),
        (
            "[server]\nport = 'x'",
            "antiphon.toml:2: port: Expected `int`, got `str`. Wanted: integer",
        ),
        ("[server]\nport = 70000", "antiphon.toml:2: port: Expected `int` <= 65535."),
        (
            "[server]\nlog_level = 'loud'",
            "antiphon.toml:2: log_level: Invalid enum value 'loud'. Wanted: \"debug\" or",
        ),
        ("[server]\nport = \n", "this is not TOML: Invalid value (at line 2"),
        ("[models]\ngpt-4.1 = 'x'", 'antiphon.toml:2: write "gpt-4" = "engine"'),
        ("[server]\napi_keys = ['']", "antiphon.toml:2: api_keys: must not be empty"),
        ("[server]\napi_keys = ['a b']", "antiphon.toml:2: a key may hold letters"),
        ("[server]\nallowed_origins = ['x.com']", "antiphon.toml:2: 'x.com' is no origin"),
        ("[server]\ntape_dir = 'absent'", "antiphon.toml:2: there is no directory 'absent'"),
        ("[offline]\nagent = 'absent'", "antiphon.toml:2: there is no file 'absent'"),
        ("[traces]\nendpoint = 'ftp://x'", "antiphon.toml:2: 'ftp://x' must begin with http://"),
        ("[redis]\npublic_url = 'v-1'", "antiphon.toml:2: 'v-1' must begin with http:// or"),
        ("[journal]\ntenant_retention_days = { acme = 0.5 }", "'acme' has 0.5 days; 1 is"),
        ("[llm]\nbase_url = 'x'\nmodel='m'", "antiphon.toml:2: 'x' must begin with http://"),
        ("[llm]\nbase_url = 'http://x'", "antiphon.toml:2: a language model needs its name"),
        ("[llm]\nmodel = 'm'", "antiphon.toml:2: a language model needs its address"),
        ("[stt]\nrecognizer = 'http'", "antiphon.toml:2: 'http' needs the server's address"),
        ("[stt]\nrecognizer = 'http'\nbase_url = 'http://x'", "needs the model's name there"),
        ("[tts]\nsynthesizer = 'http'\nmodel = 'm'", "antiphon.toml:2: 'http' needs the server's"),
        ("[tts]\nsynthesizer = 'http'\nbase_url = 'http://x'", "needs the model's name there"),
        ("[tts]\nbase_url = 'http://x'", "antiphon.toml:2: no other server is used"),
        (
            "[stt]\nrecognizer = 'realtime'\nmodel = 'm'\nbase_url = 'https://x'",
            "antiphon.toml:4: 'https://x' must begin with ws:// or wss://.",
        ),
        ("[tts]\nextra_body = { input = 'x' }", "'input' is Antiphon's own to send"),
        ("[tts]\nsynthesizer = 'nobody'", "Invalid enum value 'nobody'"),
        ("[llm]\napi_key_env = 'K'", "antiphon.toml:2: the environment variable K is not set"),
    ],
)
def test_an_error_names_the_line_and_the_remedy(text: str, says: str) -> None:
    assert says in refusal(text)


def test_an_error_in_a_variable_names_the_variable() -> None:
    assert refusal(ANTIPHON_PORT="http") == (
        "ANTIPHON_PORT: port: Expected `int`, got `str`. Wanted: integer, ≥ 0, ≤ 65535."
    )


def test_a_part_that_is_wrong_is_named_without_the_kind_of_the_whole() -> None:
    told = refusal(ANTIPHON_RELAY_UPSTREAMS='[{"x": 1}]')
    assert told.endswith("upstreams: Object contains unknown field `x` - at `$[0]`.")


def test_all_problems_are_told_at_once() -> None:
    assert len(refusal("[server]\nport = 'x'\nprot = 1\n[engin]\n").splitlines()) == 3


def test_a_misspelt_variable_is_a_warning() -> None:
    assert loaded(ANTIPHON_API_KEY="x", PATH="/bin").warnings == (
        "ANTIPHON_API_KEY is no setting. Did you mean ANTIPHON_API_KEYS?",
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_without_keys_only_this_machine_is_served(host: str) -> None:
    assert "Set ANTIPHON_API_KEYS" in refusal(f"[server]\nhost = '{host}'")
    assert loaded(f"[server]\nhost = '{host}'", ANTIPHON_API_KEYS="k").config.server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert loaded(f"[server]\nhost = '{host}'").config.server.host == host


@pytest.mark.parametrize("section", ["llm", "stt", "tts"])
def test_the_key_of_a_part_may_stand_in_a_variable_of_its_own(section: str) -> None:
    chosen = f"{PARTS[section]} = 'http'\n" if section in PARTS else ""
    text = f"[{section}]\n{chosen}base_url = 'http://x/v1'\nmodel = 'm'\napi_key_env = 'MY_KEY'\n"
    settings = getattr(loaded(text, MY_KEY="sk-1").config, section)
    assert settings.api_key == Secret("sk-1")


def test_no_secret_is_ever_shown() -> None:
    result = loaded(
        ANTIPHON_API_KEYS="sesame,mellon",
        ANTIPHON_LLM_API_KEY="hush",
        ANTIPHON_LLM_BASE_URL="http://x",
        ANTIPHON_LLM_MODEL="m",
        OPENAI_API_KEY="whisper",
    )
    shown = f"{result!r} {result.config} {result.config.server.api_keys[0]}"
    assert not any(secret in shown for secret in ("sesame", "mellon", "hush", "whisper"))
    # Nor in an error, where a bad key is the matter.
    assert "ses ame" not in refusal(ANTIPHON_API_KEYS="ses ame")


def test_variables_have_names_of_their_own() -> None:
    names = [
        variable_name(s, key) for s, kind in SECTIONS.items() for key in kind.__struct_fields__
    ]
    assert len(names) == len(set(names))


def test_the_reference_page_is_up_to_date() -> None:
    script = ROOT / "scripts" / "configuration_reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- Every setting that is written about --------------------------------------


def documented(page: str) -> list[tuple[str, ...]]:
    """Section, key and the rest of each row of the tables of settings."""
    rows: list[tuple[str, ...]] = []
    section = ""
    for line in (ROOT / "docs" / page).read_text().splitlines():
        if heading := re.match(r"## \[(\w+)\]", line):
            section = heading[1]
        if row := re.match(r"\| `(\w+)` \| `(\w+)` \| (.*?) \| (.*?) \|", line):
            rows.append((section, *row.groups()))
    return rows


SETTINGS = documented("reference/configuration.md")
VALUES = {"string": "text", "table": {"key": 1}, "true or false": True, "list of strings": ["a"]}
EACH = {
    "sessions_per_minute": 6.0,
    "sessions_at_once": 2,
    "minutes_per_day": 30.0,
    "responses_per_minute": 20.0,
    "tokens_per_minute": 50_000.0,
    "messages_per_second": 60.0,
    "bytes_per_second": 100_000.0,
}
NEEDS: dict[str, tuple[Any, str]] = {
    "host": ("127.0.0.1", ""),
    "api_key_env": ("MY_KEY", ""),
    "endpoint": ("http://127.0.0.1:9/v1/traces", ""),
    "base_url": ("http://127.0.0.1:9/v1", ""),
    "public_url": ("https://voice-1.example", ""),
    "voices": ({"marin": "af_heart"}, ""),
    "url": ("wss://realtime.example/v1", ""),
    "allowed_origins": (["https://a.example"], ""),
    "host_addresses": (["10.0.0.1"], ""),
    "public_addresses": (["10.0.0.1"], ""),
    "ice_urls": (["stun:stun.example.com"], ""),
    "upstreams": ([{"url": "wss://realtime.example/v1", "weight": 2}], ""),
    "prices": ([{"model": "m", "text_in": "4", "source": "a contract"}], ""),
    "listen": ("127.0.0.1:9464", ""),
    "jwt_issuer": ("https://id.example", 'jwt_audience = ["a"]'),
    "jwt_audience": (["a"], 'jwt_issuer = "https://id.example"'),
    "jwks_url": (
        "https://id.example/keys",
        'jwt_issuer = "https://id.example"\njwt_audience = ["a"]',
    ),
    **dict.fromkeys(("address", "user", "key", "tenant"), (EACH, "")),
    **dict.fromkeys(("tenants", "plans"), ({"acme": EACH}, "")),
    "budgets.tenants": ({"acme": {"day": 2.0, "month": 30.0}}, ""),
    "budgets.plans": ({"trial": dict.fromkeys(PlanSettings.__struct_fields__, 1.5)}, ""),
    "default_plan": ("trial", "plans = {trial = {session = 1.0}}"),
    "port_min": (40_000, "port_max = 40_000"),
    "port_max": (40_000, "port_min = 40_000"),
}
"""Values, and settings beside them, without which a key means nothing."""
PARTS = {"stt": "recognizer", "tts": "synthesizer"}


def test_the_page_lists_every_setting() -> None:
    listed = {(row[0], row[1]) for row in SETTINGS}
    assert listed == {(s, key) for s, kind in SECTIONS.items() for key in kind.__struct_fields__}


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: f"{row[0]}.{row[1]}")
def test_every_documented_setting_is_taken_from_file_and_variable(
    row: tuple[str, ...], tmp_path: Path
) -> None:
    section, key, variable, kind, default = row
    beside = ""
    value: object
    if needed := NEEDS.get(f"{section}.{key}", NEEDS.get(key)):
        value, beside = needed
    elif key in ("tls_cert", "tls_key", "agent"):
        value = str(tmp_path / "file")
        Path(str(value)).touch()
        if section == "server":
            other = {"tls_cert": "tls_key", "tls_key": "tls_cert"}[key]
            beside = f'{other} = "{value}"'
    elif key == "tape_dir":
        value = str(tmp_path)
    elif default != "–":
        value = json.loads(default.strip("`"))
    else:
        value = VALUES.get(kind, 1)
    if section == "llm":
        server = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
        beside = "\n".join(f'{k} = "{v}"' for k, v in server.items() if k != key)
    if section in PARTS and key == "base_url":
        beside = f'{PARTS[section]} = "http"\nmodel = "m"'
    text = f"[{section}]\n{key} = {toml(value)}\n{beside}\n"
    config = loaded(text, MY_KEY="k").config
    assert plain(getattr(getattr(config, section), key)) == value
    of_texts = isinstance(value, list) and all(isinstance(part, str) for part in value)
    written = ",".join(value) if of_texts else value  # type: ignore[arg-type]
    written = written if isinstance(written, str) else json.dumps(written)
    again = loaded(f"[{section}]\n{beside}\n", **{variable: written, "MY_KEY": "k"}).config
    assert plain(getattr(getattr(again, section), key)) == value


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def plain(value: object) -> object:
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, UpstreamSettings):
        return {"url": value.url, "weight": value.weight}
    if isinstance(value, Limits | PlanSettings | TenantBudgetSettings):
        return msgspec.structs.asdict(value)
    if isinstance(value, PriceSettings):
        told = msgspec.structs.asdict(value)
        return {name: part for name, part in told.items() if part is not None}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value.reveal() if isinstance(value, Secret) else value


def test_every_setting_that_a_guide_names_exists() -> None:
    names = {f"{s}.{key}" for s, kind in SECTIONS.items() for key in kind.__struct_fields__}
    for guide in (ROOT / "docs").rglob("*.md"):
        for named in re.findall(r"`((?:llm|stt|tts)\.(?!py`)\w+)`", guide.read_text()):
            assert named in names, f"{guide.name} names {named}"


def test_the_fields_of_every_request_are_a_table_and_not_our_own() -> None:
    llm = "[llm]\nbase_url = 'http://x/v1'\nmodel = 'm'\n"
    nested = loaded(llm + "[llm.extra_body]\ntop_k = 20\nchat_template_kwargs = { think = false }")
    assert nested.config.llm.extra_body == {"top_k": 20, "chat_template_kwargs": {"think": False}}
    assert "ANTIPHON_LLM_EXTRA_BODY: extra_body: Expected" in refusal(
        llm, ANTIPHON_LLM_EXTRA_BODY="top_k=20"
    )
    for own in ("model", "messages", "input"):
        body = f"extra_body = {{ {own} = 'x' }}"
        assert f"'{own}' is Antiphon's own" in refusal(llm + body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('host_addresses = ["eth0"]', "'eth0' is no IP address"),
        ('public_addresses = ["example.com"]', "'example.com' is no IP address"),
        ("port_min = 40000", "40000 to 0 is no range of ports"),
        ("port_min = 40100\nport_max = 40000", "40100 to 40000 is no range of ports"),
        ('ice_urls = ["http://turn.example.com"]', "is no STUN or TURN server"),
    ],
)
def test_what_calls_need_is_checked_at_start(text: str, said: str) -> None:
    assert said in refusal(f"[webrtc]\n{text}\n")


def test_ways_through_a_nat_are_read() -> None:
    webrtc = loaded(
        '[webrtc]\npublic_addresses = ["203.0.113.7"]\nport_min = 40000\nport_max = 40100\n'
        'ice_urls = ["stun:stun.example.com", "turns:turn.example.com:443?transport=tcp"]\n'
    ).config.webrtc
    assert (webrtc.port_min, webrtc.port_max) == (40000, 40100)
    assert webrtc.public_addresses == ("203.0.113.7",)


def test_a_key_of_openai_turns_its_relay_on() -> None:
    relay = loaded(OPENAI_API_KEY="sk-secret").config.relay
    assert relay.is_on
    assert relay.address == "wss://api.openai.com/v1/realtime"
    assert relay.api_key == Secret("sk-secret")
    assert "gpt-realtime" in relay.models
    assert not loaded().config.relay.is_on
    off = loaded("[relay]\nenabled = false", OPENAI_API_KEY="sk-secret")
    assert not off.config.relay.is_on
    assert not off.warnings


def test_that_a_key_alone_turned_it_on_is_told_and_who_means_it_is_not_told() -> None:
    [warning] = loaded(OPENAI_API_KEY="sk-secret").warnings
    assert "OpenAI answers for gpt-realtime," in warning
    assert "enabled = false turns that off" in warning
    assert "sk-secret" not in warning
    meant = loaded("[relay]\nenabled = true", OPENAI_API_KEY="sk-secret")
    assert meant.config.relay.is_on
    assert not meant.warnings
    assert not loaded().warnings


def test_a_key_that_is_there_for_a_language_model_does_not_turn_it_on() -> None:
    llm = '[llm]\nbase_url = "http://x/v1"\nmodel = "m"\napi_key_env = "OPENAI_API_KEY"\n'
    config = loaded(llm, OPENAI_API_KEY="sk-secret").config
    assert not config.relay.is_on
    assert config.llm.api_key == Secret("sk-secret")
    both = loaded(llm + "[relay]\nenabled = true", OPENAI_API_KEY="sk-secret").config
    assert both.relay.is_on


def test_several_upstreams_each_have_a_key_of_their_own() -> None:
    text = """[relay]
url = "wss://one.example/v1/realtime"
api_key_env = "KEY_1"
fallback = ["offline"]
[[relay.upstreams]]
url = "wss://two.openai.azure.com/openai/v1/realtime"
api_key_env = "KEY_2"
key_header = "api-key"
model = "deployment"
weight = 0
"""
    relay = loaded(text, KEY_1="k1", KEY_2="k2").config.relay
    assert relay.api_key == Secret("k1")
    [other] = relay.upstreams
    assert (other.api_key, other.model, other.weight) == (Secret("k2"), "deployment", 0)
    assert "relay.upstreams" not in refusal(text, KEY_1="k1")
    assert "the environment variable KEY_2 is not set" in refusal(text, KEY_1="k1")
    assert "unknown field `wieght`" in refusal(text.replace("weight", "wieght"), KEY_1="1")
    assert "must begin with wss://" in refusal(
        text.replace("wss://two", "https://two"), KEY_1="1", KEY_2="2"
    )


def test_a_model_may_be_served_by_several_engines_in_turn() -> None:
    config = loaded('[models]\n"a*" = ["relay", "offline"]\nb = "offline"\n').config
    assert config.models == {"a*": "relay", "b": "offline"}
    assert config.fallbacks == {"a*": ("offline",)}
    for wrong in ("[]", "[1]"):
        assert 'write "a" = "engine", or' in refusal(f"[models]\na = {wrong}\n")


def test_the_key_of_openai_goes_to_nobody_else() -> None:
    text = '[relay]\nurl = "ws://localhost/v1/realtime"'
    relay = loaded(text, OPENAI_API_KEY="sk-x").config.relay
    assert relay.is_on
    assert relay.api_key is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "https://host/v1/realtime"', "must begin with wss:// or ws://"),
        ('url = "wss://host"\nmodels = []', "name the models"),
        ('api_key_env = "NO_SUCH_KEY"', "NO_SUCH_KEY is not set"),
        ('turn_detection = "mine"', "turn_detection"),
    ],
)
def test_what_a_relay_needs_is_checked_at_start(text: str, said: str) -> None:
    assert said in refusal(f"[relay]\n{text}")
