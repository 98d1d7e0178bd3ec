"""Constrained answers: whatever the model prefers, what is written is whole and of its form, at any length limit."""

import functools
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rsfm.errors import UserError
from rsfm.models.generate import generate
from rsfm.models.generate.choose import Choice, choose
from rsfm.text.automaton import compile_pattern, literal, sequence
from rsfm.text.constraint import constrain
from rsfm.text.forms import form, number, string
from rsfm.text.tokenizer import TextTokenizer
from tests.models.test_beam import PROMPTS, decoder, prompt_sample  # noqa: F401  (a fixture)

OURS = TextTokenizer.load(Path(__file__).resolve().parents[2] / "tokenizers" / "text")
SCHEMA = {
    "type": "object",
    "properties": {
        "scene": {"enum": ["airport", "river"]},
        "objects": {"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 2},
        "water": {"type": "boolean"},
        "area": {"type": "number"},
    },
}
LIMIT = 40


def is_json(text: str) -> bool:
    found = json.loads(text)
    return (
        list(found) == list(SCHEMA["properties"])
        and found["scene"] in ("airport", "river")
        and len(found["objects"]) <= 2
        and all(isinstance(word, str) and len(word) <= 4 for word in found["objects"])
        and isinstance(found["water"], bool)
        and isinstance(found["area"], int | float)
    )


FORMS = {
    "number": lambda text: re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text),
    "integer": lambda text: str(int(text)) == text or text == "-0",
    "boxes": lambda text: (
        all(max(map(int, re.findall(r"\d+", box))) <= 100 for box in re.findall(r"\[\d+, \d+, \d+, \d+\]", text))
        and re.fullmatch(r"(\[\d+, \d+, \d+, \d+\] ?)+", text)
    ),
    "label: a tennis court, storage tanks, river": lambda text: text in ("a tennis court", "storage tanks", "river"),
    "labels: water, trees, crops": lambda text: (
        re.fullmatch(r"(water)?(, )?(trees)?(, )?(crops)?", text) and not text.startswith(",")
    ),
    f"json: {json.dumps(SCHEMA)}": is_json,
}


@functools.cache
def writer(name: str):
    """Draws a text from random logits under a form: (seed, limit) -> ids."""
    constraint = constrain(form(name), OURS)

    @jax.jit
    def write(seed, limit):
        choice = Choice(
            key=jax.random.key(seed),
            temperature=jnp.float32(1.0),
            top_k=jnp.int32(0),
            top_p=jnp.float32(1.0),
            stop=jnp.asarray([OURS.special["<eos>"]]),
            limit=limit,
            constraint=constraint,
            greedy=False,
            narrow=False,
        )

        def step(carry, i):
            state, done = carry
            logits = 4 * jax.random.normal(jax.random.fold_in(jax.random.key(seed + 1), i), (1, OURS.vocab_size + 3))
            token, state = choose(logits, choice, state, i)
            token = jnp.where(done | (i >= limit), 0, token)
            return (state, done | (token == choice.stop[0])), token

        start = (jnp.zeros(1, jnp.int32), jnp.zeros(1, bool))
        return jax.lax.scan(step, start, jnp.arange(LIMIT))[1][:, 0]

    return constraint, write


@pytest.mark.parametrize("name", FORMS)
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31 - 2), st.integers(0, LIMIT))
def test_a_constrained_text_is_whole_and_of_its_form(name: str, seed: int, limit: int) -> None:
    constraint, write = writer(name)
    limit = max(limit, int(constraint.distance[0]))
    ids = np.asarray(write(seed, jnp.int32(limit)))
    text = OURS.decode(ids.tolist())
    assert compile_pattern(form(name)).accepts(text) and FORMS[name](text), text


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=8))
def test_a_json_string_takes_any_text_without_control_letters(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False)
    whole = len(TextTokenizer.split_special(written)) == 1  # the name of a special token is one symbol, no letters
    plain = "\\u" not in written and "\x7f" not in written and json.loads(written) == text and whole
    if plain:
        assert compile_pattern(string()).accepts(written)
        assert compile_pattern(string(most=8)).accepts(written)
    assert not compile_pattern(string()).accepts(written[:-1])


@given(st.integers(-9_999_999, 9_999_999), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_numbers_are_accepted_as_they_are_written(whole: int, part: int) -> None:
    accepts = compile_pattern(number()).accepts
    assert accepts(str(whole)) and accepts(f"{whole}.{part}") and not accepts(f"0{whole}") and not accepts("")


def test_special_tokens_are_part_of_a_pattern() -> None:
    constraint = constrain(sequence(literal("water <mask>")), OURS)
    state, ids = jnp.zeros(1, jnp.int32), []
    for token in OURS.encode("water <mask>"):
        allowed = constraint.allowed(state, jnp.int32(20), jnp.asarray([2]), OURS.vocab_size)[0]
        assert allowed[token] and not allowed[2]
        state = constraint.next(state, jnp.asarray([token]))
        ids.append(token)
    allowed = np.flatnonzero(constraint.allowed(state, jnp.int32(1), jnp.asarray([2]), OURS.vocab_size)[0])
    assert allowed.tolist() == [2], "only the end is left"
    typed = constraint.allowed(jnp.zeros(1, jnp.int32), jnp.int32(20), jnp.asarray([2]), OURS.vocab_size)[0]
    assert not typed[OURS.special["<mask>"]]


def test_a_sentencepiece_vocabulary_is_read_in_bytes() -> None:
    pieces = ["<unk>", "<0xC3>", "<0xBC>", "\u2581", "\u2581yes", "yes", "n", "o"]
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    text = TextTokenizer(tokenizer)
    assert text.token_bytes()[1:8] == [b"\xc3", b"\xbc", b" ", b" yes", b"yes", b"n", b"o"]
    constraint = constrain(form("label: yes, no, \u00fc"), text)
    allowed = constraint.allowed(jnp.zeros(1, jnp.int32), jnp.int32(9), jnp.asarray([-1]), text.vocab_size)[0]
    assert np.flatnonzero(allowed).tolist() == [1, 5, 6]
    with pytest.raises(UserError, match="holds no tokens to write"):
        constrain(form("label: maybe"), text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nubmer", "Did you mean 'number'"),
        ("label:", "at least one label"),
        ("json: {", "expected a JSON schema"),
        ('json: {"type": "objct"}', "Did you mean 'object'"),
        ('json: {"type": "string", "pattern": "a"}', "'pattern' is not supported for string"),
        ('json: {"type": "object"}', "at least one property"),
    ],
)
def test_a_form_that_cannot_be_read_is_told(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        form(name)


def test_the_loop_writes_what_is_allowed_and_says_when_the_limit_is_too_short(decoder) -> None:  # noqa: F811
    table = {"a": 0, "b": 1, "</s>": 2, "c": 3, "d": 4}
    tokenizer = Tokenizer(models.BPE(vocab=table, merges=[]))
    text = TextTokenizer(tokenizer, {"<eos>": "</s>"})
    constraint = constrain(form("label: abba, dab, c"), text)
    sample = prompt_sample(PROMPTS, 4)
    for temperature in (0.0, 2.0):
        ids = np.asarray(generate(decoder, sample, max_new_tokens=5, temperature=temperature, constraint=constraint))
        for row in ids.tolist():
            assert "".join("ab cd"[i] for i in row[: row.index(2)]) in ("abba", "dab", "c")
    with pytest.raises(UserError, match="max_new_tokens 2: the shortest answer of this form has 3 tokens"):
        generate(decoder, sample, max_new_tokens=2, constraint=constrain(form("label: abba, dab"), text))
