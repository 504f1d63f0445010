"""``antiphon certificate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DEFAULT_FOLDER = "tls"
EPILOG = """\
examples:
  antiphon certificate                       tls/certificate.pem and tls/key.pem
  antiphon certificate --name voice.lan      good for one more name
  antiphon certificate --force               a new one in place of the old

It is for development: only clients that you tell to trust it will, and it is valid for
90 days. For a public server get a certificate from an authority.
"""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "certificate",
        help="make a TLS certificate for development",
        description="Make a self-signed TLS certificate for this machine's names.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", default=DEFAULT_FOLDER, help="default: %(default)s")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="one more host name or address (repeatable)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.server import self_signed

    names = (*self_signed.own_names(), *args.name)
    files = self_signed.write_self_signed(Path(args.folder), names, force=args.force)
    print(f"Wrote {files.certificate} and {files.key}")
    print(f"  good for   {', '.join(names)}; {self_signed.VALID_DAYS} days")
    print(f"  serve      antiphon serve --tls-cert {files.certificate} --tls-key {files.key}")
    print(f"  trust it   NODE_EXTRA_CA_CERTS={files.certificate} node your_program.mjs")
    print(f"             SSL_CERT_FILE={files.certificate} python your_program.py")
    return 0
