"""Whether an `image_url` is a picture that an engine may be given."""

from __future__ import annotations

import base64
import binascii
import re

from antiphon.core.faults import Fault

MAX_IMAGE_BYTES = 15 * 1024 * 1024
"""Decoded; as base64 it still fits a message."""
KINDS = ("image/png", "image/jpeg", "image/webp", "image/gif")

_DATA_URL = re.compile(r"data:(?P<kind>[^;,]*)(?:;[^;,]*)*?;base64,", re.IGNORECASE)
_REMOTE = re.compile(r"https?://[^\s/]", re.IGNORECASE)


def check_image_url(url: str, *, remote: bool, param: str) -> None:
    """A data URL of PNG, JPEG, WebP or GIF; where ``remote`` is allowed, also an address.

    Raises:
        Fault: it is neither; nothing was fetched.
    """
    if _REMOTE.match(url):
        if remote:
            return
        raise _refused(
            "This server fetches no images and passes no addresses on: send the image itself, as a "
            "data URL (data:image/png;base64,…).",
            param,
        )
    found = _DATA_URL.match(url)
    if found is None:
        raise _refused("Expected a data URL: data:image/png;base64,…", param)
    named = found["kind"].lower().replace("image/jpg", "image/jpeg")
    if named not in KINDS:
        listed = ", ".join(f"'{kind}'" for kind in KINDS)
        raise _refused(f"Expected one of {listed}, not '{found['kind'][:40]}'.", param)
    if len(url) - found.end() > MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise _refused(f"An image has at most {MAX_IMAGE_BYTES} bytes.", param)
    try:
        data = base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise _refused("The image is not valid base64.", param) from None
    is_kind = kind_of(data)
    if is_kind is None:
        raise _refused("The data is no PNG, JPEG, WebP or GIF.", param)
    if is_kind != named:
        raise _refused(f"The URL says '{named}', but the data is '{is_kind}'.", param)


def kind_of(data: bytes) -> str | None:
    """By its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return None


def _refused(why: str, param: str) -> Fault:
    return Fault("invalid_image_url", f"Invalid '{param}'. {why}", param=param)
