"""What is prepared comes back as it was, in order, without tensorflow or pickle."""

import dataclasses
import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from rsfm.data.datasets import DATASETS, Dataset, DatasetInfo, EmptySplit
from rsfm.data.training import prepare as prepared
from rsfm.data.training.pipeline import Source, make_batches
from rsfm.data.training.prepare import (
    FORMAT,
    VERSION,
    PreparedDataset,
    decode,
    encode,
    is_prepared,
    prepare,
    write_records,
)
from rsfm.errors import UserError
from rsfm.tasks import converse
from rsfm.types import BAND_CODES, Boxes, GeoGrid, Mask, Observation, Record, Sample, Turn, Value, ValueMap
from tests.data.layouts import write_layout

words = st.text(max_size=12)
numbers = st.floats(allow_infinity=False, width=64)
maybe = st.none() | numbers


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    t, h, w, c = (draw(st.integers(1, 3)) for _ in range(4))
    f4 = st.floats(width=32)
    return Observation(
        values=draw(arrays(draw(st.sampled_from([np.float32, np.float64])), (t, h, w, c), elements=f4)),
        valid=draw(arrays(bool, (t, h, w))),
        band_valid=draw(arrays(bool, (t, c))),
        wavelength_um=draw(arrays(np.float32, (c,), elements=f4)),
        bandwidth_um=draw(arrays(np.float32, (c,), elements=f4)),
        band_code=draw(arrays(np.int32, (c,), elements=st.sampled_from(list(BAND_CODES.values())))),
        time_days=draw(arrays(np.float64, (t,), elements=f4)),
        gsd_m=np.asarray(draw(f4), np.float32),
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    n, h, w = (draw(st.integers(0, 4)) for _ in range(3))
    names = st.lists(words, max_size=3).map(tuple)
    transform = st.tuples(*[numbers] * 6)
    integers = st.sampled_from([np.int16, np.int32])
    return Record(
        id=draw(words),
        observations=draw(st.dictionaries(words, observations(), max_size=2)),
        location_deg=draw(st.none() | st.tuples(numbers, numbers)),
        grid=draw(
            st.none()
            | st.builds(GeoGrid, crs=st.none() | words, transform=transform, height=st.just(h), width=st.just(w))
        ),
        scene=draw(st.none() | words),
        tags=draw(names),
        captions=draw(names),
        turns=draw(st.lists(st.builds(Turn, question=words, answers=names), max_size=2).map(tuple)),
        values=draw(
            st.lists(st.builds(Value, name=words, value=numbers, unit=words, low=maybe, high=maybe), max_size=2).map(
                tuple
            )
        ),
        boxes=draw(
            st.none()
            | st.builds(Boxes, corners=arrays(np.float64, (n, 4, 2)), labels=st.lists(words, max_size=3).map(tuple))
        ),
        mask=draw(st.none() | st.builds(Mask, class_index=arrays(draw(integers), (h, w)), legend=names)),
        value_map=draw(
            st.none()
            | st.builds(
                ValueMap,
                values=arrays(np.float32, (h, w), elements=st.floats(width=32)),
                name=words,
                unit=words,
                edges=st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=5, unique=True).map(sorted).map(tuple),
            )
        ),
        images=draw(st.dictionaries(words, arrays(np.uint8, (h, w, 3)), max_size=2)),
    )


