"""One call writes a text and opens its heads: the same as reading the whole turn again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import generate, generate_opened
from rsfm.models.generate.opened import token_places
from rsfm.pytree import replace
from tests.models.conftest import sample_of, small_config
from tests.observations import make

NEW = 6


def test_places_of_a_token() -> None:
    ids = jnp.asarray([[3, 7, 3, 7, 7], [1, 2, 4, 5, 6]])
    np.testing.assert_array_equal(token_places(ids, 7, 2), [[1, 3], [-1, -1]])
    np.testing.assert_array_equal(token_places(ids, 3, 4), [[0, 2, -1, -1], [-1] * 4])
    np.testing.assert_array_equal(token_places(ids[:, :2], 3, 4), [[0, -1, -1, -1], [-1] * 4])


@pytest.fixture(scope="module")
def model() -> FoundationModel:
    return FoundationModel(small_config(), rngs=nnx.Rngs(0))


def test_heads_are_opened_by_what_the_decoder_wrote(model: FoundationModel) -> None:
    sample = replace(sample_of({"optical": make(size=32)}), targets={})
    sample = replace(sample, text_valid=sample.text_valid.at[1, 9:].set(False))
    plain = np.asarray(generate(model, sample, max_new_tokens=NEW))
    token = int(plain[0, 2])  # what the model writes anyway stands in for a special token
    ids, outputs = generate_opened(model, sample, {"value": (token, 2), "mask": (token, 3)}, max_new_tokens=NEW)
    np.testing.assert_array_equal(ids, plain)
    whole = []
    for row, length in zip(plain, (12, 9), strict=True):
        at = [length + i for i in range(NEW) if row[i] == token]
        whole.append([at[:2] + [-1] * (2 - len(at[:2])), at[:3] + [-1] * (3 - len(at[:3]))])
    text = np.zeros((2, 12 + NEW), np.int32)
    valid = np.zeros(text.shape, bool)
    for i, length in enumerate((12, 9)):
        text[i, :length], text[i, length : length + NEW] = sample.text_ids[i, :length], plain[i]
        valid[i, : length + NEW] = True
    again = replace(
        sample,
        text_ids=jnp.asarray(text),
        text_valid=jnp.asarray(valid),
        loss_mask=jnp.asarray(valid),
        targets={
            "value": {"position": jnp.asarray([each[0] for each in whole])},
            "mask": {"position": jnp.asarray([each[1] for each in whole])},
        },
    )
    read = nnx.jit(lambda m, s: m(s).outputs)(model, again)
    for name in ("value", "mask"):
        there = np.asarray(again.targets[name]["position"]) >= 0
        assert there.any()
        jax.tree.map(
            lambda a, b, there=there: np.testing.assert_allclose(
                np.asarray(a)[there], np.asarray(b)[there], atol=2e-4, rtol=1e-3
            ),
            outputs[name],
            read[name],
        )


def test_a_series_without_pixels_opens_no_dense_head(model: FoundationModel) -> None:
    sample = replace(sample_of({"series": make(size=1, t=4)}), targets={})
    _, outputs = generate_opened(model, sample, {"value": (3, 1), "mask": (4, 1)}, max_new_tokens=2)
    assert set(outputs) == {"value"}
