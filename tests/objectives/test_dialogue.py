"""Sums over parts of a batch, divided by the whole batch's counts, are the losses of the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.heads import HEADS, Widths
from rsfm.nn.losses.masked import gaussian_nll, huber, token_cross_entropy
from rsfm.nn.losses.masks import mask_cross_entropy
from rsfm.objectives import OBJECTIVES, Dialogue, DialogueConfig, Reading, make_objective
from rsfm.pytree import replace
from rsfm.types import Predictions, Sample
from tests.training.standin import TEXT, VOCABULARY, cut, make_sample

WIDTHS = Widths(text=4, token=4, pixel=4)


class Recorded:
    """A model whose forward pass is given; its heads are real."""

    def __init__(self, predictions: Predictions) -> None:
        self.predictions = predictions
        opened = {name: kind for name, kind in HEADS.items() if kind.token}
        self.heads = {n: kind.make(kind.config_type(), WIDTHS, rngs=nnx.Rngs(0)) for n, kind in opened.items()}

    def __call__(self, sample: Sample) -> Predictions:
        return self.predictions


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[Predictions, Sample]:
    sample = make_sample(0)
    mask = rng.integers(0, 8, size=(8, 6, 6)).astype(np.int32)
    position = np.tile(np.array([2, 4, -1], np.int32), (8, 1))
    position[5] = -1  # asks for no mask
    sample = replace(sample, targets={**sample.targets, "mask": {"mask": mask, "position": position}})
    predictions = Predictions(
        text_logits=rng.normal(size=(8, TEXT, VOCABULARY)).astype(np.float32),
        outputs={
            "value": {
                "mean": rng.normal(size=(8, 1)).astype(np.float32),
                "scale": rng.uniform(0.5, 2, (8, 1)).astype(np.float32),
            },
            "mask": {"logits": rng.normal(size=(8, 3, 6, 6)).astype(np.float32)},
        },
        aux={},
    )
    return jax.tree.map(jnp.asarray, predictions), jax.tree.map(jnp.asarray, sample)


def losses(predictions: Predictions, sample: Sample) -> dict[str, tuple[jax.Array, jax.Array]]:
    objective = Dialogue(DialogueConfig())
    return objective(Reading(Recorded(predictions), sample), None, jax.random.key(0)).losses


def test_parts_add_up_to_the_whole(pair: tuple[Predictions, Sample]) -> None:
    whole = jax.jit(losses)(*pair)
    parts = [jax.jit(losses)(*(cut(each, slice(i, i + 4)) for each in pair)) for i in (0, 4)]
    for name, (total, units) in whole.items():
        np.testing.assert_allclose(sum(part[name][0] for part in parts), total, rtol=1e-5)
        np.testing.assert_allclose(sum(part[name][1] for part in parts), units)
    target = pair[1].targets["mask"]
    asked = target["position"] >= 0
    pixels = jnp.broadcast_to(asked.any(-1)[:, None, None], (8, 6, 6))
    expected = mask_cross_entropy(pair[0].outputs["mask"]["logits"], target["mask"], pixels, slot_valid=asked)
    np.testing.assert_allclose(whole["mask"][0] / whole["mask"][1], expected, rtol=1e-5)


def test_means_are_those_of_the_losses(pair: tuple[Predictions, Sample]) -> None:
    predictions, sample = pair
    found = losses(predictions, sample)
    text = token_cross_entropy(predictions.text_logits[:, :-1], sample.text_ids[:, 1:], sample.loss_mask[:, 1:])
    outputs, target = predictions.outputs["value"], sample.targets["value"]
    given = target["position"] >= 0
    value = gaussian_nll(outputs["mean"], outputs["scale"], target["value"], given)
    value += huber(outputs["mean"], target["value"], given)
    np.testing.assert_allclose(found["text"][0] / found["text"][1], text, rtol=1e-6)
    np.testing.assert_allclose(found["value"][0] / found["value"][1], value, rtol=1e-6)


def test_heads_without_targets_are_left_out(pair: tuple[Predictions, Sample]) -> None:
    assert set(losses(pair[0], replace(pair[1], targets={}))) == {"text"}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_made_from_its_options(name: str) -> None:
    assert isinstance(make_objective(name, {}), OBJECTIVES[name])
