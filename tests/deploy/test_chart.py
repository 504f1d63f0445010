"""The Helm chart, rendered by the few words of its templates' language that it uses.

Helm itself is not here: this knows `if`, `end`, `not`, `toJson` and paths of values, and fails at
all else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "antiphon"
ACTION = re.compile(r"(?:\s*\{\{-|\{\{)\s*(.*?)\s*\}\}")
EVERYTHING = {
    "persistence": {"enabled": True, "size": "1Gi", "storageClass": "fast"},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "voice.example.com",
        "tlsSecret": "tls",
        "annotations": {"a": "b"},
    },
}


def found(values: dict[str, Any], path: str) -> Any:
    value: Any = values
    for name in path.removeprefix(".").split("."):
        value = value[name]  # A value that nobody sets is a mistake.
    return value


def render(text: str, values: dict[str, Any]) -> str:
    out: list[str] = []
    shown = [True]
    at = 0
    for action in ACTION.finditer(text):
        if shown[-1]:
            out.append(text[at : action.start()])
        at = action.end()
        words = action.group(1).split()
        if words[0] == "if":
            value = bool(found(values, words[-1]))
            shown.append(shown[-1] and value != (words[1] == "not"))
        elif words[0] == "end":
            shown.pop()
        elif shown[-1]:
            value = found(values, words[0])
            is_json = words[1:] == ["|", "toJson"]
            assert is_json or len(words) == 1, words
            out.append(json.dumps(value) if is_json or isinstance(value, bool) else str(value))
    assert shown == [True]
    return "".join(out) + text[at:]


def rendered(**changed: Any) -> dict[str, Any]:
    values = yaml.safe_load((CHART / "values.yaml").read_text()) | changed
    known = {"Values": values, "Release": {"Name": "voice"}}
    manifests = {}
    for template in sorted((CHART / "templates").iterdir()):
        manifest = yaml.safe_load(render(template.read_text(), known))
        if manifest is not None:
            manifests[manifest["kind"]] = manifest
    return manifests


@pytest.mark.parametrize("changed", [{}, EVERYTHING], ids=["as it comes", "with everything"])
def test_it_renders(changed: dict[str, Any]) -> None:
    manifests = rendered(**changed)
    assert ("Ingress" in manifests) == bool(changed)
    claims = manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert ("storageClassName" in claims[0]["spec"]) == bool(changed)


def test_the_pod_has_no_rights_and_writes_to_its_state_alone() -> None:
    pod = rendered()["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("kept", [True, False])
def test_each_mount_has_its_volume(kept: bool) -> None:
    spec = rendered(persistence={"enabled": kept, "size": "1Gi", "storageClass": ""})
    workload = spec["StatefulSet"]["spec"]
    pod = workload["template"]["spec"]
    volumes = [volume["name"] for volume in pod["volumes"]]
    volumes += [claim["metadata"]["name"] for claim in workload.get("volumeClaimTemplates", ())]
    mounts = [mount["name"] for mount in pod["containers"][0]["volumeMounts"]]
    assert sorted(mounts) == sorted(volumes)


def test_the_service_finds_the_pods() -> None:
    manifests = rendered()
    labels = manifests["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == labels
