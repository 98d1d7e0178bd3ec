"""Forms of answers that would grow without bound are refused in one line and in time."""

import json
import time

import pytest

from rsfm.errors import UserError
from rsfm.text.automaton import compile_pattern, one_of, repeat, sequence, steps_to_end
from rsfm.text.constraint import constrain
from rsfm.text.forms import form
from rsfm.text.tokenizer import TextTokenizer

TOKENIZER = TextTokenizer.load("tokenizers/text")


def nested(depth: int, kind: str) -> str:
    schema: dict = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema} if kind == "array" else {"properties": {"a": schema}}
    return "json: " + json.dumps(schema)


LARGE = {
    "long labels": "label: " + "x" * 99_000,
    "many labels": "label: " + ", ".join(f"label{i}" for i in range(5000)),
    "many in order": "labels: " + ", ".join(f"name {i}" for i in range(900)),
    "maxLength": 'json: {"properties": {"a": {"type": "string", "maxLength": 1000000000}}}',
    "minItems": 'json: {"type": "array", "minItems": 1000000000, "items": {"type": "integer"}}',
    "items of nothing": 'json: {"type": "array", "maxItems": 100000000, "items": {"enum": [0]}}',
    "lists of lists": nested(3, "array").replace('"array"', '"array", "maxItems": 99'),
    "deep arrays": nested(100, "array"),
    "deep objects": nested(300, "object"),
    "brackets": "json: " + "[" * 90_000,
    "digits": 'json: {"type": "array", "maxItems": ' + "9" * 5000 + "}",
    "enum": "json: " + json.dumps({"enum": [f"value {i}" for i in range(3000)]}),
    "too long": "label: " + "x, " * 99_000,
    "negative": 'json: {"type": "string", "maxLength": -1}',
    "order": 'json: {"type": "array", "minItems": 9, "maxItems": 2}',
    "wrong bound": 'json: {"type": "string", "maxLength": "many"}',
}


@pytest.mark.parametrize("name", LARGE)
def test_a_form_without_bounds_is_one_line(name: str) -> None:
    begin = time.monotonic()
    with pytest.raises(UserError) as told:
        constrain(form(LARGE[name]), TOKENIZER)
    assert "\n" not in str(told.value) and len(str(told.value)) < 600 and time.monotonic() - begin < 30


def test_sets_of_states_are_bounded_too() -> None:
    bit = one_of(b"ab")
    with pytest.raises(UserError, match="too large"):  # the k-th letter from the end: 2^k states
        compile_pattern(sequence(repeat(bit), one_of(b"a"), repeat(bit, 30, 30)))


def test_forms_of_use_still_fit() -> None:
    for text in (
        "boxes",
        "label: " + ", ".join(f"class {i}" for i in range(200)),
        "labels: " + ", ".join(f"class {i}" for i in range(40)),
        'json: {"type": "array", "maxItems": 20, "items": {"properties": {"name": {"type": "string", "maxLength": 20}}}}',
    ):
        constrain(form(text), TOKENIZER)


def test_steps_count_to_the_nearest_end() -> None:
    automaton = compile_pattern(form("label: abc, de"))
    steps = steps_to_end(automaton.table, automaton.accepting)
    assert steps[0] == 2 and (steps[automaton.accepting] == 0).all()
