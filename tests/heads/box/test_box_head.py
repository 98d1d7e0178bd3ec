"""The box head: targets on its cells come back as the boxes they were made of; what must matter matters, what must not does not."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.boxes import rectangle
from rsfm.boxes.suppression import suppressed
from rsfm.errors import UserError
from rsfm.heads import BoxConfig, BoxHead, Fit, Spans, Widths
from rsfm.heads.box.coding import box_corners, box_numbers
from rsfm.heads.box.head import cell_centres
from rsfm.heads.box.losses import heat_loss, number_losses
from rsfm.heads.box.peaks import peaks
from rsfm.heads.box.targets import MOST, assigned
from rsfm.metrics import matched, oriented_iou
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Boxes, Memory, Pixels, Record

SIZE, STRIDE, WIDTH, TEXT = 48, 2, 16, 12
FIT = Fit(quantities=(), size=SIZE, words="")


def turned(x: float, y: float, width: float, height: float, angle: float = 0.0) -> np.ndarray:
    return rectangle([float(x), float(y)], float(width), float(height), float(angle))


def record(height: int = SIZE, width: int = SIZE) -> Record:
    values = np.zeros((1, height, width, 3), np.float32)
    seen = observe(SENSORS["aerial_rgb"], values, time_days=[9000.0], gsd_m=0.3)
    return Record(id="plate", observations={"aerial_rgb": seen})


def boxes(*corners: np.ndarray, name: str = "ship") -> Boxes:
    return Boxes(corners=np.array(corners).reshape(-1, 4, 2), labels=(name,) * len(corners))


@functools.partial(jax.jit, static_argnums=(2, 3))
def faultless(numbers: jax.Array, there: jax.Array, size: int, stride: int) -> tuple[jax.Array, jax.Array]:
    """Scores and numbers of the peaks of a head that gives just what its cells are to learn."""
    learnt = assigned(numbers, there, cell_centres(size // stride, size // stride, stride), stride)
    best = peaks(jnp.log(learnt.heat + 1e-9)[None] + 9.0, learnt.numbers[None], 16)
    return best.score[0], best.numbers[0]


def decoded(corners: np.ndarray, size: int = SIZE, stride: int = STRIDE) -> np.ndarray:
    """The boxes that come back from targets."""
    numbers = np.pad(box_numbers(corners), ((0, 16 - len(corners)), (0, 0)))
    score, made = map(np.asarray, faultless(jnp.asarray(numbers), jnp.arange(16) < len(corners), size, stride))
    strong = score > 0.999
    return box_corners(made[strong])[suppressed(box_corners(made[strong]), score[strong])]


def alike(left: np.ndarray, right: np.ndarray) -> bool:
    return len(left) == len(right) == matched(oriented_iou(left, right), 0.99)


GRID = st.lists(
    st.tuples(st.sampled_from(range(9)), st.floats(-2, 2), st.floats(-2, 2), st.floats(4, 14), st.floats(4, 14), st.floats(0, 180)),
    min_size=1, max_size=9, unique_by=lambda each: each[0],
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(GRID)
def test_targets_come_back_as_boxes(things: list[tuple[Any, ...]]) -> None:
    corners = np.stack([turned(8 + 16 * (i % 3) + x, 8 + 16 * (i // 3) + y, w, h, a) for i, x, y, w, h, a in things])
    assert alike(decoded(corners), corners)


def test_two_that_touch_stay_two() -> None:
    for angle in (0.0, 30.0):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        beside = np.stack([turned(24 - 3 * c, 24 - 3 * s, 6, 12, angle), turned(24 + 3 * c, 24 + 3 * s, 6, 12, angle)])
        assert alike(decoded(beside), beside)


def test_two_in_one_cell_are_one_and_a_finer_head_parts_them() -> None:
    small = np.stack([turned(20.3, 20.3, 1.2, 1.2), turned(21.7, 20.3, 1.2, 1.2)])
    assert len(decoded(small)) == 1 and len(decoded(small, stride=1)) >= 1


def test_a_turned_picture_has_turned_targets_and_boxes() -> None:
    corners = np.stack([turned(13.3, 11.1, 14, 5, 20), turned(33.7, 30.9, 6, 16, 75)])
    about = np.stack([corners[..., 1], SIZE - corners[..., 0]], -1)  # counterclockwise: x' = y, y' = size - x
    cells = cell_centres(SIZE // STRIDE, SIZE // STRIDE, STRIDE)
    heat, heat_about = (
        assigned(jnp.asarray(box_numbers(each)), jnp.ones(2, bool), cells, STRIDE).heat for each in (corners, about)
    )
    np.testing.assert_allclose(np.rot90(heat), heat_about, atol=1e-5)
    assert alike(decoded(about), about)
    assert not alike(decoded(about), corners)


def test_targets_of_a_larger_picture_shrink_with_it() -> None:
    large = boxes(turned(40, 60, 20, 10))
    made = BoxHead.targets((large,), record(2 * SIZE, 2 * SIZE), FIT, 4)
    assert alike(box_corners(made["numbers"][:1]), large.corners / 2)
    assert made["slot"].tolist() == [1] + [0] * (MOST - 1)


def test_slots_are_told_apart_and_boxes_of_other_windows_left_out() -> None:
    outside, inside = turned(-3, 10, 10, 4), turned(2, 10, 10, 4)
    made = BoxHead.targets(
        (boxes(inside, outside), boxes(name="harbor"), boxes(turned(30, 30, 8, 8), name="plane")), record(), FIT, 4
    )
    assert made["slot"][:3].tolist() == [1, 3, 0]


def test_bad_labels_are_one_line() -> None:
    with pytest.raises(UserError, match="plate: a box has a corner that is no number"):
        BoxHead.targets((boxes(np.full((4, 2), np.nan)),), record(), FIT, 4)
    many = boxes(*(turned(1 + i % 40, 1 + i // 40, 2, 2) for i in range(MOST + 1)))
    with pytest.raises(UserError, match=f"{MOST + 1} boxes in one window, a box head reads at most {MOST}"):
        BoxHead.targets((many,), record(), FIT, 4)


def test_each_loss_is_least_at_the_truth() -> None:
    truth = jnp.asarray(box_numbers(turned(20, 20, 16, 5, 30)[None]))
    at_truth = number_losses(truth, truth, 2)
    assert all(float(value[0]) < 1e-4 for value in at_truth.values())
    for place, name in ((0, "centre"), (2, "size"), (3, "size"), (4, "size"), (5, "axes")):
        worse = number_losses(truth.at[0, place].add(0.3), truth, 2)
        assert float(worse[name][0]) > 0.04, name
        assert place >= 5 or float(worse["overlap"][0]) > 0.005, "the overlap knows centre, size and turn"
    heat = jnp.array([1.0, 0.5, 0.0])
    right, wrong = heat_loss(jnp.array([6.0, -6.0, -6.0]), heat), heat_loss(jnp.array([-6.0, 6.0, 6.0]), heat)
    assert float(right.max()) < 1e-3 and (np.asarray(wrong) > 0.2).all() and wrong[1] < wrong[2]


def test_overlap_is_smooth_where_nothing_overlaps_and_finite_for_wild_numbers() -> None:
    truth = jnp.asarray(box_numbers(turned(20, 20, 16, 5, 30)[None]))
    wild = truth + jnp.array([[1e4, -1e4, 300.0, 50.0, -50.0, 9.0, 9.0]])
    slope = jax.grad(lambda x: number_losses(x, truth, 2)["overlap"].sum())(wild)
    assert np.isfinite(np.asarray(slope)).all()
    moved = truth + jnp.array([[25.0, 0, 0, 0, 0, 0, 0]])
    assert float(jax.grad(lambda x: number_losses(x, truth, 2)["overlap"].sum())(moved)[0, 0]) > 0


# --- the module


def head(**options: Any) -> BoxHead:
    return BoxHead(BoxConfig(width=WIDTH, **options), Widths(text=TEXT, token=8, pixel=8), rngs=nnx.Rngs(0))


@nnx.jit
def read(made: BoxHead, spans: Spans, memory: Memory) -> dict[str, jax.Array]:
    return made(spans, memory, "pixels")


def view(key: int = 0, valid: np.ndarray | None = None) -> Memory:
    features = jax.random.normal(jax.random.key(key), (1, SIZE, SIZE, 8))
    there = np.ones((1, SIZE, SIZE), bool) if valid is None else valid
    return Memory(tokens={}, pixels={"pixels": Pixels(features=features, valid=jnp.asarray(there))})


def spans(key: int = 1, count: int = 2) -> Spans:
    hidden = jax.random.normal(jax.random.key(key), (1, count, TEXT))
    return Spans(hidden=hidden, valid=jnp.ones((1, count), bool))


@pytest.mark.parametrize("stride", [1, 2])
def test_shapes_and_odd_sizes(stride: int) -> None:
    made = read(head(stride=stride), spans(), view())
    assert made["heat"].shape == (1, 2, SIZE // stride, SIZE // stride) and made["numbers"].shape[-1] == 7
    odd = Memory(tokens={}, pixels={"pixels": Pixels(features=jnp.ones((1, 7, 9, 8)), valid=jnp.ones((1, 7, 9), bool))})
    assert read(head(stride=stride), spans(), odd)["heat"].shape[2:] == (-(-7 // stride), -(-9 // stride))


def test_pixels_without_data_make_no_box_and_change_none() -> None:
    valid = np.ones((1, SIZE, SIZE), bool)
    valid[:, :, :20] = False
    one, other = view(0, valid), view(0, valid)
    hidden = jnp.where(jnp.asarray(valid)[..., None], other.pixels["pixels"].features, 99.0)
    other = Memory(tokens={}, pixels={"pixels": dataclasses.replace(other.pixels["pixels"], features=hidden)})
    a, b = (read(head(), spans(), each) for each in (one, other))
    jax.tree.map(np.testing.assert_array_equal, a, b)
    best = peaks(a["heat"], a["numbers"], 1000)
    centre_x = np.asarray(best.numbers[..., 0])[np.asarray(best.score) > 0]
    assert len(centre_x) and np.isneginf(np.asarray(a["heat"][..., :10])).all()


def test_words_decide_what_is_looked_for() -> None:
    one, other = read(head(), spans(1), view()), read(head(), spans(2), view())
    assert float(jnp.abs(one["heat"] - other["heat"]).max()) > 0.01
    alone = read(head(), spans(1, 1), view())
    np.testing.assert_array_equal(alone["heat"][:, 0].shape, one["heat"][:, 0].shape)
    both = Spans(hidden=spans(1).hidden[:, ::-1], valid=spans(1).valid)
    np.testing.assert_allclose(read(head(), both, view())["heat"][:, ::-1], one["heat"], atol=1e-5)


def test_an_empty_slot_teaches_nothing() -> None:
    made = head()
    targets = {
        name: jnp.asarray(leaf)[None]
        for name, leaf in BoxHead.targets((boxes(turned(20, 20, 8, 8)),), record(), FIT, 2).items()
    }
    few, more = jnp.array([[3, -1]]), jnp.array([[3, 5]])
    outputs = read(made, spans(), view())
    changed = {**outputs, "heat": outputs["heat"].at[:, 1].add(3.0)}
    same = [made.loss(each, {**targets, "position": few})[""][0] for each in (outputs, changed)]
    assert same[0] == same[1]
    assert (
        made.loss(changed, {**targets, "position": more})[""][0]
        > made.loss(outputs, {**targets, "position": more})[""][0]
    )


def test_it_learns_two_classes_by_their_words() -> None:
    """SYNTHETIC: lying bars are of one word, standing bars of another; 100 steps tell them apart on a picture not seen."""
    rng = np.random.default_rng(0)

    def picture() -> tuple[np.ndarray, tuple[Boxes, Boxes]]:
        image, found = rng.normal(0, 0.1, (SIZE, SIZE, 1)), ([], [])
        for i in rng.permutation(9)[:5]:
            x, y = 8 + 16 * (i % 3) + rng.integers(-1, 2), 8 + 16 * (i // 3) + rng.integers(-1, 2)
            kind = int(rng.integers(2))
            w, h = ((12, 4), (4, 12))[kind]
            image[y - h // 2 : y + h // 2, x - w // 2 : x + w // 2] += 1.0
            found[kind].append(turned(x, y, w, h))
        return image, (boxes(*found[0]), boxes(*found[1]))

    pictures = [picture() for _ in range(9)]
    made, widths = head(), np.stack([image for image, _ in pictures]).astype(np.float32)
    rows = [BoxHead.targets(found, record(), FIT, 2) for _, found in pictures]
    targets = {name: jnp.stack([each[name] for each in rows]) for name in rows[0]}
    words = jnp.eye(2, TEXT)
    convs = nnx.Linear(25, 8, rngs=nnx.Rngs(1))  # what a neck would do: pixels that see their surroundings

    def outputs(model: Any, images: jax.Array) -> Any:
        own, neck = model
        options: Any = {"rhs_dilation": (2, 2), "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
        near = jax.lax.conv_general_dilated_patches(jnp.asarray(images), (5, 5), (1, 1), "SAME", **options)
        pixels = Pixels(features=nnx.gelu(neck(near)), valid=jnp.ones(images.shape[:3], bool))
        both = Spans(hidden=jnp.broadcast_to(words, (len(images), 2, TEXT)), valid=jnp.ones((len(images), 2), bool))
        return own(both, Memory(tokens={}, pixels={"pixels": pixels}), "pixels")

    graph, params = nnx.split((made, convs))
    optimizer = optax.adam(2e-2)

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        def total(params: Any) -> Any:
            model = nnx.merge(graph, params)
            few = {name: leaf[:8] for name, leaf in targets.items()}
            terms = model[0].loss(
                outputs(model, widths[:8]), {**few, "position": jnp.tile(jnp.array([[1, 2]]), (8, 1))}
            )
            return sum(value / jnp.maximum(units, 1) for value, units in terms.values())

        value, slope = jax.value_and_grad(total)(params)
        change, state = optimizer.update(slope, state)
        return optax.apply_updates(params, change), state, value

    state = optimizer.init(params)
    for _ in range(100):
        params, state, _ = step(params, state)
    made_of = outputs(nnx.merge(graph, params), widths[8:])
    best = peaks(made_of["heat"], made_of["numbers"], 16)
    for kind, truth in enumerate(pictures[8][1]):
        sure = np.asarray(best.score[0, kind]) > 0.3
        given = box_corners(np.asarray(best.numbers[0, kind])[sure])
        assert matched(oriented_iou(given, truth.corners), 0.5) == len(truth.corners) == len(given)
