"""An event made of JSON that nearly fits.

`antiphon.protocol` says what our own server promises.  Others promise less and send more.
What is missing becomes empty (null where the field may be, else "", 0 or nothing; of several
kinds the first), a word that a vocabulary does not have stays as it is, an entry of a list that
is of no known kind is left out, and no length or range is enforced.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

_SCALARS: tuple[tuple[type[inspect.Type], tuple[type, ...], object], ...] = (
    (inspect.NoneType, (type(None),), None),
    (inspect.BoolType, (bool,), False),
    (inspect.IntType, (int,), 0),
    (inspect.FloatType, (int, float), 0.0),
    (inspect.StrType, (str,), ""),
    (inspect.LiteralType, (str, int), ""),
)
"""A kind of field, what JSON may hold there, and what is empty."""

_SUBJECTS = frozenset({"error", "item", "part", "response", "session"})
"""Without the object that it is about, an event says nothing."""


class DoesNotFit(Exception):
    """Not even nearly; the message says where."""


def make(value: object, kind: inspect.Type, path: str = "") -> Any:
    """``value``, decoded from JSON, as a ``kind`` of `msgspec.inspect`.

    Raises:
        DoesNotFit: It is something else altogether.
    """
    match kind:
        case inspect.AnyType():
            return value
        case inspect.StructType():
            return _struct(value, kind, path)
        case inspect.UnionType():
            return _one_of(value, kind, path)
        case inspect.VarTupleType(item_type=item_type):
            return _tuple(value, item_type, path)
        case inspect.DictType():
            if isinstance(value, dict):
                return value
        case inspect.BytesType():
            try:
                return msgspec.convert(value, bytes)
            except msgspec.ValidationError:
                pass
        case _:
            for scalar, types, _ in _SCALARS:
                fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
                if isinstance(kind, scalar) and fits:
                    return value
    raise DoesNotFit(f"{path or 'the event'} is no {_name(kind)}")


def _struct(value: object, kind: inspect.StructType, path: str) -> Any:
    if not isinstance(value, dict):
        raise DoesNotFit(f"{path or 'the event'} is no object")
    fields = {}
    for field in kind.fields:
        at = f"{path}.{field.encode_name}" if path else field.encode_name
        given = value.get(field.encode_name)
        if given is not None:
            try:
                fields[field.name] = make(given, field.type, at)
            except DoesNotFit:
                if field.required:
                    raise
        elif field.required:
            if at in _SUBJECTS:
                raise DoesNotFit(f"{at} is missing")
            fields[field.name] = _empty(field.type)
    return kind.cls(**fields)


def _one_of(value: object, kind: inspect.UnionType, path: str) -> Any:
    tag_fields = {t.tag_field for t in kind.types if isinstance(t, inspect.StructType)} - {None}
    if isinstance(value, dict) and tag_fields:
        (tag_field,) = tag_fields
        assert tag_field is not None
        structs = [t for t in kind.types if isinstance(t, inspect.StructType)]
        tag = value.get(tag_field, structs[0].tag)
        for struct in structs:
            if struct.tag == tag:
                return _struct(value, struct, path)
        raise DoesNotFit(f"{path} is of an unknown type, {tag!r}")
    for member in kind.types:
        try:
            return make(value, member, path)
        except DoesNotFit:
            continue
    raise DoesNotFit(f"{path} is no {_name(kind)}")


def _tuple(value: object, item_type: inspect.Type, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise DoesNotFit(f"{path} is no list")
    made = []
    for number, entry in enumerate(value):
        try:
            made.append(make(entry, item_type, f"{path}[{number}]"))
        except DoesNotFit:
            continue
    return tuple(made)


def _empty(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StructType():
            return _struct({}, kind, "…")
        case inspect.UnionType():
            is_nullable = any(isinstance(member, inspect.NoneType) for member in kind.types)
            return None if is_nullable else _empty(kind.types[0])
        case inspect.VarTupleType():
            return ()
        case inspect.DictType():
            return {}
        case inspect.BytesType():
            return b""
        case _:
            return next((e for scalar, _, e in _SCALARS if isinstance(kind, scalar)), None)


def _name(kind: inspect.Type) -> str:
    return type(kind).__name__.removesuffix("Type").lower()
