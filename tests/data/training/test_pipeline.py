"""Order, mixture, shards and resuming of the stream of batches."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from rsfm.data.training.pipeline import Cached, Records, Source, make_batches
from rsfm.data.training.transforms import AugmentConfig
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.tasks import Dialogue, converse
from rsfm.types import Mask, Observation, Record, Sample

STILL = AugmentConfig(flip=False, rotate=False)


class Numbered:
    """Records whose pixels hold their number; every third has no label."""

    def __init__(self, count: int, start: int = 0, size: int = 4) -> None:
        self.count, self.start, self.size, self.reads = count, start, size, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Record:
        self.reads += 1
        pixels = np.full((1, self.size, self.size, 3), (self.start + i) / 255, np.float32) * np.float32(1)
        seen = Observation(
            values=pixels,
            valid=np.ones((1, self.size, self.size), bool),
            band_valid=np.ones((1, 3), bool),
            wavelength_um=np.array([0.66, 0.56, 0.49], np.float32),
            bandwidth_um=np.full(3, 0.1, np.float32),
            band_code=np.zeros(3, np.int32),
            time_days=np.zeros(1, np.float32),
            gsd_m=np.asarray(1.0, np.float32),
        )
        return Record(id=str(i), observations={"aerial_rgb": seen}, scene=None if i % 3 == 2 else f"scene {i}")


TABLE = {"first": lambda: Numbered(30), "second": lambda: Numbered(9, start=100), "bare": lambda: Numbered(0)}


def open_dataset(name: str, split: str) -> Records:
    return TABLE[name]()


def to_sample(record: Record, dialogue: Dialogue, text_length: int) -> Sample:
    """The record's number stands in the pixels, the lengths of question and answer in the text."""
    return Sample(
        observations=record.observations,
        location_deg=np.zeros(2, np.float32),
        text_ids=np.array([len(dialogue.turns[0][0]), len(dialogue.turns[0][1])], np.int32),
        text_valid=np.arange(2) < text_length,
        loss_mask=np.ones(2, bool),
        targets={},
    )


def batches(*sources: Source, **kwargs: Any) -> Any:
    options: dict[str, Any] = {"seed": 0, "threads": 2, "open_dataset": open_dataset} | kwargs
    return make_batches(sources, to_sample, converse=converse, **options)


def source(dataset: str = "first", **kwargs: Any) -> Source:
    return Source(**({"dataset": dataset, "tasks": ("scene",), "batch_size": 4, "augment": STILL} | kwargs))


def numbers(sample: Sample) -> list[int]:
    values = np.asarray(sample.observations["aerial_rgb"].values)
    return [round(float(x) * 255) for x in values[:, 0, 0, 0, 0]]


def seen(iterator: Any, count: int) -> list[tuple[list[int], list[list[int]]]]:
    """(numbers, texts) of the next batches."""
    out = []
    for _ in range(count):
        sample = next(iterator)
        out.append((numbers(sample), np.asarray(sample.text_ids).tolist()))
    return out


def test_a_batch_is_a_sample_with_a_leading_axis() -> None:
    sample = next(batches(source()))
    assert sample.observations["aerial_rgb"].values.shape == (4, 1, 4, 4, 3)
    assert sample.text_ids.shape == (4, 2) and sample.observations["aerial_rgb"].gsd_m.shape == (4,)


def test_order_depends_on_the_seed_alone() -> None:
    wanted = seen(batches(source()), 12)
    assert seen(batches(source(), threads=1), 12) == wanted
    assert seen(batches(source(), threads=5), 12) == wanted
    assert seen(batches(source(cache_mb=0)), 12) == wanted
    assert seen(batches(source(), seed=1), 12) != wanted


def test_an_epoch_reads_every_record_and_each_epoch_in_another_order() -> None:
    iterator = batches(source(batch_size=10))
    first, second = (sum((n for n, _ in seen(iterator, 3)), []) for _ in range(2))
    # Number i without a label is replaced by number i + 1.
    assert set(first) == {i for i in range(30) if i % 3 != 2}
    assert sorted(first) == sorted(second) and first != second


def test_state_is_json_and_goes_on_with_the_same_numbers() -> None:
    mixture = (source(weight=2.0), source("second", batch_size=3))
    straight = seen(batches(*mixture), 20)
    iterator = batches(*mixture)
    assert seen(iterator, 7) == straight[:7]
    state = json.loads(json.dumps(iterator.get_state()))
    seen(iterator, 3)
    iterator.set_state(state)
    assert seen(iterator, 4) == straight[7:11]
    fresh = batches(*mixture)
    fresh.set_state(state)
    assert seen(fresh, 13) == straight[7:]


