"""Forms an answer can be bound to: a number, boxes, labels, JSON; as patterns that rsfm.text.automaton compiles."""

import json
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from rsfm.errors import UserError, lookup
from rsfm.text.automaton import Pattern, choice, literal, one_of, repeat, sequence

MAX_NAMES, MAX_DEPTH, MAX_LENGTH = 1_000, 16, 100_000  # labels, schemas in each other, characters of a form
_DIGITS = frozenset(b"0123456789")
_ESCAPED = frozenset(b'"\\/bfnrt')
# Well-formed UTF-8 beyond ASCII, first byte to last (Unicode 16, table 3-7).
_UTF8 = (
    ((0xC2, 0xDF), (0x80, 0xBF)),
    ((0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)),
    ((0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)),
    ((0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)),
)


def number(*, integer: bool = False, digits: int = 7, decimals: int = 3) -> Pattern:
    """A decimal number without needless zeros in front: -12.5; JSON reads it."""
    digit = one_of(_DIGITS)
    whole = choice(literal("0"), sequence(one_of(_DIGITS - {ord("0")}), repeat(digit, 0, digits - 1)))
    part = () if integer else (repeat(sequence(literal("."), repeat(digit, 1, decimals)), 0, 1),)
    return sequence(repeat(literal("-"), 0, 1), whole, *part)


def boxes(*, most: int = 1, top: int = 100) -> Pattern:
    """`[x1, y1, x2, y2]` with whole numbers 0 to `top` (9, 99, 100 or 999); several are separated by a space."""
    digit, limits = one_of(_DIGITS), {9: 1, 99: 2, 100: 2, 999: 3}
    if top not in limits:
        raise UserError(
            f"boxes: top {top}, expected one of {sorted(limits)}. Choose the grid the model was trained on."
        )
    below = choice(literal("0"), sequence(one_of(_DIGITS - {ord("0")}), repeat(digit, 0, limits[top] - 1)))
    edge = choice(below, literal("100")) if top == 100 else below
    comma = literal(", ")
    box = sequence(literal("["), edge, comma, edge, comma, edge, comma, edge, literal("]"))
    return sequence(box, repeat(sequence(literal(" "), box), 0, most - 1))


def labels(names: Sequence[str], *, several: bool = False) -> Pattern:
    """One of the names; `several`: one or more of them in the given order, separated by ", "."""
    names = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not names:
        raise UserError("A choice among labels needs at least one label, found none. Write labels: water, trees.")
    if len(names) > MAX_NAMES:
        raise UserError(f"A choice among {len(names):,} labels: expected {MAX_NAMES:,} at most. Name fewer.")
    if not several:
        return choice(*map(literal, names))
    later = [repeat(sequence(literal(", "), literal(name)), 0, 1) for name in names]
    return choice(*(sequence(literal(name), *later[i + 1 :]) for i, name in enumerate(names)))


def string(*, most: int | None = None) -> Pattern:
    """A quoted JSON string of at most `most` characters."""
    plain = one_of(set(range(0x20, 0x7F)) - set(b'"\\'))
    wide = (sequence(*(one_of(range(low, high + 1)) for low, high in row)) for row in _UTF8)
    character = choice(plain, sequence(literal("\\"), one_of(_ESCAPED)), *wide)
    return sequence(literal('"'), repeat(character, 0, most), literal('"'))


# Keys of a JSON schema that are understood, by type; titles and descriptions are for people.
_SCHEMA = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"maxLength"},
    "number": set(),
    "integer": set(),
    "boolean": set(),
    "null": set(),
}


