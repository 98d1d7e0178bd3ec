"""Caption scores against pycocoevalcap's own numbers, recorded and live, and tokens against the treebank tokenizer's."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm import metrics
from rsfm.metrics.rouge import longest_common
from tests.metrics import record_caption_scores as recipe

RECORDED = json.loads(recipe.FIXTURE.read_text(encoding="utf-8"))
NAMES = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider_d")
SENTENCES = st.lists(st.sampled_from("a the river green trees two planes are near".split()), max_size=9).map(" ".join)


def check(candidates: list[str], references: list[list[str]], wanted: dict[str, float]) -> None:
    rows = metrics.caption_statistics(candidates, references)
    for name in NAMES:
        assert metrics.CAPTION_METRICS[name](rows) == pytest.approx(wanted[name], abs=1e-6), name
    np.testing.assert_allclose(rows[:5, -1], wanted["cider_d_each"], atol=1e-6)


@pytest.mark.parametrize("sentence", recipe.SENTENCES)
def test_tokens_are_the_treebanks(sentence: str) -> None:
    assert " ".join(metrics.treebank(sentence)) == RECORDED["tokens"][sentence]


def test_scores_are_those_recorded() -> None:
    check(list(recipe.CANDIDATES), [list(each) for each in recipe.REFERENCES], RECORDED["made"])


@pytest.mark.data
@pytest.mark.parametrize("name", recipe.FILES)
def test_scores_of_published_predictions_are_those_recorded(name: str, published_data: Path) -> None:
    path = published_data / recipe.FILES[name]
    if not path.is_file():
        pytest.skip(f"no {recipe.FILES[name].parts[0]} in the data folder")
    candidates, references = recipe.read_captions(path)
    check(candidates, references, RECORDED[name])


@pytest.mark.parity
def test_scores_are_pycocoevalcaps_live() -> None:
    pytest.importorskip("pycocoevalcap")
    references = [[" ".join(metrics.treebank(text)) for text in each] for each in recipe.REFERENCES]
    candidates = [" ".join(metrics.treebank(text)) for text in recipe.CANDIDATES]
    check(candidates, references, recipe.scores(candidates, references))


@given(SENTENCES, st.lists(SENTENCES, min_size=1, max_size=3))
@settings(max_examples=50)
def test_scores_stay_in_their_range(candidate: str, references: list[str]) -> None:
    rows = metrics.caption_statistics([candidate, "two planes"], [references, ["two planes are near"]])
    for name in NAMES:
        assert -1e-9 <= metrics.CAPTION_METRICS[name](rows) <= (10 if name == "cider_d" else 1) + 1e-9
    assert np.isfinite(rows[:, metrics.captions.ROUGE :]).all()


def test_a_sentence_beside_itself_scores_best() -> None:
    texts = ["many planes are parked near a terminal", "a green river runs through the dry fields"]
    rows = metrics.caption_statistics(texts, [[text] for text in texts])
    for name in ("bleu4", "rouge_l"):
        assert metrics.CAPTION_METRICS[name](rows) == pytest.approx(1)
    assert metrics.CAPTION_METRICS["cider_d"](rows) == pytest.approx(10)
    assert np.isnan(metrics.CAPTION_METRICS["cider_d"](rows[:0]))


def test_without_smoothing_a_missing_order_scores_zero() -> None:
    rows = metrics.bleu_statistics("a river", ["a river runs"])[None]
    assert metrics.bleu(rows, 2) > 0 and metrics.bleu(rows, 3) == 0
    assert 0 < metrics.bleu(rows, 3, floor=metrics.COCO_FLOOR) < 1e-2


def test_longest_common_subsequence_by_hand() -> None:
    assert longest_common("a b c d".split(), "b x d".split()) == 2
    assert longest_common([], ["a"]) == 0
    # precision 2/3, recall 2/4: (1 + 1.44) p r / (r + 1.44 p)
    assert metrics.rouge_l("b d e", ["a b c d"], tokenize=metrics.blanks) == pytest.approx(
        2.44 * (2 / 3) * 0.5 / (0.5 + 1.44 * 2 / 3)
    )


def test_meteor_counts_exact_words_and_stems() -> None:
    pytest.importorskip("nltk")
    assert metrics.meteor("planes", ["plane"]) > 0, "one stem"
    assert metrics.meteor("ship", ["boat"]) == 0, "no synonyms"
    # ten words, all matched in one run: F = 1, penalty 0.5 * (1/10)^3
    text = "there are two long white planes near a red terminal"
    assert metrics.meteor(text, ["another thing", text]) == pytest.approx(1 - 0.5 * 1e-3)
