"""Which questions are answered from boxes: about things that were boxed, in whatever words, and nothing else."""

import pytest

from rsfm.processor import Taught, View
from rsfm.processor.asked import resolve

VIEW = View(sensors=(("aerial_rgb", 0.3),))
BOXED = Taught(task="detection", subjects=("harbor", "ship", "tree"), sensor="aerial_rgb", gsd_m=(0.1, 0.5))
COUNTED = Taught(task="counting", subjects=("trees", "ships"), sensor="aerial_rgb", gsd_m=(0.1, 0.5))
MAPPED = Taught(
    task="segmentation", name="land cover", subjects=("water", "trees"), sensor="aerial_rgb", gsd_m=(0.1, 0.5)
)
FAR = Taught(
    task="segmentation", name="land cover", subjects=("water", "trees"), sensor="aerial_rgb", gsd_m=(10.0, 10.0)
)


@pytest.mark.parametrize(
    ("question", "kind", "subjects"),
    [
        ("Where are the ships?", "boxes", ("ship",)),
        ("Mark the ships.", "boxes", ("ship",)),
        ("Mark all trees in this image", "boxes", ("tree",)),
        ("Detect: ships, harbours.", "boxes", ("ship", "harbor")),
        ("Draw bounding boxes around the trees.", "boxes", ("tree",)),
        ("Locate every ship.", "boxes", ("ship",)),
        ("How many ships are there?", "count", ("ship",)),
        ("Count the trees and the ships.", "count", ("tree", "ship")),
        ("Are there any ships?", "presence", ("ship",)),
    ],
)
def test_words(question: str, kind: str, subjects: tuple[str, ...]) -> None:
    asked = resolve(question, (COUNTED, FAR, BOXED), VIEW)
    assert (asked.kind, asked.subjects, asked.entry) == (kind, subjects, BOXED) and asked.taught


def test_a_map_comes_before_boxes_where_both_were_taught() -> None:
    assert resolve("Where are the trees?", (BOXED, MAPPED), VIEW).entry == MAPPED
    assert resolve("Where are the ships?", (BOXED, MAPPED), VIEW).entry == BOXED
    assert resolve("How many trees are there?", (BOXED, MAPPED), VIEW).entry == BOXED


@pytest.mark.parametrize(
    "question", ["Where are the planes?", "Mark the ships that left.", "Where are the ships and planes?"]
)
def test_what_was_not_boxed_is_not_taught(question: str) -> None:
    assert not resolve(question, (BOXED,), VIEW).taught


def test_without_boxes_counts_are_asked_in_words() -> None:
    assert resolve("How many trees are there?", (COUNTED, FAR), VIEW).entry == COUNTED
