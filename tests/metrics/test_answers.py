"""Short answers: what counts as the same, numbers and their bins, refusals, and groups that must be right together."""

import pytest

from rsfm import metrics


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("427", 427), ("There are about 1,200 trees.", 1200), ("41m2", 41), ("3.5 ha", 3.5), ("-4", -4), ("two ships", 2),
        ("No ships", 0), ("yes", None), ("", None), ("B2B", None), ("over 1,000,000", 1_000_000), ("1,2", 1),
    ],
)  # fmt: skip
def test_numbers_are_read_from_answers(answer: str, number: float | None) -> None:
    assert metrics.number_in(answer) == number


def test_bins_are_those_of_rsvqa() -> None:
    assert [metrics.number_bin(float(x)) for x in (0, 1, 10, 11, 100, 101, 1000, 1001)] == [0, 1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize(
    ("answer", "references", "right"),
    [
        ("Yes.", ["yes"], True), ("yes", ["no"], False), (" rural ", ["Rural"], True), ("yes it is", ["yes"], False),
        ("top-left", ["top left"], True), ("3.5", ["35"], False), ("harbor", ["port", "Harbor"], True), ("", ["yes"], False),
        ("I'm sorry, I cannot tell.", ["This cannot be told from the image."], True),
        ("Mr. Smith", ["This cannot be told from the image."], False),
    ],
)  # fmt: skip
def test_an_answer_is_right(answer: str, references: list[str], right: bool) -> None:
    assert metrics.is_right(answer, references) is right


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ("This cannot be told from the image.", True), ("It can’t be determined.", True), ("Not enough information", True),
        ("The image does not show who owns the land.", True), ("No.", False), ("There are no ships.", False),
        ("a canal", False), ("It is a cannery.", False),
    ],
)  # fmt: skip
def test_refusals_are_told_by_their_wording(answer: str, refusal: bool) -> None:
    assert metrics.is_refusal(answer) is refusal


def test_a_group_is_right_when_all_of_it_is() -> None:
    """Four rotations of one question, three of another: one slip spoils its group."""
    correct = [True, True, False, True, True, True, True]
    assert metrics.all_right(correct, list("aaaabbb")).tolist() == [False, True]
    assert metrics.all_right([], []).tolist() == []