def test_hosts_share_each_batch() -> None:
    whole = seen(batches(source(batch_size=8, augment=AugmentConfig())), 6)
    parts = [seen(batches(source(batch_size=8, augment=AugmentConfig()), host=host, hosts=4), 6) for host in range(4)]
    for step, (wanted, text) in enumerate(whole):
        assert sum((part[step][0] for part in parts), []) == wanted
        assert sum((part[step][1] for part in parts), []) == text
    with pytest.raises(UserError, match="batch_size 4 cannot be shared by 3 hosts. Use a multiple of 3"):
        batches(source(), hosts=3)


def test_batches_are_mixed_by_weight_and_each_comes_from_one_source() -> None:
    drawn = [n for n, _ in seen(batches(source(weight=3.0), source("second", weight=1.0, batch_size=2)), 40)]
    assert all(min(n) >= 100 or max(n) < 100 for n in drawn)
    assert Counter(min(n) >= 100 for n in drawn) == {False: 30, True: 10}


def test_wording_and_augmentation_vary_between_epochs() -> None:
    texts = [tuple(text) for _, batch in seen(batches(source("second", batch_size=9)), 6) for text in batch]
    assert len(set(texts)) == 3  # the lengths of the wordings


def test_useless_mixtures_say_so() -> None:
    with pytest.raises(UserError, match="mixture is empty"):
        batches()
    with pytest.raises(UserError, match="bare train: expected records, found none"):
        batches(source("bare"))
    with pytest.raises(UserError, match="first train: no record has labels for the tasks captioning"):
        next(batches(source(tasks=("captioning",))))
    with pytest.raises(UserError, match="Unknown dataset 'aid_rscid'. Did you mean 'aid_rsicd'"):
        make_batches([source("aid_rscid")], to_sample, converse=converse, seed=0)


def test_cache_gives_equal_records_from_memory_up_to_its_limit() -> None:
    records = Numbered(20, size=64)
    plenty, none, some = Cached(records, 100.0), Cached(records, 0.0), Cached(records, 0.2)
    for cached in (plenty, none, some):
        for i in (3, 3, 7, 3, 19, 11, 12, 13, 14):
            a, b = cached[i].observations["aerial_rgb"], records[i].observations["aerial_rgb"]
            np.testing.assert_array_equal(a.values, b.values)
            assert a.values.dtype == np.float32 and cached[i].id == str(i)
    reads = records.reads
    assert plenty[3].id == "3" and records.reads == reads
    assert none[3].id == "3" and records.reads == reads + 1


class Mapped(Numbered):
    """Four pixels of the classes meadow, pasture, field and nothing."""

    def __getitem__(self, i: int) -> Record:
        mask = Mask(class_index=np.array([[0, 1], [2, -1]]), legend=("meadow", "pasture", "field"))
        return replace(super().__getitem__(i), mask=mask)


@pytest.mark.parametrize(
    ("rename", "legend", "expected"),
    [
        ({"meadow": ("grass",), "pasture": ("grass",)}, (), (("grass", "field"), [[0, 0], [1, -1]], ())),
        ({"meadow": ("grass",)}, ("water", "grass", "field"), (("water", "grass", "field"), [[1, -1], [2, -1]], ())),
        # A meadow may be grass or field: a number beyond the legend stands for the two; one of them unknown says nothing.
        ({"meadow": ("grass", "field")}, ("grass", "field"), (("grass", "field"), [[2, -1], [1, -1]], ((0, 1),))),
        ({"meadow": ("grass", "moor")}, ("grass", "field"), (("grass", "field"), [[-1, -1], [1, -1]], ())),
    ],
)
def test_a_source_may_ask_in_other_words(
    rename: dict[str, tuple[str, ...]],
    legend: tuple[str, ...],
    expected: tuple[tuple[str, ...], list[list[int]], tuple[tuple[int, ...], ...]],
) -> None:
    masks: list[Mask] = []

    def keep(record: Record, dialogue: Dialogue, text_length: int) -> Sample:
        assert record.mask is not None
        masks.append(record.mask)
        return to_sample(record, dialogue, text_length)

    asked = source("mapped", tasks=("segmentation",), rename=rename, legend=legend)
    next(make_batches((asked,), keep, converse=converse, seed=0, open_dataset=lambda name, split: Mapped(8, size=2)))
    assert masks[0].legend == expected[0] and masks[0].either == expected[2]
    np.testing.assert_array_equal(masks[0].class_index, expected[1])


def test_a_scene_may_stand_for_a_mask() -> None:
    masks: list[Mask | None] = []

    def keep(record: Record, dialogue: Dialogue, text_length: int) -> Sample:
        masks.append(record.mask)
        return to_sample(record, dialogue, text_length)

    weak = {f"scene {i}": ("field",) for i in range(0, 30, 4)}
    asked = source(tasks=("segmentation",), weak_masks=weak, legend=("water", "field"))
    next(make_batches((asked,), keep, converse=converse, seed=0, open_dataset=open_dataset))
    assert len(masks) >= 4
    for mask in masks:
        assert mask is not None and mask.legend == ("water", "field")
        np.testing.assert_array_equal(mask.class_index, np.ones((4, 4)))
