"""Splits by place: every block once, every class trained on, about the shares that are said."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.labels.split import SHARES, assigned

COUNTS = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 500), min_size=1).map(Counter)


@given(found=st.lists(COUNTS, min_size=1, max_size=40))
def test_every_block_is_in_one_split_and_training_knows_every_class_it_can(found: list[Counter]) -> None:
    counts = {f"{i} 0": count for i, count in enumerate(found)}
    splits = assigned(counts)
    assert splits.keys() == counts.keys() and set(splits.values()) <= set(SHARES)
    assert "train" in splits.values() and len(set(splits.values())) == min(len(counts), 3)
    if len(counts) >= 3:
        several = {name for name in "abcde" if sum(name in count for count in found) >= 3}
        trained = {name for block, split in splits.items() if split == "train" for name in counts[block]}
        assert len(several - trained) <= 2  # the second and third block of a few go to val and test


def test_a_class_of_one_block_is_trained_on() -> None:
    counts = {f"{i} 0": Counter(common=100) for i in range(20)} | {"rare 0": Counter(common=90, rare=10)}
    assert assigned(counts)["rare 0"] == "train"


def test_shares_are_near_and_the_same_each_time() -> None:
    counts = {f"{i} 0": Counter(a=50 + i, b=100 - i) for i in range(50)}
    splits = assigned(counts)
    assert splits == assigned(counts)
    total = sum(counts.values(), Counter())
    for split, share in SHARES.items():
        here = sum((counts[block] for block in counts if splits[block] == split), Counter())
        assert all(abs(here[name] / total[name] - share) < 0.06 for name in total)
