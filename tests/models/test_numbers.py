"""Numbers of a question reach the model apart from its text; every kind of value head hangs on the same spine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.heads import VALUE_HEADS, HeadConfig, ValueConfig, distribution
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import generate
from rsfm.nn.transformer import TransformerConfig
from rsfm.pytree import replace
from rsfm.text.numeric import NumberConfig
from tests.models.conftest import sample_of, small_config

STACK = TransformerConfig(width=16, depth=1, heads=2, mlp_width=32)


def build(**changes) -> FoundationModel:
    small = small_config(encoder=STACK, streams={}, **changes)
    return FoundationModel(small, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def words():
    """A question without any observation, a number at its third and fifth token."""
    sample = sample_of({})
    targets = {"value": sample.targets["value"]}
    numbers = jnp.full(sample.text_ids.shape, jnp.nan).at[:, 2].set(3.0).at[:, 4].set(0.25)
    return replace(sample, targets=targets, text_numbers=numbers)


@pytest.mark.parametrize("kind", ["xval", "fourier", "bins"])
def test_a_number_changes_what_follows_it(kind, words):
    model = build(numbers=NumberConfig(kind=kind, bins=8))
    run = nnx.jit(lambda m, s: m(s).text_logits)
    before, after = (run(model, replace(words, text_numbers=words.text_numbers.at[:, 4].set(x))) for x in (0.25, 2.0))
    np.testing.assert_allclose(before[:, :4], after[:, :4], atol=1e-6)
    assert jnp.abs(before[:, 4:] - after[:, 4:]).max() > 1e-4
    if kind == "xval":  # generation reads the numbers, too: its first token is the one the logits say
        ids = generate(model, words, max_new_tokens=2)
        assert ids[:, 0].tolist() == before[:, -1].argmax(-1).tolist()


@pytest.mark.parametrize("kind", VALUE_HEADS)
def test_every_kind_of_head_answers_at_the_value_token(kind, words):
    model = build(
        heads={"value": HeadConfig(options=ValueConfig(kind=kind, width=16, hidden=16, depth=1, pooled=2, bins=8))}
    )
    outputs = nnx.jit(lambda m, s: m(s).outputs)(model, replace(words, text_numbers=None))
    predicted = distribution(outputs["value"])
    assert predicted.mean().shape == (2, 2) and jnp.isfinite(predicted.crps(jnp.zeros((2, 2)))).all()


def test_model_and_processor_must_agree(words):
    with pytest.raises(AssertionError, match="hands over numbers, the model's numbers.kind is 'text'"):
        jax.eval_shape(build(), words)
    with pytest.raises(AssertionError, match="hands over no numbers of xval"):
        jax.eval_shape(build(numbers=NumberConfig(kind="xval")), replace(words, text_numbers=None))
