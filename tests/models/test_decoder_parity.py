"""The decoder is Llama's, Qwen's and Gemma's: same logits from the same weights, recorded and live where torch is installed.

Twice the trained context, one row padded on its left, at once and token by token through the cache.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.decoder import Decoder
from rsfm.models.hf import load_decoder
from rsfm.types import Tokens
from tests.fixtures.record_decoders import MODELS, make_reference, reference_logits

RECORDED = Path(__file__).parents[1] / "fixtures" / "decoders"
PREFILLED = 20  # tokens before the cached steps: the window of every local layer has been left by then


@functools.partial(jax.jit, static_argnums=0)
def both_ways(graphdef, params, ids, valid):
    """Logits of every place from one call, and from a prefill with steps after it."""
    decoder: Decoder = nnx.merge(graphdef, params)
    b, s = ids.shape
    width = decoder.config.transformer.width
    nothing = Tokens(embeddings=jnp.zeros((b, 0, width)), mask=jnp.zeros((b, 0), bool), position=jnp.zeros((b, 0, 3)))
    at_once, _ = decoder(nothing, ids, valid)
    first, cache = decoder.prefill(nothing, ids[:, :PREFILLED], valid[:, :PREFILLED], s - PREFILLED)

    def step(cache, i):
        hidden, cache = decoder.step(ids[:, i], jnp.full((b,), i), valid & (jnp.arange(s) <= i), cache)
        return cache, hidden

    _, later = jax.lax.scan(step, cache, jnp.arange(PREFILLED, s))
    cached = jnp.concatenate([first, later.swapaxes(0, 1)], axis=1)
    return decoder.logits(at_once), decoder.logits(cached)


def check(folder: Path, ids: np.ndarray, valid: np.ndarray, logits: np.ndarray) -> None:
    decoder, report = load_decoder(folder)
    assert not report.missing and not report.unexpected
    graphdef, params = nnx.split(decoder)
    for ours in both_ways(graphdef, params, jnp.asarray(ids), jnp.asarray(valid)):
        np.testing.assert_allclose(np.asarray(ours)[valid], logits[valid], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_recorded_logits(name):
    with np.load(RECORDED / name / "reference.npz", allow_pickle=False) as recorded:
        assert np.abs(recorded["logits"]).max() > 1, "logits near zero would prove nothing"
        check(RECORDED / name, recorded["ids"], recorded["valid"], recorded["logits"])


@pytest.mark.parity
@pytest.mark.parametrize("name", MODELS)
def test_live_logits(name, tmp_path):
    pytest.importorskip("torch")
    model = make_reference(name)
    rng = np.random.default_rng(1)
    ids, valid = rng.integers(3, 96, (2, 32)), np.ones((2, 32), bool)
    valid[0, :9] = False
    model.save_pretrained(tmp_path)
    check(tmp_path, ids, valid, reference_logits(model, ids, valid))
