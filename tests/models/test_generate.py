"""Generation with a cache says what the plain forward pass would."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.models.generate import generate, prompt_sample, random_key, stream
from rsfm.models.generate.choose import NEVER, narrowed
from rsfm.models.generate.loop import _generate
from rsfm.pytree import replace
from tests.models.test_beam import PROMPTS, decoder  # noqa: F401  (a fixture)


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


def test_pads_follow_the_end(decoder):  # noqa: F811
    sample = prompt_sample(PROMPTS, 4)
    end = int(np.asarray(generate(decoder, sample, max_new_tokens=1))[0, 0])
    ids = np.asarray(generate(decoder, sample, max_new_tokens=4, stop=(end,)))[0]
    assert ids[0] == end and (ids[1:] == decoder.config.pad_id).all()


def test_a_stream_gives_the_same_tokens_in_chunks(model, optical_sample):
    whole = np.asarray(generate(model, optical_sample, max_new_tokens=5))
    for chunk in (1, 2):
        parts = list(stream(model, optical_sample, max_new_tokens=5, chunk=chunk))
        assert max(part.shape[1] for part in parts) == chunk
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole[:, : sum(p.shape[1] for p in parts)])


def test_a_stop_token_ends_a_text_as_the_end_token_does(decoder):  # noqa: F811
    sample = prompt_sample(PROMPTS, 4)
    ids = np.asarray(generate(decoder, sample, max_new_tokens=5))[0]
    stop = int(ids[2])
    cut = np.asarray(generate(decoder, sample, max_new_tokens=5, stop=(stop,)))[0]
    first = ids.tolist().index(stop)
    assert cut[: first + 1].tolist() == ids[: first + 1].tolist() and (cut[first + 1 :] == 0).all()


def test_drawing_repeats_with_its_key_and_top_k_of_one_is_greedy(decoder):  # noqa: F811
    sample = prompt_sample(PROMPTS * 4, 4)
    options = {"max_new_tokens": 5, "temperature": 3.0}
    one, two = (np.asarray(generate(decoder, sample, key=jax.random.key(i), **options)) for i in (1, 2))
    again = np.asarray(generate(decoder, sample, key=jax.random.key(1), **options))
    assert (one == again).all() and (one != two).any()
    greedy = np.asarray(generate(decoder, sample, max_new_tokens=5))
    compiled = []
    for cut in ({"top_k": 1}, {"top_p": 1e-6}):
        np.testing.assert_array_equal(np.asarray(generate(decoder, sample, **options, **cut)), greedy)
        compiled.append(_generate._cache_size())
    assert compiled[0] == compiled[1], "other numbers do not compile again"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-8, 8, width=32), min_size=7, max_size=7),
    st.floats(0.05, 1.0),
    st.integers(0, 7),
)
def test_top_p_keeps_the_fewest_likeliest_that_hold_the_mass(values, p, k):
    logits = jnp.asarray([values], jnp.float32)
    kept = np.asarray(narrowed(logits, jnp.int32(k), jnp.float32(p)))[0] > NEVER
    share = np.asarray(jax.nn.softmax(logits[0]), np.float64)
    assert kept.all() or share[kept].min() >= share[~kept].max(), "the likeliest are kept"
    without_last = np.sort(share)[::-1][: kept.sum() - 1].sum()
    assert without_last < p + 1e-5, "one fewer would not hold p"
    if k == 0 or kept.sum() < k:
        assert share[kept].sum() > p - 1e-5
    else:
        assert kept.sum() <= k


def test_options_that_make_no_sense_are_told(decoder):  # noqa: F811
    with pytest.raises(UserError, match="top_p 0: expected"):
        generate(decoder, prompt_sample(PROMPTS, 4), top_p=0.0)
    with pytest.raises(UserError, match="temperature -1"):
        list(stream(decoder, prompt_sample(PROMPTS, 4), temperature=-1.0))


def test_a_sample_is_another_each_time_and_the_same_from_one_seed(decoder):  # noqa: F811
    sample = prompt_sample(PROMPTS, 4)

    def draw(**options):
        return np.asarray(generate(decoder, sample, max_new_tokens=8, temperature=5.0, **options))

    drawn = [draw() for _ in range(4)]
    assert len({ids.tobytes() for ids in drawn}) > 1
    np.testing.assert_array_equal(draw(key=random_key(7)), draw(key=random_key(7)))
    assert any((draw(key=random_key(7)) != draw(key=random_key(seed))).any() for seed in range(4))
