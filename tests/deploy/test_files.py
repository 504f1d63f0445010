"""What lies in deploy/ and the Dockerfile, as far as it can be judged without a builder.

Where this machine has the judge (systemd-analyze, hadolint), it is asked.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from antiphon.server import config
from antiphon.server.settings import SECTIONS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose"
VARIABLES = {
    config.variable_name(section, key)
    for section, kind in SECTIONS.items()
    for key in kind.__struct_fields__
} | {config.CONFIG_VARIABLE}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture
def services() -> dict[str, Any]:
    services = read(COMPOSE / "compose.yaml")["services"]
    assert isinstance(services, dict)
    return services


@pytest.mark.parametrize(
    "path", [ROOT / "Dockerfile", *(p for p in DEPLOY.rglob("*") if p.is_file())], ids=str
)
def test_each_setting_that_is_named_is_there(path: Path) -> None:
    named = set(re.findall(r"ANTIPHON_[A-Z_]*[A-Z]", path.read_text()))
    assert named <= VARIABLES


# --- The image ---------------------------------------------------------------


def test_the_dockerfile_passes_its_linter() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if linter is None:
        pytest.skip("hadolint is not here")
    found = subprocess.run(
        [linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    kept = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for line in re.findall(r"^COPY (?!--from)(.*)$", (ROOT / "Dockerfile").read_text(), re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source.partition("/")[0] in kept, source


def test_the_image_runs_as_nobody_with_rights() -> None:
    text = (ROOT / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    # The same uv as everywhere.
    assert re.findall(r"uv==([\d.]+)", text) == re.findall(
        r"uv==([\d.]+)", (ROOT / "Makefile").read_text()
    )


# --- Compose -----------------------------------------------------------------


def test_it_is_what_the_specification_of_compose_says() -> None:
    """Its schema is that of github.com/compose-spec/compose-spec (Apache-2.0), commit 170098b."""
    schema = json.loads((ROOT / "tests" / "data" / "compose_spec.json").read_text())
    validator = Draft7Validator(schema)
    assert not [error.message for error in validator.iter_errors(read(COMPOSE / "compose.yaml"))]
    assert not validator.is_valid({"services": {"antiphon": {"imag": "antiphon"}}})


def test_all_six_are_there_and_start_again(services: dict[str, Any]) -> None:
    wanted = {"antiphon", "postgres", "caddy", "coturn", "prometheus", "grafana"}
    assert services.keys() == wanted
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    volumes = read(COMPOSE / "compose.yaml")["volumes"]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source == "./secrets":
                continue  # The operator's, and in no repository.
            if source.startswith("."):
                assert (COMPOSE / source).exists(), source
            else:
                assert source in volumes


def test_each_variable_has_a_line_in_the_example(services: dict[str, Any]) -> None:
    asked = set(re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yaml").read_text()))
    given = set(re.findall(r"^(\w+)=", (COMPOSE / "env.example").read_text(), re.MULTILINE))
    assert asked == given


def test_antiphon_cannot_write_or_gain_rights(services: dict[str, Any]) -> None:
    antiphon = services["antiphon"]
    assert antiphon["read_only"] is True
    assert antiphon["cap_drop"] == ["ALL"]
    assert antiphon["security_opt"] == ["no-new-privileges:true"]


def test_the_configuration_of_compose_is_good(services: dict[str, Any], tmp_path: Path) -> None:
    environ = {
        name: value.replace("${PUBLIC_ADDRESS:?set it in .env}", "203.0.113.7")
        for name, value in services["antiphon"]["environment"].items()
        if name != "ANTIPHON_CONFIG"
    }
    environ["ANTIPHON_HOST"] = "0.0.0.0"
    loaded = config.load(COMPOSE / "antiphon" / "antiphon.toml", environ=environ).config
    grace_s = int(services["antiphon"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > loaded.server.drain_seconds
    ports = f"{loaded.webrtc.port_min}-{loaded.webrtc.port_max}"
    assert services["antiphon"]["ports"] == [f"{ports}:{ports}/udp"]
    assert loaded.webrtc.port_max - loaded.webrtc.port_min + 1 >= loaded.server.max_sessions


def test_prometheus_asks_where_antiphon_answers() -> None:
    (job,) = read(COMPOSE / "prometheus.yml")["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["static_configs"] == [{"targets": ["antiphon:8080"]}]


def test_prometheus_itself_takes_it(tmp_path: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not here")
    key = tmp_path / "key"
    key.write_text("ak_x")
    text = (COMPOSE / "prometheus.yml").read_text()
    shutil.copy(COMPOSE / "alerts.yml", tmp_path)
    mine = tmp_path / "prometheus.yml"
    mine.write_text(text.replace("/etc/prometheus/secrets/antiphon-key", str(key)))
    checked = subprocess.run(
        [tool, "check", "config", mine], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


# --- systemd -----------------------------------------------------------------


def test_systemd_finds_nothing_wrong_and_little_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/antiphon/bin/antiphon", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    service = tmp_path / "antiphon.service"
    verified = subprocess.run(
        [analyze, "verify", "--man=no", service, tmp_path / "antiphon.socket"],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in verified.stderr.splitlines() if "antiphon" in line]
    assert not ours
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", service],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-400:]


def test_the_example_in_the_guide_is_a_good_configuration(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "deploy.md").read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        tomllib.loads(block)
        path = tmp_path / "antiphon.toml"
        path.write_text(re.sub(r"^tls_.*\n", "", block, flags=re.MULTILINE))
        config.load(path, environ={})