def json_value(schema: Mapping[str, object], where: str = "schema") -> Pattern:
    """JSON of a schema: objects with all their properties in order, arrays, strings, numbers, booleans, enums.

    Raises:
        UserError: a type or key this subset of JSON Schema does not have.
    """
    if not isinstance(schema, Mapping):
        raise UserError(f"{where}: expected a JSON schema as an object, found {_short(schema)}.")
    if where.count(".") + where.count("[]") > MAX_DEPTH:
        raise UserError(f"{where[:80]}: schemas are {MAX_DEPTH} deep in each other at most. Flatten it.")
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        if not isinstance(values, Sequence) or isinstance(values, str) or not 0 < len(values) <= MAX_NAMES:
            raise UserError(f"{where}.enum: expected a list of 1 to {MAX_NAMES:,} values, found {_short(values)}.")
        return choice(*(literal(json.dumps(value, ensure_ascii=False)) for value in values))
    kind = str(schema.get("type", "object"))
    known = lookup(_SCHEMA, f"type in {where}", kind)
    extra = sorted(schema.keys() - known - {"type", "title", "description", "$schema"})
    if extra:
        raise UserError(
            f"{where}: '{extra[0]}' is not supported for {kind}. Known: {', '.join(sorted(known)) or 'none'}."
        )
    if kind == "object":
        return _object(schema, where)
    if kind == "array":
        return _array(schema, where)
    most = schema.get("maxLength")
    if most is not None and not _count(most):
        raise UserError(f"{where}.maxLength: expected a whole number, 0 or more, found {_short(most)}.")
    simple = {
        "string": lambda: string(most=most),
        "number": number,
        "integer": lambda: number(integer=True),
        "boolean": lambda: choice(literal("true"), literal("false")),
        "null": lambda: literal("null"),
    }
    return simple[kind]()


def _object(schema: Mapping[str, object], where: str) -> Pattern:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise UserError(
            f"{where}.properties: expected an object with at least one property, found {_short(properties)}."
        )
    fields = [
        sequence(literal(json.dumps(name, ensure_ascii=False) + ": "), json_value(part, f"{where}.{name}"))
        for name, part in properties.items()
    ]
    rest = (sequence(literal(", "), field) for field in fields[1:])
    return sequence(literal("{"), fields[0], *rest, literal("}"))


def _array(schema: Mapping[str, object], where: str) -> Pattern:
    items, low, high = schema.get("items", {"type": "string"}), schema.get("minItems", 0), schema.get("maxItems")
    if not _count(low) or not (high is None or (_count(high) and high >= low)) or not isinstance(items, Mapping):
        raise UserError(
            f"{where}: expected whole minItems and maxItems in order and a schema as items, found {_short(dict(schema))}."
        )
    item = json_value(items, f"{where}[]")
    more = None if high is None else high - 1
    filled = sequence(item, repeat(sequence(literal(", "), item), max(low - 1, 0), more))
    inside = literal("") if high == 0 else filled if low else repeat(filled, 0, 1)
    return sequence(literal("["), inside, literal("]"))


FORMS = {
    "number": lambda _: number(),
    "integer": lambda _: number(integer=True),
    "yes/no": lambda _: labels(("yes", "no")),
    "box": lambda _: boxes(),
    "boxes": lambda _: boxes(most=32),
    "label": lambda text: labels(text.split(",")),
    "labels": lambda text: labels(text.split(","), several=True),
    "json": lambda text: json_value(_read_schema(text)),
}


def form(text: str) -> Pattern:
    """The pattern a user names: "number", "integer", "yes/no", "box", "boxes", "label: a, b", "labels: a, b", "json: {...}".

    >>> compile_pattern(form("label: airport, harbour")).accepts("harbour")
    True
    """
    if len(text) > MAX_LENGTH:
        raise UserError(f"This form of answer has {len(text):,} characters, expected {MAX_LENGTH:,} at most.")
    kind, _, rest = text.encode("utf-8", "replace").decode().partition(":")
    return lookup(FORMS, "form of answer", kind.strip().lower())(rest)


def _read_schema(text: str) -> Mapping[str, object]:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "too deep"
        raise UserError(
            f"json: expected a JSON schema after the colon, found {_short(text.strip())} ({why})."
        ) from error


def _count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _short(value: object) -> str:
    """A value for a message of one line."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
