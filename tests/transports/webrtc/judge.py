"""Whether an SDP answer suits an offer: the rules of RFC 3264, 5763, 8829, 8839, 8841 and 9143 as
assertions.

It reads SDP by itself, and knows nothing of how answers are made here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
ANSWERS = {
    "sendrecv": set(DIRECTIONS),
    "sendonly": {"recvonly", "inactive"},
    "recvonly": {"sendonly", "inactive"},
    "inactive": {"inactive"},
}
"""RFC 3264, 6.1."""
ROLES = {"actpass": {"active", "passive"}, "active": {"passive"}, "passive": {"active"}}
"""RFC 5763, 5."""
STATIC = {"0": "PCMU/8000", "8": "PCMA/8000"}


@dataclass
class Block:
    line: str
    session: list[str]
    attributes: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.line.split(" ")[0].removeprefix("m=")

    @property
    def port(self) -> int:
        return int(self.line.split(" ")[1].partition("/")[0])

    @property
    def profile(self) -> str:
        return self.line.split(" ")[2]

    @property
    def formats(self) -> list[str]:
        return self.line.split(" ")[3:]

    def values(self, name: str) -> list[str]:
        own = _values(self.attributes, name)
        return own or _values(self.session, name)

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    @property
    def mid(self) -> str | None:
        return next(iter(_values(self.attributes, "mid")), None)

    @property
    def direction(self) -> str:
        found = [a for a in (*self.attributes, *self.session) if a in DIRECTIONS]
        return found[0] if found else "sendrecv"

    @property
    def carries_data(self) -> bool:
        return self.kind == "application" and "SCTP" in self.profile

    @property
    def credentials(self) -> tuple[str | None, str | None]:
        return self.value("ice-ufrag"), self.value("ice-pwd")


def _values(attributes: list[str], name: str) -> list[str]:
    return [
        attribute.partition(":")[2]
        for attribute in attributes
        if attribute.partition(":")[0] == name
    ]


def read(sdp: str) -> tuple[list[str], list[Block]]:
    session: list[str] = []
    blocks: list[Block] = []
    for line in sdp.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            blocks.append(Block(line.strip(), session))
        elif line.startswith("a="):
            (blocks[-1].attributes if blocks else session).append(line[2:].strip())
    return session, blocks


def groups(session: list[str]) -> list[list[str]]:
    found = [value.split() for value in _values(session, "group")]
    return [one[1:] for one in found if one and one[0] == "BUNDLE"]


def judge(offer: str, answer: str, *, by_aiortc: bool = False) -> None:
    """Raises AssertionError, with the rule that is broken.

    ``by_aiortc``: its client wants what is declined to stay in the group.
    """
    assert answer.endswith("\r\n")
    assert "\n" not in answer.replace("\r\n", "")
    lines = answer.split("\r\n")
    kinds = [line[:2] for line in lines[:4]]
    assert kinds == ["v=", "o=", "s=", "t="], "RFC 8866, 5: these lines, in this order"
    assert re.fullmatch(r"o=\S+ \d+ \d+ IN IP[46] \S+", lines[1])
    (offered_session, offered), (session, answered) = read(offer), read(answer)
    assert [one.kind for one in answered] == [one.kind for one in offered], "RFC 3264, 6"
    for theirs, ours in zip(offered, answered, strict=True):
        _judge_section(theirs, ours, groups(offered_session))
    used = [one for one in answered if one.port]
    assert any(one.kind == "audio" and one.direction != "inactive" for one in used), "no call"
    assert sum(one.carries_data for one in used) <= 1, "RFC 8841, 10.2"
    mids = [one.mid for one in answered if one.mid is not None]
    assert len(mids) == len(set(mids))
    _judge_groups(offered, answered, groups(offered_session), groups(session), by_aiortc=by_aiortc)


def _judge_section(theirs: Block, ours: Block, bundles: list[list[str]]) -> None:
    assert ours.profile == theirs.profile, "RFC 8829, 5.3.1: the profile is that of the offer"
    assert ours.mid == theirs.mid, "RFC 9143, 7.3"
    assert "bundle-only" not in ours.attributes, "RFC 9143, 6: never in an answer"
    grouped = any(theirs.mid in bundle for bundle in bundles)
    if theirs.port == 0 and not ("bundle-only" in theirs.attributes and grouped):
        assert ours.port == 0, "RFC 3264, 6: what the offerer has disabled stays so"
    assert ours.formats, "RFC 3264, 6: at least one format, even where it is declined"
    if ours.port == 0:
        assert set(ours.formats) <= set(theirs.formats)
        assert not _values(ours.attributes, "candidate") or ours.kind != "application"
        return
    assert ours.direction in ANSWERS[theirs.direction], "RFC 3264, 6.1"
    if not grouped:
        _judge_role(theirs, ours)
    username, password = ours.credentials
    assert username, "RFC 8839, 5.4"
    assert 4 <= len(username) <= 256
    assert password
    assert 22 <= len(password) <= 256
    assert ours.values("fingerprint"), "RFC 8122, 5"
    for value in _values(ours.attributes, "candidate"):
        assert re.match(r"\S{1,32} 1 udp \d+ \S+ \d+ typ (host|srflx|relay)\b", value), value
    if ours.carries_data:
        _judge_data(theirs, ours)
    elif ours.kind != "application":
        _judge_audio(theirs, ours)


def _judge_role(theirs: Block, ours: Block) -> None:
    assert ours.value("setup") in ROLES[theirs.value("setup") or "actpass"], "RFC 5763, 5"


def _judge_audio(theirs: Block, ours: Block) -> None:
    assert set(ours.formats) <= set(theirs.formats), "RFC 3264, 6.1: no format of our own"
    assert ("rtcp-mux" in ours.attributes) <= ("rtcp-mux" in theirs.attributes), "RFC 5761, 5.1.1"
    maps = STATIC | dict(value.split(" ", 1) for value in _values(theirs.attributes, "rtpmap"))
    for value in _values(ours.attributes, "rtpmap"):
        number, rtpmap = value.split(" ", 1)
        assert number in ours.formats
        assert rtpmap == maps[number].strip(), "the numbers mean what the offer says"
    for number in ours.formats:
        if int(number) >= 96 and number in maps:
            assert number in [v.split(" ")[0] for v in _values(ours.attributes, "rtpmap")]
    assert not _values(ours.attributes, "extmap"), "we know none"


def _judge_data(theirs: Block, ours: Block) -> None:
    old = theirs.formats[0].isdigit()
    assert ours.formats[0].isdigit() == old, "RFC 8841, 13: old offers get old answers"
    if old:
        [sctpmap] = _values(ours.attributes, "sctpmap")
        assert sctpmap.startswith(f"{ours.formats[0]} webrtc-datachannel")
    else:
        assert ours.formats == ["webrtc-datachannel"]
        [port] = _values(ours.attributes, "sctp-port")
        assert 0 < int(port) <= 65_535
    [size] = _values(ours.attributes, "max-message-size")
    assert int(size) >= 65_536


def _judge_groups(
    offered: list[Block],
    answered: list[Block],
    asked: list[list[str]],
    given: list[list[str]],
    *,
    by_aiortc: bool,
) -> None:
    by_mid = {one.mid: one for one in answered if one.mid is not None}
    asked_of = {one.mid: one for one in offered if one.mid is not None}
    members = [mid for group in given for mid in group]
    assert len(members) == len(set(members)), "RFC 9143, 7.3.1: in one group only"
    for group in given:
        assert group, "an empty group"
        assert any(set(group) <= set(wanted) for wanted in asked), "RFC 9143, 7.3: a subset"
        tagged = by_mid[group[0]]
        assert tagged.port, "RFC 9143, 7.3.1: the first is not declined"
        assert asked_of[group[0]].port, "RFC 9143, 7.3.1: nor one that is bundle-only"
        assert _values(tagged.attributes, "candidate"), "nowhere to send to"
        _judge_role(asked_of[group[0]], tagged)
        for mid in group:
            if by_mid[mid].port == 0:
                assert by_aiortc, "RFC 9143, 7.3.3: what is declined leaves the group"
                continue
            assert by_mid[mid].credentials == tagged.credentials, "one transport"
            assert by_mid[mid].value("setup") == tagged.value("setup")
            if mid != group[0] and not by_aiortc:
                assert not _values(by_mid[mid].attributes, "candidate"), "RFC 9143, 7.1.3"
    alone = [one for one in answered if one.port and one.mid not in members]
    for one in alone:
        assert _values(one.attributes, "candidate"), "a transport of its own"
    ports = [one.port for one in alone] + [by_mid[group[0]].port for group in given]
    assert len(ports) == len(set(ports)), "transports of their own have sockets of their own"
    for one in offered:
        if "bundle-only" in one.attributes and one.port == 0 and one.mid in by_mid:
            assert by_mid[one.mid].port == 0 or one.mid in members, "RFC 9143, 6"
