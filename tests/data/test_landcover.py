"""The common land-cover vocabulary covers every legend, and teaches only what a legend says."""

from pathlib import Path

import numpy as np
import pytest

from rsfm.data.datasets import DATASETS
from rsfm.data.landcover import COMMON_NAMES, COVER
from rsfm.data.training.pipeline import Source, labelled
from rsfm.types import Mask, Record
from tests.data.layouts import write_layout

UNCOMMON = {"clouds", "burnt areas"}


@pytest.mark.parametrize("name", sorted(COMMON_NAMES))
def test_every_class_of_a_legend_has_a_place(name: str, tmp_path: Path) -> None:
    root, table = write_layout(name, tmp_path), COMMON_NAMES[name]
    for split in DATASETS[name].info.splits:
        if name == "bigearthnet" and split == "val":
            continue
        record = DATASETS[name](root, split)[0]
        classes = record.mask.legend if record.mask else (record.tags or (record.scene,))
        if record.value_map is None and not record.values:
            assert set(classes) <= set(table), set(classes) - set(table)


def test_only_names_of_the_common_legend_or_none_of_it() -> None:
    for table in COMMON_NAMES.values():
        for name, common in table.items():
            assert common and len(set(common)) == len(common), name
            assert set(common) <= set(COVER) or set(common) <= UNCOMMON, name
    assert {cover for names in COMMON_NAMES["satclip_s2_global"].values() for cover in names} == set(COVER)


def test_a_source_teaches_the_common_legend_with_partial_labels() -> None:
    legend = ("rangeland", "water", "clouds")
    record = Record(id="x", observations={}, mask=Mask(class_index=np.array([[0, 1, 2, -1]]), legend=legend))
    source = Source(
        dataset="terramesh",
        tasks=("segmentation",),
        batch_size=1,
        rename=COMMON_NAMES["terramesh"],
        legend=COVER,
    )
    mask = labelled(record, source).mask
    assert mask.legend == COVER
    rangeland, water, clouds, none = mask.class_index[0]
    assert mask.either[rangeland - len(COVER)] == (COVER.index("grass"), COVER.index("shrub"))
    assert water == COVER.index("water") and clouds == none == -1
