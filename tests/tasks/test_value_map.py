"""Maps of numbers: scored at labelled pixels only, asked for as the classes between the edges."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.quantities import Quantity, mapped
from rsfm.tasks import TASKS
from rsfm.types import Answer, Record, ValueMap

TASK = TASKS["value_map"]
EDGES = (0.0, 5.0, 10.0, 20.0, 40.0)


def record(values: np.ndarray, *, unit: str = "m", edges: tuple[float, ...] = EDGES) -> Record:
    label = ValueMap(values=values, name="canopy height", unit=unit, edges=edges)
    return Record(id="some height", observations={}, value_map=label)


def reply(best: np.ndarray, low: np.ndarray, high: np.ndarray) -> Answer:
    return Answer(question="", text="", value_map=np.stack([best, low, high], axis=-1))


def scores(known: Record, answer: Answer) -> dict[str, float]:
    rows = TASK.statistics(known, answer)
    return {name: metric(rows) for name, metric in TASK.metrics.items()}


@pytest.fixture
def sparse(rng: np.random.Generator) -> np.ndarray:
    """A tenth of the pixels labelled; one block of four has none."""
    values = np.where(rng.random((112, 112)) < 0.1, rng.uniform(0, 45, (112, 112)), np.nan)
    values[:56, 56:] = np.nan
    return values


def test_the_truth_is_without_error(sparse: np.ndarray) -> None:
    found = scores(record(sparse), reply(np.nan_to_num(sparse), np.nan_to_num(sparse), np.nan_to_num(sparse) + 2))
    assert found == pytest.approx({"rmse": 0, "mae": 0, "r2": 1, "bias": 0, "coverage": 1, "width": 2})
    assert len(TASK.statistics(record(sparse), reply(*[np.zeros_like(sparse)] * 3))) == 3, (
        "blocks without labels are none"
    )


def test_the_mean_everywhere_explains_nothing(sparse: np.ndarray) -> None:
    mean = np.full_like(sparse, np.nanmean(sparse))
    found = scores(record(sparse), reply(mean, mean, mean))
    assert found["r2"] == pytest.approx(0, abs=1e-9) and found["bias"] == pytest.approx(0, abs=1e-9)
    assert found["rmse"] == pytest.approx(np.nanstd(sparse)) and found["coverage"] == found["width"] == 0
    higher = scores(record(sparse), reply(mean + 3, mean - 60, mean + 60))
    assert higher["bias"] == pytest.approx(3) and higher["coverage"] == 1 and higher["width"] == pytest.approx(120)


def test_unlabelled_pixels_do_not_count(sparse: np.ndarray, rng: np.random.Generator) -> None:
    best = rng.uniform(0, 40, sparse.shape)
    other = np.where(np.isfinite(sparse), best, rng.uniform(-1e6, 1e6, sparse.shape))
    one, two = (TASK.statistics(record(sparse), reply(x, x - 1, x + 1)) for x in (best, other))
    np.testing.assert_array_equal(one, two)


def test_a_labelled_pixel_that_is_left_out_is_taken_at_the_mean(sparse: np.ndarray) -> None:
    row, column = np.argwhere(np.isfinite(sparse))[0]
    best = np.full_like(sparse, 12.0)
    holed = best.copy()
    holed[row, column] = np.nan
    assert scores(record(sparse), reply(holed, holed, holed)) == pytest.approx(
        scores(record(sparse), reply(best, best, best))
    )


@given(
    st.lists(st.integers(-50, 50), min_size=2, max_size=9, unique=True).map(sorted),
    st.lists(st.one_of(st.just(np.nan), st.floats(-80, 80)), min_size=6, max_size=6),
    st.sampled_from(["m", "1", "t/ha"]),
)
def test_each_value_lies_between_the_edges_of_its_class(whole: list[int], numbers: list[float], unit: str) -> None:
    edges = tuple(x / 4 for x in whole)
    known = record(np.array(numbers).reshape(2, 3), unit=unit, edges=edges)
    dialogue = TASK.dialogue(known, np.random.default_rng(0))
    if not np.isfinite(numbers).any():
        assert dialogue is None
        return
    (quantity,) = mapped((), known.value_map)
    assert isinstance(quantity, Quantity) and dialogue.spans[0].mask.legend == quantity.map_legend
    assert len(set(quantity.map_legend)) == len(edges) - 1
    between = list(itertools.pairwise(edges))
    for value, k in zip(numbers, dialogue.spans[0].mask.class_index.ravel(), strict=True):
        if np.isnan(value):
            assert k == -1
        else:
            low, high = between[k]
            assert (low <= value or k == 0) and (value < high or k == len(between) - 1)


def test_wording() -> None:
    dialogue = TASK.dialogue(record(np.full((2, 2), 7.0)), np.random.default_rng(0))
    said = "canopy height: 0 to 5 m <mask> 5 to 10 m <mask> 10 to 20 m <mask> 20 to 40 m <mask>"
    assert dialogue.turns == (("Map the canopy height.", said),)
    pure = TASK.dialogue(record(np.full((2, 2), 7.0), unit="1", edges=(0.0, 1.5, 8.0)), np.random.default_rng(0))
    assert pure.turns[0][1] == "canopy height: 0 to 1.5 <mask> 1.5 to 8 <mask>"


def test_a_map_without_a_label_is_not_asked_for() -> None:
    nothing = record(np.full((4, 4), np.nan))
    assert TASK.dialogue(nothing, np.random.default_rng(0)) is None
    assert TASK.statistics(nothing, reply(*[np.zeros((4, 4))] * 3)).shape == (0, 8)
