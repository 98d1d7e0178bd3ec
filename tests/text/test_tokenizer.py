"""The text tokenizer: exact round trips, special tokens where they belong, and foreign tokenizers in its place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rsfm.errors import UserError
from rsfm.text.tokenizer import SPECIAL_TOKENS, TextTokenizer

FOLDER = Path(__file__).resolve().parents[2] / "tokenizers" / "text"
OURS = TextTokenizer.load(FOLDER)


def foreign(folder: Path, special: dict[str, object], tokens: tuple[str, ...] = ()) -> Path:
    """A small byte-level tokenizer as another language model would ship it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(tokens))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    return folder


def test_special_tokens_have_the_lowest_ids_in_order():
    assert [OURS.special[token] for token in SPECIAL_TOKENS] == list(range(10))
    assert OURS.vocab_size == 2048
    assert OURS.added == ()


@given(st.text())
def test_any_text_comes_back_to_the_byte(text):
    assert OURS.decode(OURS.encode_literal(text)) == text
    assert OURS.decode(OURS.encode(text), keep_control=True) == text


@given(st.integers(min_value=0), st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_its_digits(whole, real):
    for number in (str(whole), f"{real:.3f}"):
        digits = [OURS.decode([i]) for i in OURS.encode(f"about {number} ha")]
        assert "".join(piece for piece in digits if any(c.isdigit() for c in piece)) == "".join(
            c for c in number if c.isdigit()
        )
        assert all(len(piece) == 1 for piece in digits if any(c.isdigit() for c in piece))


def test_answers_carry_special_tokens_and_questions_do_not():
    ids, learn = OURS.chat([("Map <mask>", "water <mask>"), ("And?", None)])
    assert ids.count(OURS.special["<mask>"]) == 1
    assert ids[0] == OURS.special["<bos>"] and ids[-1] == OURS.special["<assistant>"]
    learnt = [i for i, keep in zip(ids, learn, strict=True) if keep]
    assert learnt == [*OURS.encode("water <mask>"), OURS.special["<eos>"]]
    assert (
        OURS.decode(ids, keep_control=True) == "<bos><user>Map <mask><assistant>water <mask><eos><user>And?<assistant>"
    )
    assert OURS.decode(learnt) == "water <mask>"


def test_a_prompt_is_the_beginning_of_its_training_text():
    prompt, _ = OURS.chat([("What is this scene?", None)])
    full, learn = OURS.chat([("What is this scene?", "airport .")])
    assert full[: len(prompt)] == prompt and not any(learn[: len(prompt)]) and all(learn[len(prompt) :])


def test_save_and_load_give_the_same_ids(tmp_path):
    OURS.save(tmp_path)
    again = TextTokenizer.load(tmp_path)
    text = "There are <value> ha of flooded vegetation in 2020."
    assert again.encode(text) == OURS.encode(text)
    assert (tmp_path / "tokenizer.json").read_bytes() == (FOLDER / "tokenizer.json").read_bytes()


def test_a_foreign_tokenizer_keeps_its_roles_and_tells_what_was_added(tmp_path):
    config = {"eos_token": {"content": "<|end|>", "special": True}, "bos_token": None}
    tokenizer = TextTokenizer.load(foreign(tmp_path, config, ("<|end|>", "<mask>")))
    assert tokenizer.special["<eos>"] == 256 and tokenizer.special["<mask>"] == 257
    assert tokenizer.added == ("<pad>", "<bos>", "<user>", "<assistant>", "<value>", "<box>", "<image>", "<ret>")
    assert tokenizer.vocab_size == 266
    ids, _ = tokenizer.chat([("<|end|>", "Über <value> %")])
    assert ids.count(256) == 1, "a typed end token is text"
    assert tokenizer.decode(ids) == "<|end|>Über <value> %"
    tokenizer.save(tmp_path / "saved")
    again = TextTokenizer.load(tmp_path / "saved")
    assert (
        again.special == tokenizer.special
        and again.added == ()
        and again.chat([("a", "b")]) == tokenizer.chat([("a", "b")])
    )


def test_the_layout_of_vocabulary_and_merges_is_converted(tmp_path):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*alphabet, "ab", "<|endoftext|>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"})
    )
    tokenizer = TextTokenizer.load(tmp_path)
    assert tokenizer.special["<eos>"] == 257
    assert tokenizer.encode("ab<mask>") == [256, tokenizer.special["<mask>"]]


def test_transformers_reads_our_folder():
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(str(FOLDER))
    text = "many planes are parked near 3 buildings <mask>"
    assert theirs.encode(text, add_special_tokens=False) == OURS.encode(text)
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (0, 1, 2)


@pytest.mark.parametrize("content", [None, "{", '{"model": 3}'])
def test_a_bad_folder_is_one_clear_line(tmp_path, content):
    folder = tmp_path / "tokenizer"
    if content is not None:
        folder.mkdir()
        (folder / "tokenizer.json").write_text(content)
    with pytest.raises(UserError) as error:
        TextTokenizer.load(folder)
    assert "tokenizer" in str(error.value) and "\n" not in str(error.value)


def test_the_fitted_files_shadow_no_package():
    assert not (FOLDER.parent / "__init__.py").exists() and not (FOLDER / "__init__.py").exists()
