"""SDP as sections of attributes (RFC 8866).  What they mean to a call is said in `offer`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

_MEDIA: Final = re.compile(r"m=(\S+) (\d{1,5})(?:/\d{1,5})? (\S+) (\S.*)")


class Section(NamedTuple):
    """One ``m=`` line and what follows it."""

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    connection: str
    """What ``c=`` says, of the section or of the session."""
    attributes: tuple[str, ...]
    """Without ``a=``: "mid:0", "rtcp-mux"."""
    inherited: tuple[str, ...]
    """Those of the session, which hold where the section has no such attribute of its own."""

    def has(self, name: str) -> bool:
        return next(_values(self.attributes, name), None) is not None

    def own(self, name: str) -> list[str]:
        return list(_values(self.attributes, name))

    def all(self, name: str) -> list[str]:
        """The section's, or else the session's."""
        return self.own(name) or list(_values(self.inherited, name))

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def changed(self, values: Mapping[str, str]) -> Section:
        """With other values for attributes that it has."""
        names = [attribute.partition(":")[0] for attribute in self.attributes]
        changed = tuple(
            f"{name}:{values[name]}" if name in values else attribute
            for name, attribute in zip(names, self.attributes, strict=True)
        )
        return self._replace(attributes=changed)

    @property
    def mid(self) -> str | None:
        return next(_values(self.attributes, "mid"), None)


class Description(NamedTuple):
    origin: str
    attributes: tuple[str, ...]
    sections: tuple[Section, ...]

    def all(self, name: str) -> list[str]:
        """Attributes of the session."""
        return list(_values(self.attributes, name))


def read_sdp(text: str) -> Description:
    """Raises ValueError: an ``m=`` line cannot be understood; says which."""
    head: list[str] = []
    blocks: list[list[str]] = []
    for line in text.split("\n"):
        tidy = line.strip()
        if tidy.startswith("m="):
            blocks.append([tidy])
        elif blocks:
            blocks[-1].append(tidy)
        else:
            head.append(tidy)
    inherited, connection = _attributes(head), _line(head, "c=")
    sections = [_section(block, inherited, connection) for block in blocks]
    return Description(_line(head, "o="), inherited, tuple(sections))


def _section(block: list[str], inherited: tuple[str, ...], connection: str) -> Section:
    found = _MEDIA.fullmatch(block[0])
    if found is None or int(found[2]) > 65_535:
        raise ValueError(f"'{block[0][:80]}' is no media line")
    return Section(
        kind=found[1],
        port=int(found[2]),
        profile=found[3],
        formats=tuple(found[4].split()),
        connection=_line(block, "c=") or connection,
        attributes=_attributes(block),
        inherited=inherited,
    )


def _attributes(lines: list[str]) -> tuple[str, ...]:
    return tuple(line[2:] for line in lines if line.startswith("a="))


def _line(lines: list[str], kind: str) -> str:
    return next((line[2:] for line in lines if line.startswith(kind)), "")


def _values(attributes: tuple[str, ...], name: str) -> Iterator[str]:
    """Of each attribute of that name; "" for one that has none."""
    for attribute in attributes:
        found, _, value = attribute.partition(":")
        if found == name:
            yield value
