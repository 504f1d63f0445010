from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from antiphon.core.causes import Cause, ShuttingDown, Tick
from antiphon.core.effects import ClearPlayout, Command, DetectVoice, Effect
from antiphon.core.terms import Terms
from antiphon.journal.tape import Step, Tape, TapeError, TapeWriter, step
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import InputAudioBufferCleared, ServerEvent
from antiphon.testing.virtual_call import SEED, session

TERMS = Terms(session=session(), seed=SEED)


def _samples(kind: inspect.Type) -> Iterator[Any]:
    """Plain values of a type, such that each member of each union in it is there once."""
    match kind:
        case inspect.StructType():
            yield from _struct_samples(kind)
        case inspect.UnionType(types=types):
            for member in types:
                yield from _samples(member)
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.StrType(min_length=least):
            yield "x" * (least or 1)
        case inspect.IntType(ge=least):
            yield 1 if least is None else int(least)
        case inspect.FloatType():
            yield 0.5
        case inspect.BoolType():
            yield True
        case inspect.BytesType() | inspect.ByteArrayType():
            yield b"\x01\x00"
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            yield list(_samples(item))
        case inspect.DictType(key_type=key, value_type=value):
            yield {next(_samples(key)): next(_samples(value))}
        case inspect.AnyType():
            yield {"any": [1, None, "x"]}
        case inspect.NoneType():
            yield None
        case _:
            raise AssertionError(kind)


def _struct_samples(kind: inspect.StructType) -> Iterator[Any]:
    choices = {field.encode_name: list(_samples(field.type)) for field in kind.fields}
    for turn in range(max([1, *map(len, choices.values())])):
        fields = {name: values[min(turn, len(values) - 1)] for name, values in choices.items()}
        if kind.array_like:
            yield list(fields.values())
        else:
            yield ({kind.tag_field: kind.tag} if kind.tag_field else {}) | fields


def _all(union: Any) -> list[Any]:
    return [pytest.param(member, id=member.__name__) for member in getattr(union, "__args__", ())]


@pytest.mark.parametrize(
    "kind", [*_all(Cause), *_all(Command), *_all(ServerEvent), *_all(ClientEvent)]
)
def test_every_kind_of_cause_and_effect_comes_back_from_a_tape(kind: type) -> None:
    causes: Any = Cause
    for plain in _samples(inspect.type_info(kind)):
        thing: Any = msgspec.convert(plain, kind)
        if kind in Cause.__args__:
            recorded = step(5, thing, [])
        elif kind in ClientEvent.__args__:
            client_sent = {"cause": "client_sent", "connection": "c", "event": plain}
            recorded = step(5, msgspec.convert(client_sent, causes), [])
        else:
            recorded = step(5, Tick(), [thing])
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(recorded), type=Step) == recorded


def _write(path: Path, steps: int = 3) -> Path:
    writer = TapeWriter(path, TERMS)
    for now_ms in range(steps):
        writer.saw(now_ms, Tick(), [])
    writer.close()
    return path


def test_a_tape_gives_back_its_terms_and_steps(tmp_path: Path) -> None:
    tape = Tape(_write(tmp_path / "new" / "a.tape"))
    assert tape.terms == TERMS
    assert [s.now_ms for s in tape] == [0, 1, 2]
    assert [s.now_ms for s in tape] == [0, 1, 2], "a tape is read as often as one likes"


def test_a_tape_cut_short_by_a_crash_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tape")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert [s.now_ms for s in Tape(path)] == [0, 1]
    step_bytes = len(whole) - len(_write(tmp_path / "b.tape", 2).read_bytes())
    path.write_bytes(whole[: 2 - step_bytes])
    assert [s.now_ms for s in Tape(path)] == [0, 1]


@pytest.mark.parametrize("garbage", [b"", b"RI", b"RIFF....WAVEfmt ", b"\xff" * 64, b"\0" * 64])
def test_a_file_that_is_no_tape_says_so_with_its_name(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(garbage)
    with pytest.raises(TapeError, match=r"song\.wav: no tape of a session"):
        Tape(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"nothing\.tape: No such file"):
        Tape(tmp_path / "nothing.tape")


def test_damage_in_the_middle_is_no_end(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tape")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"tick")
    data[at : at + 4] = b"tock"
    path.write_bytes(bytes(data))
    with pytest.raises(TapeError, match="at byte"):
        list(Tape(path))


def test_a_tape_of_another_format_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tape")
    data = bytearray(path.read_bytes())
    at = data.index(b"format") + len(b"format")
    data[at] = 99
    path.write_bytes(bytes(data))
    with pytest.raises(TapeError, match="format 99; this version reads format 1"):
        Tape(path)


def test_effects_keep_their_order_among_events_and_commands() -> None:
    effects: list[Effect] = [
        DetectVoice(True),
        InputAudioBufferCleared(event_id="e"),
        ClearPlayout(),
    ]
    assert step(0, ShuttingDown(), effects).effects == effects
