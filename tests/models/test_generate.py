"""Generation with a cache says what the plain forward pass would."""

import jax.numpy as jnp
import numpy as np

from rsfm.models.generate import _generate, generate
from rsfm.pytree import replace
from tests.models.conftest import sample_of
from tests.observations import make


def test_greedy_equals_the_argmax_of_the_full_forward(model, forward, optical_sample):
    prompt = replace(optical_sample, text_valid=optical_sample.text_valid.at[1, 9:].set(False))
    ids = np.asarray(generate(model, prompt, max_new_tokens=5))
    for row, length in enumerate((12, 9)):
        text = list(np.asarray(prompt.text_ids)[row, :length])
        for token in ids[row]:
            filled = jnp.zeros((2, 20), jnp.int32).at[row, : len(text)].set(jnp.asarray(text))
            valid = jnp.zeros((2, 20), bool).at[row, : len(text)].set(True)
            longer = replace(prompt, text_ids=filled, text_valid=valid, loss_mask=valid)
            expected = int(forward(longer).text_logits[row, len(text) - 1].argmax())
            assert token == expected
            text.append(int(token))
            if token == 2:
                break


def test_lengths_in_a_bucket_share_one_compilation(model, optical_sample):
    generate(model, optical_sample, max_new_tokens=3)
    compiled = _generate._cache_size()
    for length in (4, 7, 11):
        shorter = replace(optical_sample, text_valid=jnp.arange(12)[None] < jnp.full((2, 1), length))
        generate(model, shorter, max_new_tokens=3)
    assert _generate._cache_size() == compiled


def test_pads_follow_the_end(model):
    sample = sample_of({"optical": make(size=32)}, seed=3)
    end = int(np.asarray(generate(model, sample, max_new_tokens=1))[0, 0])
    config = replace(model.config, decoder=replace(model.config.decoder, end_id=end))
    try:
        before, model.config = model.config, config
        ids = np.asarray(generate(model, sample, max_new_tokens=4))[0]
    finally:
        model.config = before
    assert ids[0] == end and (ids[1:] == config.decoder.pad_id).all()
