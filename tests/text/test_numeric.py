"""A number comes back from every numeric tokenizer within its stated precision; its unit stays in the text."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.text.numeric import NUMERIC, NumberConfig, NumberEmbedding, NumericConfig, NumericText
from rsfm.text.tokenizer import TextTokenizer

ROOT = Path(__file__).resolve().parents[2]
FITTED = json.loads((ROOT / "tokenizers/numeric/edges.json").read_text(encoding="utf-8"))
EDGES = tuple(FITTED["edges"])
TEXT = TextTokenizer.load(ROOT / "tokenizers/text")
QUESTION = "VV -12.1 dB, rain 30 mm. What is the live fuel moisture?"
SIZES = st.builds(
    lambda sign, digits, power: sign * digits * 10.0**power,
    st.sampled_from([-1, 1]),
    st.floats(1, 10),
    st.integers(-6, 5),
)


def numeric(kind: str) -> NumericText:
    return NumericText(TEXT, NumericConfig(kind=kind, scale=FITTED["scale"], edges=EDGES))


TOKENIZERS = {kind: numeric(kind) for kind in NUMERIC}


@pytest.mark.parametrize("kind", NUMERIC)
@given(number=st.one_of(SIZES, st.just(0.0), st.integers(-1000, 1000).map(float)))
def test_a_number_comes_back_within_the_stated_precision(kind, number):
    tokenizer = TOKENIZERS[kind]
    back = tokenizer.decode_number(*tokenizer.encode_number(number))
    assert abs(back - number) <= tokenizer.precision(number)
    assert tokenizer.precision(number) <= 0.17 * abs(number) + 1e-6, "a promise worth its name, over 12 orders"
    assert back == 0 or number == 0 or (back > 0) == (number > 0)


@pytest.mark.parametrize("kind", NUMERIC)
def test_units_stay_text_and_numbers_stand_where_they_stood(kind):
    tokenizer = TOKENIZERS[kind]
    ids, learn = tokenizer.chat([(QUESTION, "about <value> %")])
    numbers = tokenizer.numbers(ids, learn, [QUESTION])
    shown = tokenizer.decode(ids)
    assert all(unit in shown for unit in (" dB", " mm", " %"))
    if numbers is None:
        assert QUESTION in shown
        return
    at = np.flatnonzero(~np.isnan(numbers))
    assert len(at) == 2 and all(ids[i] == tokenizer.special["<value>"] and not learn[i] for i in at)
    assert tokenizer.codec.leave(float(numbers[at[1]])) == pytest.approx(30, rel=0.17)


def test_digits_stand_alone_and_answers_keep_theirs():
    ids = TOKENIZERS["digits"].encode_literal("1234")
    assert len(ids) == 4
    for tokenizer in TOKENIZERS.values():
        assert tokenizer.decode(tokenizer.encode("built in 1990")) == "built in 1990", (
            "no head reads an answer's number"
        )


def test_what_is_no_number_is_refused():
    with pytest.raises(UserError, match="Expected a number, found nan"):
        TOKENIZERS["xval"].encode_number(float("nan"))
    with pytest.raises(UserError, match="Expected a number, found 'high'"):
        TOKENIZERS["text"].decode_number(TEXT.encode("high"), float("nan"))
    with pytest.raises(UserError, match="need fitted edges, found none"):
        NumericText(TEXT, NumericConfig(kind="bins"))
    with pytest.raises(UserError, match="Did you mean 'fourier'"):
        NumericText(TEXT, NumericConfig(kind="furier"))


def test_fitted_edges_rise_and_cover_both_signs():
    edges = np.asarray(EDGES)
    assert (np.diff(edges) > 0).all() and edges[0] == -1e6 and edges[-1] == 1e6


@pytest.mark.parametrize("kind", ["xval", "fourier", "bins"])
def test_the_model_sees_numbers_only_where_they_are(kind):
    embedding = NumberEmbedding(NumberConfig(kind=kind, bins=len(EDGES) - 1), 8, rngs=nnx.Rngs(0))
    codec = TOKENIZERS[kind].codec
    numbers = jnp.array([[jnp.nan, codec.enter(3.0), codec.enter(40.0)]])
    rows = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (8,)), (1, 3, 8))
    out = embedding(numbers, rows)
    assert not out[0, 0].any() and jnp.abs(out[0, 1] - out[0, 2]).max() > 1e-3
    if kind == "xval":
        np.testing.assert_allclose(
            out[0] + rows[0],
            jnp.array([[1.0], [3.0], [40.0]]) / jnp.array([[1.0], [FITTED["scale"]], [FITTED["scale"]]]) * rows[0],
            rtol=1e-5,
        )
