"""Small expressions over an agent's variables: ``attempts < 3 and code == guess``.

Read by Python's own parser, of which only what is listed here is let through: no calls, no
attributes.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from typing import Any

from simpleeval import InvalidExpression, NameNotDefined, SimpleEval

Value = str | int | float | bool

_ALLOWED = (
    ast.Constant, ast.Name, ast.Load, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt,
    ast.GtE,
)  # fmt: skip
_TRUTH = {"true": True, "false": False}
_MAX_CHARS = 200
_MAX_TEXT = 1000


class ExpressionError(ValueError):
    """An expression cannot be read or has no value; the message says why."""


def _product(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError
    return operator.mul(left, right)


class Expression:
    """``source``, checked; it has a value once its variables have one."""

    def __init__(self, source: str) -> None:
        if len(source) > _MAX_CHARS:
            raise ExpressionError(f"longer than {_MAX_CHARS} characters")
        try:
            self._body = ast.parse(source.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise ExpressionError(f"'{source}' cannot be read as an expression") from error
        parts = list(ast.walk(self._body))
        constants = [part.value for part in parts if isinstance(part, ast.Constant)]
        if not all(isinstance(part, _ALLOWED) for part in parts) or not all(
            isinstance(value, Value) for value in constants
        ):
            raise ExpressionError(
                f"'{source}': only names, numbers, quoted text, + - *, comparisons, and, or, not"
            )
        self.source = source
        self.names = frozenset(p.id for p in parts if isinstance(p, ast.Name)) - _TRUTH.keys()

    def value(self, variables: Mapping[str, Value]) -> Value:
        """Its value.

        Raises:
            ExpressionError: a variable has no value, or text and number do not mix.
        """
        judge = SimpleEval(names={**variables, **_TRUTH}, functions={})
        judge.operators[ast.Mult] = _product
        try:
            result: Value = judge.eval(self.source, previously_parsed=self._body)
        except NameNotDefined as error:
            raise ExpressionError(f"'{self.source}': no variable '{error.name}'") from error
        except (TypeError, OverflowError, InvalidExpression) as error:
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
