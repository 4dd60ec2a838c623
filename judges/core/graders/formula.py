"""The formula of a ``multi`` grader: numbers, names of graders, + - * / ^, parentheses and eight functions.

A recursive descent of our own: nothing is ever evaluated as Python. ^ binds tighter than a sign before it and to
the right, as in mathematics: -2^2 is -4, 2^3^2 is 512. A step that has no real number as its result (division by
zero, the logarithm of 0) has none as the formula's.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

LONGEST = 2000  # characters
DEEPEST = 50
_NUMBER_START = "0123456789."
_TOKEN = re.compile(
    r"\s*(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[^\W\d]\w*|[-+*/^(),])"
)

Values = Mapping[str, float]
Node = Callable[[Values], float]


class BadFormula(ValueError):
    """A text that is no formula, or a formula without a result."""


# Name: function, fewest and most arguments (None: any number).
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int | None]] = {
    "min": (min, 1, None),
    "max": (max, 1, None),
    "abs": (abs, 1, 1),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "exp": (math.exp, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "log": (math.log, 1, 1),
}


@dataclass(frozen=True)
class Formula:
    source: str
    node: Node
    names: frozenset[str]

    def value(self, values: Values) -> float:
        """Raises BadFormula where there is no finite real number. All ``names`` must have a value."""
        try:
            result = float(self.node(values))
        except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
            raise BadFormula(f"{self.source} has no result: {error}") from None
        if not math.isfinite(result):
            raise BadFormula(f"{self.source} has no result: it grows beyond every number")
        return result


def formula(source: str) -> Formula:
    """Raises BadFormula, saying where."""
    if len(source) > LONGEST:
        raise BadFormula(f"it has {len(source)} characters; at most {LONGEST} are read")
    parser = _Parser(_tokens(source))
    node = parser.sum()
    if parser.left():
        raise BadFormula(f"{parser.left()!r} is in a place where nothing is expected")
    return Formula(source, node, frozenset(parser.names))


def _tokens(source: str) -> list[str]:
    tokens, place = [], 0
    while source[place:].strip():
        match = _TOKEN.match(source, place)
        if match is None:
            raise BadFormula(f"{source[place:].strip()[:20]!r} is neither number, name nor operator")
        tokens.append(match.group(0).strip())
        place = match.end()
    return tokens


@dataclass
class _Parser:
    """sum: product (± product)*; product: signed (*|/ signed)*; signed: -signed | power; power: atom (^ signed)?"""

    tokens: Sequence[str]
    place: int = 0
    depth: int = 0
    names: set[str] = field(default_factory=set)

    def left(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.left()
        self.place += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise BadFormula(f"a {token} is missing")

    def sum(self) -> Node:
        node = self.product()
        while self.left() in ("+", "-"):
            node = _pair(self.take(), node, self.product())
        return node

    def product(self) -> Node:
        node = self.signed()
        while self.left() in ("*", "/"):
            node = _pair(self.take(), node, self.signed())
        return node

    def signed(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadFormula(f"it is nested more than {DEEPEST} deep")
        node = self._signed()
        self.depth -= 1
        return node

    def _signed(self) -> Node:
        if self.left() == "+":
            self.take()
            return self.signed()
        if self.left() == "-":
            self.take()
            inner = self.signed()
            return lambda values: -inner(values)
        base = self.atom()
        if self.left() != "^":
            return base
        return _pair(self.take(), base, self.signed())

    def atom(self) -> Node:
        token = self.take()
        if token == "(":  # noqa: S105  no secret
            node = self.sum()
            self.expect(")")
            return node
        if token[:1] in _NUMBER_START and token:
            number = float(token)
            return lambda _: number
        if token in ("", *"+-*/^),"):
            raise BadFormula(f"{token!r} is in the place of a number" if token else "it ends too early")
        return self._call(token) if self.left() == "(" else self._name(token)

    def _name(self, name: str) -> Node:
        self.names.add(name)
        return lambda values: values[name]

    def _call(self, name: str) -> Node:
        if name not in FUNCTIONS:
            raise BadFormula(f"{name} is no function; use {', '.join(FUNCTIONS)}")
        function, fewest, most = FUNCTIONS[name]
        self.take()
        arguments = [self.sum()]
        while self.left() == ",":
            self.take()
            arguments.append(self.sum())
        self.expect(")")
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            raise BadFormula(f"{name} takes {fewest} argument, not {len(arguments)}")
        return lambda values: function(*(argument(values) for argument in arguments))


def _pair(operator: str, first: Node, second: Node) -> Node:
    match operator:
        case "+":
            return lambda values: first(values) + second(values)
        case "-":
            return lambda values: first(values) - second(values)
        case "*":
            return lambda values: first(values) * second(values)
        case "/":
            return lambda values: first(values) / second(values)
        case _:
            return lambda values: math.pow(first(values), second(values))
