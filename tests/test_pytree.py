"""What people see of the types: a line, however much they hold."""

import dataclasses

import jax
import numpy as np
import pytest

from rsfm.pytree import in_brief
from rsfm.types import Record, Turn
from tests.observations import make

RECORD = Record(id="a", observations={"sentinel2_l2a": make(t=3)})


@pytest.mark.parametrize("turns", [0, 3, 500])
def test_a_repr_is_one_short_line(turns: int) -> None:
    record = dataclasses.replace(RECORD, turns=(Turn(question="What? " * 99, answers=("a",)),) * turns)
    for node in (record, *record.observations.values()):
        assert "\n" not in repr(node) and len(repr(node)) < 4_000
        assert node._repr_html_().startswith(f"<b>{type(node).__name__}</b><table>")
    assert (f"{turns} in all" in repr(record)) == (turns > 8)


def test_a_repr_is_there_for_leaves_that_are_no_arrays() -> None:
    observation = RECORD.observations["sentinel2_l2a"]
    shapes = jax.eval_shape(lambda: observation)
    assert "float32[" in repr(shapes)
    assert "object object" in repr(jax.tree.map(lambda _: object(), observation))


def test_empty_fields_are_left_out() -> None:
    assert repr(Record(id="a", observations={})) == "Record(id='a')"
    assert in_brief(np.float32(2.5)) == "2.5" and in_brief(np.zeros((2, 3), np.int8)) == "int8[2,3]"
