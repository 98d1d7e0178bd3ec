"""A person's question is text: no wording hangs, steers the terminal or stands for a token."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.errors import UserError, printable
from rsfm.processor.config import ProcessorConfig
from rsfm.processor.plan import read
from rsfm.processor.taught import View
from rsfm.quantities import _ASKED_UNIT, _COUNTED
from rsfm.text.chat import IMAGE, SPOT
from rsfm.text.questions import LONGEST, plain
from rsfm.text.tokenizer import SPECIAL_TOKENS, TextTokenizer

SLOW = {
    "spaces": "map " + " " * 7000 + "x",
    "spaced marks": "map a" + " ?" * 3500 + "x",
    "marks": "where is " + "?!." * 2500 + "x",
    "area": "how many hectares of " + "the " * 1900 + "x",
    "are there": "how many hectares of " + "x are there " * 600,
    "unit": "in " * 2600,
    "unit marks": "what in " + "a?" * 3900 + " b",
    "lists": "map the " + "a, " * 2600,
    "and": "map the " + "a and " * 1300,
}


@pytest.mark.parametrize("name", SLOW)
def test_no_wording_hangs(name: str) -> None:
    begin = time.monotonic()
    question = plain(SLOW[name])
    try:
        read(ProcessorConfig(streams={}), question, View(sensors=(("aerial_rgb", 1.0),)))
    except UserError as error:
        assert "\n" not in str(error)
    _ASKED_UNIT.search(question)
    _COUNTED.search(question)
    assert time.monotonic() - begin < 5


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_what_comes_out_is_valid_text_and_stays_so(question: str) -> None:
    text = plain(question)
    text.encode("utf-8")
    assert plain(text) == text and SPOT not in text and "\x1b" not in text
    assert printable(text) == text


def test_plain_questions_stay_as_they_are() -> None:
    for question in (
        "Wie groß ist der See?\nIn ha?",
        "水の面積は？",
        "Map the land cover: water, trees.",
        "🛰 <mask> \t?",
    ):
        assert plain(question) == question


def test_what_is_no_question_any_more_is_refused() -> None:
    with pytest.raises(UserError, match="expected 8,000 at most"):
        plain("ab" * LONGEST)


def test_typed_tokens_are_letters() -> None:
    tokenizer = TextTokenizer.load("tokenizers/text")
    typed = "".join(SPECIAL_TOKENS) + SPOT * 3 + IMAGE + "<|im_start|>"
    ids, _ = tokenizer.chat([(plain(typed), None)])
    layout = [tokenizer.special[name] for name in ("<bos>", "<user>", "<assistant>")]
    assert [i for i in ids if i in tokenizer.special.values()] == layout


@given(st.text(st.characters(exclude_categories=()), max_size=100))
def test_what_is_printed_steers_no_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(ord(letter) < 32 and letter not in "\t\n" or 0x7F <= ord(letter) < 0xA0 for letter in shown)
    shown.encode("utf-8")
