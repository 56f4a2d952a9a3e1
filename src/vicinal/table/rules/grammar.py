"""The grammar of rules: ``total = a + b``, ``start <= end``, ``zip -> city``; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from vicinal._checks import did_you_mean
from vicinal.table.rules.calendar import PARTS, SPANS
from vicinal.table.rules.kinds import (
    Formula,
    Lookup,
    MissingTogether,
    OneOf,
    Order,
    Rule,
    quoted,
)

_MISSING = re.compile(
    r"^(?:if\s+)?(?P<first>.+?)\s+(?:is\s+)?missing\s*(?:->|then)\s*(?P<second>.+?)\s+(?:is\s+)?missing$"
)
_ONE_OF = re.compile(r"^(?P<most>at\s+most\s+)?one\s+of\s+(?P<flags>.+,.+)$", re.I)
_PART = re.compile(rf"^(?P<part>{'|'.join(PARTS)})\((?P<column>.+)\)$")


def parse_rule(text: str, names: Sequence[str]) -> Rule:
    """Read a rule.

    Parameters
    ----------
    text : str
        ``total = a + b``, ``unit = total / quantity``, ``year = year(when)``, ``days = days(start,
        end)``, ``age = age(birth, '2020-12-31')``, ``start <= end``, ``zip -> city``,
        ``month(when) -> season``, ``one of a, b, c``, ``at most one of a, b`` or ``a missing -> b
        missing``. A name that is no identifier stands in
        backquotes.
    names : sequence of str
        Columns of the table.

    Returns
    -------
    Rule
        As it was asked for; not yet held against rows.

    Raises
    ------
    ValueError
        If the text is no rule, or names a column that the table has not.
    """
    if found := _MISSING.match(text.strip()):
        first, second = (_column(found[one], text, names) for one in ("first", "second"))
        return missing_together(first, second)
    if found := _ONE_OF.match(text.strip()):
        flags = [_column(one, text, names) for one in found["flags"].split(",")]
        return one_of(flags, bool(found["most"]))
    if "->" in text:
        left, _, right = text.partition("->")
        part = _PART.match(left.strip())
        if part is not None and left.strip() not in names:
            left = part["column"]
        source, target = _column(left, text, names), _column(right, text, names)
        return lookup(source, target, "" if part is None else part["part"])
    coded, held = _with_identifiers(text)
    coded = re.sub(r"(?<![<>=!])=(?!=)", "==", coded)
    try:
        node = ast.parse(coded.strip(), mode="eval").body
    except SyntaxError:
        raise _bad(text) from None
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise _bad(text)
    return _comparison(_Named(held, names, text), node, text)


def one_of(flags: Sequence[str], at_most: bool) -> OneOf:
    """Return the rule that one of some flags is set."""
    text = f"{'at most one' if at_most else 'one'} of {', '.join(map(quoted, flags))}"
    return OneOf(text, "one of several", flags[-1], tuple(flags[:-1]), at_most=at_most)


def lookup(source: str, target: str, part: str = "") -> Lookup:
    """Return the rule that a column, or a part of its dates, settles another."""
    left = f"{part}({quoted(source)})" if part else quoted(source)
    return Lookup(f"{left} -> {quoted(target)}", "lookup", target, (source,), part=part)


def formula(
    kind: str,
    target: str,
    sources: tuple[str, ...],
    expression: ast.expr,
    decimals: int | None = None,
) -> Formula:
    """Return the rule that a column is what an expression says."""
    text = f"{quoted(target)} = {written(expression)}"
    return Formula(text, kind, target, sources, expression=expression, decimals=decimals)


def order(low: str, high: str, strict: bool) -> Order:
    """Return the rule that one column is never above another, or always below it."""
    text = f"{quoted(low)} {'<' if strict else '<='} {quoted(high)}"
    return Order(text, "order", high, (low,), strict=strict)


def missing_together(first: str, second: str) -> MissingTogether:
    """Return the rule that one column is missing wherever another one is."""
    text = f"{quoted(first)} missing -> {quoted(second)} missing"
    return MissingTogether(text, "missing", second, (first,))


def _comparison(named: _Named, node: ast.Compare, text: str) -> Rule:
    left, right, sign = node.left, node.comparators[0], type(node.ops[0])
    if sign is ast.Eq:
        return _equation(named, left, right, text)
    if sign not in (ast.Lt, ast.LtE, ast.Gt, ast.GtE):
        raise _bad(text)
    if not isinstance(left, ast.Name) or not isinstance(right, ast.Name):
        raise _bad(text)
    low, high = named.column(left.id), named.column(right.id)
    if sign in (ast.Gt, ast.GtE):
        low, high = high, low
    strict = sign in (ast.Lt, ast.Gt)
    if low == high:
        raise _bad(text)
    return order(low, high, strict)


def _equation(named: _Named, left: ast.expr, right: ast.expr, text: str) -> Formula:
    """Return the formula of the column that stands alone on one side."""
    if not isinstance(left, ast.Name):
        left, right = right, left
    if not isinstance(left, ast.Name):
        raise _bad(text)
    target, expression = named.column(left.id), named.visit(right)
    called = {id(one.func) for one in ast.walk(expression) if isinstance(one, ast.Call)}
    used = (one for one in ast.walk(expression) if isinstance(one, ast.Name))
    sources = tuple(dict.fromkeys(one.id for one in used if id(one) not in called))
    if target in sources or not sources:
        raise _bad(text)
    return formula(_kind_of(expression), target, sources, expression)


class _Named(ast.NodeTransformer):
    """Checks an expression and gives columns their names back."""

    def __init__(self, held: Sequence[str], names: Sequence[str], text: str) -> None:
        self._held, self.names, self._text = held, names, text

    def column(self, written_name: str) -> str:
        found = re.fullmatch(r"_column_(\d+)_", written_name)
        return _column(self._held[int(found[1])] if found else written_name, self._text, self.names)

    def visit(self, node: ast.AST) -> ast.expr:
        if isinstance(node, ast.Name):
            return ast.Name(self.column(node.id))
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return ast.UnaryOp(node.op, self.visit(node.operand))
        known = (ast.Add, ast.Sub, ast.Mult, ast.Div)
        if isinstance(node, ast.BinOp) and isinstance(node.op, known):
            return ast.BinOp(self.visit(node.left), node.op, self.visit(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name, args = node.func.id, [self._argument(one) for one in node.args]
            if len(args) == (1 if name in PARTS else 2) and name in {*PARTS, *SPANS}:
                return ast.Call(ast.Name(name), args, [])
        raise _bad(self._text)

    def _argument(self, node: ast.expr) -> ast.expr:
        """Return a column, or a date such as '2020-12-31'."""
        if isinstance(node, ast.Name):
            return ast.Name(self.column(node.id))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            with suppress(ValueError):
                return ast.Constant(str(datetime.fromisoformat(node.value).date()))
        raise _bad(self._text)


def written(node: ast.AST) -> str:
    """Return an expression as a user would write it."""
    if isinstance(node, ast.Name):
        return quoted(node.id)
    if isinstance(node, ast.Constant):
        short = f"{node.value:g}" if isinstance(node.value, float) else ""
        return short if short and float(short) == node.value else repr(node.value)
    if isinstance(node, ast.UnaryOp):
        return f"-{written(node.operand)}"
    if isinstance(node, ast.Call):
        return f"{ast.unparse(node.func)}({', '.join(map(written, node.args))})"
    if not isinstance(node, ast.BinOp):
        raise TypeError(f"{ast.dump(node)} is no part of a rule.")
    sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(node.op)]
    left, right = written(node.left), written(node.right)
    tight = sign in "*/"
    if tight and _is_sum(node.left):
        left = f"({left})"
    if ((tight or sign == "-") and _is_sum(node.right)) or (
        sign == "/" and isinstance(node.right, ast.BinOp)
    ):
        right = f"({right})"
    return f"{left} {sign} {right}"


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))


def _kind_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return "equal"
    if any(isinstance(one, ast.Call) for one in ast.walk(node)):
        return "date part"
    times = any(isinstance(one, (ast.Mult, ast.Div)) for one in ast.walk(node))
    return "product" if times else "sum"


def _with_identifiers(text: str) -> tuple[str, list[str]]:
    """Return a text with its backquoted names replaced, and those names."""
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(found[1])
        return f" _column_{len(held) - 1}_ "

    return re.sub(r"`([^`]+)`", hold, text), held


def _column(name: str, text: str, names: Sequence[str]) -> str:
    plain = name.strip()
    if plain.startswith("`") and plain.endswith("`") and len(plain) > 1:
        plain = plain[1:-1]
    if plain not in names:
        raise ValueError(
            f"rule {text!r} names the column {plain!r}, which the table has not."
            f"{did_you_mean(plain, list(names))}"
        )
    return plain


def _bad(text: str) -> ValueError:
    return ValueError(
        f"rule must be such as 'total = a + b', 'unit = total / quantity', 'year = year(when)', "
        f"'start <= end', 'zip -> city', 'one of a, b, c' or 'a missing -> b missing', got "
        f"{text!r}. Put a name with blanks in backquotes."
    )
