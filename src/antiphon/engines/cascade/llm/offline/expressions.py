"""Small expressions over an agent's variables: ``attempts < 3 and code == guess``.

Python's own parser, and then only what is listed here: no calls, no attributes.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

Value = str | int | float | bool

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_MAX_CHARS = 200
_MAX_TEXT = 1000


class ExpressionError(ValueError):
    """An expression cannot be read or has no value; the message says why."""


class Expression:
    """``source``, checked; it has a value once its variables have one."""

    def __init__(self, source: str) -> None:
        if len(source) > _MAX_CHARS:
            raise ExpressionError(f"longer than {_MAX_CHARS} characters")
        try:
            self._body = ast.parse(source.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise ExpressionError(f"'{source}' cannot be read as an expression") from error
        self.source = source
        self.names = frozenset(_names(self._body, source))

    def value(self, variables: Mapping[str, Value]) -> Value:
        """Its value.

        Raises:
            ExpressionError: a variable has no value, or text and number do not mix.
        """
        try:
            result: Value = _value(self._body, variables)
        except KeyError as error:
            raise ExpressionError(f"'{self.source}': no variable {error}") from error
        except (TypeError, OverflowError) as error:
            raise ExpressionError(f"'{self.source}': text and numbers do not mix") from error
        if isinstance(result, str) and len(result) > _MAX_TEXT:
            raise ExpressionError(f"'{self.source}': the text has become too long")
        return result

    def holds(self, variables: Mapping[str, Value]) -> bool:
        """Whether it is true; a variable without a value makes it false."""
        try:
            return bool(self.value(variables))
        except ExpressionError:
            return False


def _names(node: ast.expr, source: str) -> set[str]:
    match node:
        case ast.Constant(value=str() | int() | float()):
            return set()
        case ast.Name(id=name):
            return set() if name in ("true", "false") else {name}
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return _names(operand, source)
        case ast.BoolOp(values=parts):
            return {name for part in parts for name in _names(part, source)}
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _names(left, source) | _names(right, source)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARE for op in ops
        ):
            return {name for part in (left, *others) for name in _names(part, source)}
    raise ExpressionError(
        f"'{source}': only names, numbers, quoted text, + - *, comparisons, and, or, not"
    )


def _value(node: ast.expr, variables: Mapping[str, Value]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return node.id == "true" if node.id in ("true", "false") else variables[node.id]
        case ast.UnaryOp():
            value = _value(node.operand, variables)
            return not value if isinstance(node.op, ast.Not) else -value
        case ast.BoolOp():
            values = (_value(part, variables) for part in node.values)
            return all(values) if isinstance(node.op, ast.And) else any(values)
        case ast.BinOp():
            left, right = _value(node.left, variables), _value(node.right, variables)
            if isinstance(node.op, ast.Mult) and isinstance(left, str) | isinstance(right, str):
                raise TypeError
            return _ARITHMETIC[type(node.op)](left, right)
        case ast.Compare():
            left = _value(node.left, variables)
            for op, other in zip(node.ops, node.comparators, strict=True):
                right = _value(other, variables)
                if not _COMPARE[type(op)](left, right):
                    return False
                left = right
            return True
    raise AssertionError(node)
