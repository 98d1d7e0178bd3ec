"""Beam search finds what trying everything finds, where its width allows everything."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.models.decoder import Decoder, DecoderConfig
from rsfm.models.generate import beam_search, generate, prompt_sample
from rsfm.models.generate.loop import _no_prefix
from rsfm.nn.transformer import TransformerConfig

VOCABULARY, END, LENGTH = 5, 2, 3
PROMPTS = [[3, 4, 1], [1]]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    config = DecoderConfig(
        transformer=TransformerConfig(width=16, depth=1, heads=2, mlp_width=32), vocabulary=VOCABULARY
    )
    decoder = Decoder(config, rngs=nnx.Rngs(1))
    decoder.embedding.set_value(decoder.embedding[...] * 30)  # texts of clearly different probability
    return decoder


def texts() -> list[tuple[int, ...]]:
    """Every text: ended within the length, or cut at it."""
    others = [token for token in range(VOCABULARY) if token != END]
    ended = [(*row, END) for n in range(LENGTH) for row in itertools.product(others, repeat=n)]
    return ended + list(itertools.product(others, repeat=LENGTH))


@pytest.fixture(scope="module")
def log_probabilities(decoder) -> np.ndarray:
    """Of every text after each prompt, by the forward pass without a cache."""
    table = np.zeros((len(PROMPTS), len(texts())))
    run = jax.jit(
        lambda ids, valid: jax.nn.log_softmax(decoder.logits(decoder(_no_prefix(decoder, len(ids)), ids, valid)[0]))
    )
    for i, prompt in enumerate(PROMPTS):
        ids = np.zeros((len(texts()), 8), np.int32)
        for j, text in enumerate(texts()):
            ids[j, : len(prompt) + len(text)] = [*prompt, *text]
        logp = np.asarray(run(jnp.asarray(ids), jnp.ones(ids.shape, bool)))
        for j, text in enumerate(texts()):
            table[i, j] = sum(logp[j, len(prompt) - 1 + n, token] for n, token in enumerate(text))
    return table


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_as_wide_as_all_texts_finds_the_best(decoder, log_probabilities, penalty):
    lengths = np.asarray([len(text) for text in texts()])
    scores = log_probabilities / lengths**penalty
    sample = prompt_sample(PROMPTS, 4)
    ids, score = beam_search(decoder, sample, beams=64, max_new_tokens=LENGTH, length_penalty=penalty)
    for i in range(len(PROMPTS)):
        best = texts()[int(scores[i].argmax())]
        assert tuple(np.asarray(ids)[i, : len(best)]) == best
        assert float(score[i]) == pytest.approx(scores[i].max(), abs=1e-4)


def test_one_beam_is_greedy_and_more_are_no_worse(decoder, log_probabilities):
    sample = prompt_sample(PROMPTS, 4)
    ids, _ = beam_search(decoder, sample, beams=1, max_new_tokens=LENGTH, length_penalty=0.0)
    greedy = np.asarray(generate(decoder, sample, max_new_tokens=LENGTH))
    np.testing.assert_array_equal(np.asarray(ids), greedy)
    _, narrow = beam_search(decoder, sample, beams=3, max_new_tokens=LENGTH, length_penalty=0.0)
    told = {text: j for j, text in enumerate(texts())}
    for i, row in enumerate(greedy.tolist()):
        text = tuple(row[: row.index(END) + 1]) if END in row else tuple(row)
        assert float(narrow[i]) >= log_probabilities[i, told[text]] - 1e-4


def test_a_prompt_over_the_length_says_by_how_much():
    with pytest.raises(UserError, match="has 3 tokens, 1 over the 2 allowed"):
        prompt_sample(PROMPTS, 2)
