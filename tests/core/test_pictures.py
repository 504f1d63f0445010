from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.faults import Fault
from antiphon.core.pictures import MAX_IMAGE_BYTES, check_image_url, kind_of

HEADS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "image/gif": b"GIF89a",
}


def url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def refused(image_url: str, *, remote: bool = False) -> str:
    with pytest.raises(Fault) as fault:
        check_image_url(image_url, remote=remote, param="item.content[0].image_url")
    assert (fault.value.code, fault.value.param) == (
        "invalid_image_url",
        "item.content[0].image_url",
    )
    return fault.value.message


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("form", ["{}", "{};charset=utf-8"])
def test_the_four_kinds_are_taken_by_what_they_are(kind: str, form: str) -> None:
    check_image_url(url(form.format(kind), HEADS[kind] + bytes(100)), remote=False, param="p")
    check_image_url(url(kind.upper(), HEADS[kind]), remote=False, param="p")


def test_the_other_name_of_jpeg_is_taken() -> None:
    check_image_url(url("image/jpg", HEADS["image/jpeg"]), remote=False, param="p")


@pytest.mark.parametrize(
    ("image_url", "says"),
    [
        ("", "data URL"),
        ("cat.png", "data URL"),
        ("data:", "data URL"),
        ("data:image/png,abc", "data URL"),
        ("file:///etc/passwd", "data URL"),
        ("ftp://a/b.png", "data URL"),
        ("data:text/html;base64,AAAA", "not 'text/html'"),
        ("data:image/svg+xml;base64,AAAA", "not 'image/svg+xml'"),
        ("data:;base64,AAAA", "not ''"),
        ("data:image/png;base64,!!!!", "base64"),
        ("data:image/png;base64,ä", "base64"),
        ("data:image/png;base64,", "no PNG"),
        (url("image/png", b"<html>"), "no PNG"),
        (url("image/png", b"\x89PNG"), "no PNG"),
        (url("image/png", HEADS["image/gif"]), "'image/gif'"),
        (url("image/png", bytes(MAX_IMAGE_BYTES + 4)), "at most"),
        ("https://example.com/cat.png", "fetches no images"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(image_url: str, says: str) -> None:
    assert says in refused(image_url)


def test_an_address_is_passed_on_where_the_operator_allows_it() -> None:
    check_image_url("https://example.com/cat.png", remote=True, param="p")
    refused("file:///etc/passwd", remote=True)
    refused("https://", remote=True)


@given(st.text() | st.binary().map(lambda data: url("image/png", data)))
def test_nothing_else_comes_of_any_text(text: str) -> None:
    try:
        check_image_url(text, remote=False, param="p")
    except Fault:
        return
    assert kind_of(base64.b64decode(text.split(",")[1])) is not None
