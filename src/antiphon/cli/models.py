"""``antiphon models``."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.downloads.index import KnownModel, RemoteFile
    from antiphon.downloads.place import Place

EPILOG = """\
examples:
  antiphon models list                    what there is, and what is here
  antiphon models pull kokoro             bring one; interrupted, it goes on where it was
  antiphon models pull kokoro --offline   see that it is here; download nothing

Nothing else in Antiphon downloads a model. ANTIPHON_DOWNLOADS_OFFLINE=true forbids it here too.
"""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "models",
        help="bring models for better ears and voices",
        description="List and bring models. Each file is checked by its SHA-256.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it exists")
    parser.add_argument("--dir", metavar="FOLDER", help="where models are kept")
    parser.add_argument("--index", metavar="FILE", type=Path, help="another list of models (TOML)")
    commands = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    commands.add_parser("list", help="all known models, and which are here")
    pull = commands.add_parser("pull", help="bring a model")
    pull.add_argument("name", metavar="NAME")
    pull.add_argument("--offline", action="store_true", help="download nothing")
    pull.add_argument(
        "--sha256",
        action="append",
        default=[],
        metavar="FILE=HEX",
        help="the checksum of a file, as its author publishes it (again for more)",
    )
    pull.add_argument(
        "--trust-first",
        action="store_true",
        help="where no checksum is known, take what the server sends now, and record it",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.downloads.index import load_index
    from antiphon.server.config import load
    from antiphon.server.local_parts import pulled_models

    config = load(args.config, overrides={"downloads.dir": args.dir}).config
    place, index = pulled_models(config), load_index(args.index)
    if args.action == "list":
        _list(index, place)
        return 0
    return _pull(args, index, place, offline=args.offline or config.downloads.offline)


def _list(index: dict[str, KnownModel], place: Place) -> None:
    print(f"Models in {place.folder}\n")
    for model in index.values():
        size = "size unknown" if model.size_bytes is None else megabytes(model.size_bytes)
        print(f"{model.name:26} {'here' if place.has(model.name) else '–':5} {size:>12}")
        print(f"    {model.about}; {model.licence}")
        known = all(file.sha256 for file in model.files)
        checked = "checksum known" if known else "no checksum known (--sha256 or --trust-first)"
        print(f"    {checked}; {'tried' if model.tried else 'not tried'}")


def _pull(
    args: argparse.Namespace, index: dict[str, KnownModel], place: Place, *, offline: bool
) -> int:
    from antiphon.downloads.pull import pull

    model = index.get(args.name)
    if model is None:
        raise AntiphonError(f"there is no model '{args.name}'. There are: {', '.join(index)}.")
    if place.has(model.name):
        print(f"{model.name} is here: {place.of(model.name)}")
        return 0
    if offline:
        raise AntiphonError(f"'{model.name}' is not here, and nothing may be downloaded.")
    print(f"{model.name}: {model.about}. Licence: {model.licence}", file=sys.stderr)
    pulled = asyncio.run(
        pull(
            model,
            place,
            sha256=_checksums(args.sha256, model),
            trust_first=args.trust_first,
            on_progress=lambda file: Bar(file, sys.stderr),
        )
    )
    for path, checksum in pulled.sha256.items():
        print(f"{checksum}  {path}")
    print(f"{model.name} is here: {place.of(model.name)}")
    return 0


def _checksums(given: list[str], model: KnownModel) -> dict[str, str]:
    paths = [file.path for file in model.files]
    found = {}
    for text in given:
        path, _, checksum = text.rpartition("=")
        path = path or (paths[0] if len(paths) == 1 else "")
        if path not in paths:
            raise AntiphonError(f"--sha256 {text}: the files are {', '.join(paths)}.")
        if len(checksum) != 64 or not set(checksum.lower()) <= set("0123456789abcdef"):
            raise AntiphonError(f"--sha256 {text}: a SHA-256 has 64 hexadecimal digits.")
        found[path] = checksum.lower()
    return found


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


class Bar:
    """How far one file is, on one line; on no terminal, a line at its end alone."""

    WIDTH = 30
    EVERY_S = 0.1

    def __init__(self, file: RemoteFile, out: TextIO) -> None:
        self._name = file.path
        self._out = out
        self._drawn_s = 0.0

    def __call__(self, here: int, whole: int | None) -> None:
        ended = here == whole
        if not ended and not self._out.isatty():
            return
        if not ended and time.monotonic() - self._drawn_s < self.EVERY_S:
            return
        self._drawn_s = time.monotonic()
        begin = "\r" if self._out.isatty() else ""
        self._out.write(f"{begin}{self.line(here, whole)}{chr(10) if ended else ''}")
        self._out.flush()

    def line(self, here: int, whole: int | None) -> str:
        if whole is None:
            return f"{self._name:16} {megabytes(here)}"
        filled = self.WIDTH * here // whole if whole else self.WIDTH
        bar = "█" * filled + "░" * (self.WIDTH - filled)
        return f"{self._name:16} {bar} {megabytes(here)} of {megabytes(whole)}"