def assert_equal(a: Any, b: Any) -> None:
    """Equal to the last bit, type for type; NaN equals NaN."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_equal(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.tobytes() == b.tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b or (a != a and b != b)


INFO = DatasetInfo(
    name="made",
    title="Made here",
    url="https://example.org",
    licence="none",
    citation="none",
    layout="none",
    splits={"train": "some", "val": "others"},
    sensors=("aerial_rgb",),
    tasks=("scene",),
    folder="made",
    needs=(),
)


class Made(Dataset):
    """Five pictures of a size each."""

    info = INFO

    def index(self) -> None:
        self.first = {"train": 0, "val": 100}[self.split]

    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> Record:
        rng = np.random.default_rng(self.first + i)
        h, w = rng.integers(2, 9, 2)
        seen = Observation(
            values=rng.random((1, h, w, 3), dtype=np.float32),
            valid=rng.random((1, h, w)) < 0.9,
            band_valid=np.ones((1, 3), bool),
            wavelength_um=np.array([0.66, 0.56, 0.49], np.float32),
            bandwidth_um=np.full(3, 0.1, np.float32),
            band_code=np.zeros(3, np.int32),
            time_days=np.full(1, np.nan, np.float32),
            gsd_m=np.asarray(1.0, np.float32),
        )
        return Record(id=f"{self.split}/{i}", observations={"aerial_rgb": seen}, scene=f"scene {i}")

    def group(self, i: int) -> str:
        return f"place {i // 2}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    return write_records(INFO, {split: Made(root.parent, split) for split in INFO.splits}, root)


@given(records())
def test_a_record_comes_back_bit_for_bit(record: Record) -> None:
    assert_equal(decode(*encode(record)), record)


def test_a_prepared_folder_gives_the_records_in_their_order(folder: Path) -> None:
    assert is_prepared(folder) and [path.name for path in folder.parents[1].iterdir()] == ["made"]
    for split in INFO.splits:
        original, prepared = Made(folder, split), PreparedDataset(folder, split)
        assert len(prepared) == 5 and prepared.info == INFO
        for i, record in enumerate(prepared):
            assert_equal(record, original[i])
            assert prepared.group(i) == original.group(i)
        assert prepared[-1].id == f"{split}/4"
        with pytest.raises(IndexError, match="has 5 records, asked for number 5"):
            prepared[5]
    assert [record.id for record in PreparedDataset(folder, "all")][::5] == ["train/0", "val/0"]


def test_prepared_files_are_arrayrecords_without_tensorflow(folder: Path) -> None:
    assert any("array_record" in path.name for path in folder.iterdir())
    assert "tensorflow" not in sys.modules


def test_a_prepared_folder_stands_for_a_dataset_in_a_mixture(folder: Path) -> None:
    def to_sample(record: Record, dialogue: Any, text_length: int) -> Sample:
        number = int(record.id.split("/")[1])
        text = np.array([number], np.int32)
        return Sample(
            observations={},
            location_deg=np.zeros(2, np.float32),
            text_ids=text,
            text_valid=text >= 0,
            loss_mask=text >= 0,
            targets={},
        )

    source = Source(dataset=str(folder), tasks=("scene",), batch_size=5)
    sample = next(make_batches([source], to_sample, converse=converse, seed=0))
    assert sorted(np.ravel(sample.text_ids).tolist()) == [0, 1, 2, 3, 4]


def test_what_can_go_wrong_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a prepared dataset, found no dataset_info.json"):
        PreparedDataset(tmp_path, "train")
    with pytest.raises(UserError, match="Unknown prepared split of made 'trian'. Did you mean 'train'"):
        PreparedDataset(folder, "trian")
    with pytest.raises(UserError, match="Unknown dataset 'aid_rscid'. Did you mean 'aid_rsicd'"):
        prepare("aid_rscid", tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="Unknown split of aid_rsicd 'vall'. Did you mean 'val'"):
        prepare("aid_rsicd", tmp_path, tmp_path / "out", ["vall"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=f"out/made/{VERSION}: cannot be written to .Not a directory"):
        write_records(INFO, {"train": Made(tmp_path, "train")}, tmp_path / "file" / "out")
    assert not (tmp_path / "out").exists()


class Half(Made):
    """The published set has two splits, this copy of it the first one."""

    def __len__(self) -> int:
        return 5 if self.split == "train" else 0

    def index(self) -> None:
        super().index()
        if not len(self):
            raise EmptySplit(f"made: the split '{self.split}' holds nothing.")

    def __init__(self, root: Path, split: str) -> None:
        self.split = split
        self.index()


def test_empty_splits_are_left_out_and_told_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(DATASETS, "made", Half)
    made = prepare("made", tmp_path, tmp_path / "out")
    assert capsys.readouterr().err == "left out: made: the split 'val' holds nothing.\n"
    assert len(PreparedDataset(made, "train")) == 5
    with pytest.raises(UserError, match="Unknown prepared split of made 'val'"):
        PreparedDataset(made, "val")
    with pytest.raises(EmptySplit, match="'val' holds nothing"):
        prepare("made", tmp_path, tmp_path / "named", ["train", "val"])
    monkeypatch.setattr(Half, "__len__", lambda self: 0)
    with pytest.raises(EmptySplit, match="'train' holds nothing"):
        prepare("made", tmp_path, tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_table_without_a_column_of_splits_is_prepared_whole(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("image,sensor,scene\na.png,aerial_rgb,river\n")
    said: list[str] = []
    made = prepare("geotiff_folder", tmp_path, tmp_path / "out", say=said.append)
    assert PreparedDataset(made, "all")[0].scene == "river" and len(said) == 3
    named = prepare("geotiff_folder", tmp_path, tmp_path / "named", ["all"])
    assert len(PreparedDataset(named, "all")) == 1


def test_a_map_of_numbers_is_prepared_with_its_edges(tmp_path: Path) -> None:
    root = write_layout("geotiff_folder", tmp_path)
    made = prepare("geotiff_folder", root, tmp_path / "out", ["train", "test"])
    for split in ("train", "test"):
        original, copied = DATASETS["geotiff_folder"](root, split)[0], PreparedDataset(made, split)[0]
        assert_equal(copied.value_map, original.value_map)
    assert PreparedDataset(made, "train").maps == DATASETS["geotiff_folder"](root, "train").maps
    assert [scale.name for scale in PreparedDataset(made, "train").maps] == ["canopy height"]
    text, data = encode(original)
    before = json.dumps({key: value for key, value in json.loads(text).items() if key != "value_map"})
    assert decode(before, data).value_map is None  # as files were before maps


def test_other_splits_are_not_written_over_nor_passed_off(folder: Path) -> None:
    made = {split: Made(folder, split) for split in INFO.splits}
    root = folder.parents[1]
    assert write_records(INFO, made, root) == folder  # the same again: it is there
    with pytest.raises(UserError, match="holds records already: train 5, val 5; asked for train 5. Remove it"):
        write_records(INFO, {"train": made["train"]}, root)


def test_a_failing_dataset_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Made):
        def __getitem__(self, i: int) -> Record:
            if i == 3:
                raise UserError("made: cannot read picture 3.")
            return super().__getitem__(i)

    with pytest.raises(UserError, match="cannot read picture 3"):
        write_records(INFO, {"train": Broken(tmp_path, "train")}, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing past it fails in the same place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
    try:
        with pytest.raises(UserError, match=f"out/made/{VERSION}: could not be written, disk full or at its quota"):
            write_records(INFO, {"train": Made(tmp_path, "train")}, tmp_path / "new" / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", [FORMAT - 1, FORMAT + 1])
def test_records_of_another_format_are_refused(other: int) -> None:
    text, data = encode(Made(Path("."), "train")[0])
    with pytest.raises(UserError, match=f"format {other}, expected {FORMAT}. Prepare the dataset again"):
        decode(text.replace(f'"format": {FORMAT}', f'"format": {other}'), data)


def test_a_folder_of_an_older_format_is_refused_and_prepared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"train": Made(tmp_path, "train")}
    monkeypatch.setattr(prepared, "VERSION", "1.0.0")
    prepared._builder_class.cache_clear()
    old = write_records(INFO, made, tmp_path)
    monkeypatch.undo()
    prepared._builder_class.cache_clear()
    with pytest.raises(
        UserError, match=f"1.0.0: prepared in format 1.0.0, .* reads {VERSION}. Prepare the dataset again"
    ):
        PreparedDataset(old, "train")
    new = write_records(INFO, made, tmp_path)
    assert new == old.with_name(VERSION) and len(PreparedDataset(new, "train")) == 5


@pytest.mark.data
def test_a_published_dataset_is_prepared(published_data: Path, tmp_path: Path) -> None:
    folder = prepare("indian_pines", published_data, tmp_path, ["val"])
    (record,) = PreparedDataset(folder, "val")
    assert record.mask is not None and record.mask.class_index.shape == (145, 145)
