"""Make what the Dockerfile makes, where no builder is: its own steps, run one by one in a folder.

    python scripts/image_by_steps.py FOLDER        (uv and npm are on the path)

Each stage gets a root in FOLDER, and absolute paths lead there. Base images are this machine's own
Python and Node, so the packages of Debian in them are not tried, nor is the last stage run: its
server is started as nobody, with everything read only but its state, and asked for its health.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent
SKIPPED = ("pip install", "useradd")
"""What needs the rights or the image of a container."""
PORT = 18080
NOBODY = 65534


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    found = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in found]


class Stage:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root
        self.environ: dict[str, str] = {}
        root.mkdir(parents=True)

    def place(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.folder / path

    def own(self, text: str) -> str:
        return text.replace("/opt/", f"{self.root}/opt/")

    def run(self, command: str) -> None:
        environ = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | self.environ
        subprocess.run(["sh", "-ec", self.own(command)], cwd=self.folder, env=environ, check=True)

    def copy(self, source: Path, target: Path, *, into: bool) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored, symlinks=True)
        else:
            target = target / source.name if into else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def ignored(folder: str, names: list[str]) -> list[str]:
    """As .dockerignore says."""
    if not Path(folder).is_relative_to(ROOT):
        return []
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    globs = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    console = ROOT / "src" / "antiphon" / "console"
    return [
        name
        for name in names
        if any(fnmatch.fnmatch(name, glob) for glob in globs) or Path(folder, name) == console
    ]


def build(folder: Path) -> Path:
    """All stages; gives the root of the last."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder / "none")
    for name, rest in instructions():
        words = rest.split()
        if name == "FROM":
            title = words[2] if len(words) == 3 else "last"
            stage = stages[title] = Stage(folder / title)
        elif name == "WORKDIR":
            stage.folder = stage.place(rest)
            stage.folder.mkdir(parents=True, exist_ok=True)
        elif name in ("ENV", "ARG"):
            for part in (rest,) if name == "ARG" else words:
                key, _, value = part.partition("=")
                if key != "PATH":
                    stage.environ[key] = stage.own(value.strip('"'))
        elif name == "COPY":
            whence = ROOT
            if words[0].startswith("--from="):
                whence = stages[words.pop(0).removeprefix("--from=")].root
            *sources, target = words
            for source in sources:
                into = len(sources) > 1 or target.endswith("/")
                stage.copy(whence / source.lstrip("/"), stage.place(target), into=into)
        elif name == "RUN" and not rest.startswith(SKIPPED):
            print(">", rest, flush=True)
            stage.run(rest)
    return stages["last"].root


def serve(root: Path, folder: Path) -> None:
    """As nobody, who may write nowhere but into the state.

    Scripts and packages name the place in which they were made, so that copy is what runs.
    """
    made = folder / "server" / "opt" / "antiphon"
    state = folder / "state"
    state.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["chmod", "-R", "a-w", made], check=True)
        os.chown(state, NOBODY, NOBODY)
    environ = {
        "PATH": os.environ["PATH"],
        "XDG_STATE_HOME": str(state),
        "HOME": str(state),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANTIPHON_HOST": "0.0.0.0",
        "ANTIPHON_API_KEYS": "a-key-for-this-trial",
        "ANTIPHON_PORT": str(PORT),
    }
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if not os.geteuid() else {}
    server = subprocess.Popen(
        [made / "bin" / "python", "-m", "antiphon.cli", "serve"],
        env=environ,
        cwd=state,
        **as_nobody,  # type: ignore[call-overload]
    )
    try:
        for _ in range(60):
            time.sleep(1)
            try:
                with urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=2) as answer:
                    print(answer.status, answer.read().decode())
                with urlopen(f"http://127.0.0.1:{PORT}/", timeout=2) as page:
                    print("console:", page.status, len(page.read()), "bytes")
                break
            except OSError:
                if server.poll() is not None:
                    raise SystemExit("the server ended") from None
        else:
            raise SystemExit("the server does not answer")
    finally:
        server.terminate()
        print("ended with", server.wait(30))
    size = sum(f.lstat().st_size for f in (root / "opt").rglob("*") if not f.is_dir())
    print(f"/opt/antiphon: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    place = Path(sys.argv[1]).absolute()
    serve(build(place), place)
