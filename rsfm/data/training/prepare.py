"""Records <-> ArrayRecord files through a tensorflow-datasets builder: decoded once, then read at random and fast.

A Record is stored as a JSON text (everything but arrays, and each array's dtype and shape) and the arrays' bytes, one
after the other. Nothing is pickled, and tensorflow is not needed.
"""

import contextlib
import dataclasses
import functools
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.config import from_json
from rsfm.data.datasets import DATASETS, Dataset, DatasetInfo, EmptySplit
from rsfm.data.writing.atomic import written_folder
from rsfm.errors import UserError, lookup, unknown
from rsfm.types import Boxes, GeoGrid, MapScale, Mask, Observation, Record, Turn, Value, ValueMap

FORMAT = 2  # 1: a band was there at all dates or at none
VERSION = f"{FORMAT}.0.0"  # names the folder, so that files of another format are not taken for these
DESCRIPTION, METADATA = "dataset_info.json", "metadata.json"  # files of a prepared folder, named by tensorflow-datasets
ALL, UNSPLIT = "all", "unsplit"  # "all" means every split to tensorflow-datasets, which stores none of that name


def encode(record: Record) -> tuple[str, bytes]:
    """A Record as a JSON text and the bytes of its arrays. Inverse of `decode`."""
    arrays: list[np.ndarray] = []

    def keep(array: Any) -> int:
        arrays.append(np.asarray(array))
        assert not arrays[-1].dtype.hasobject, f"{record.id}: an array of Python objects cannot be stored"
        return len(arrays) - 1

    fields = [field.name for field in dataclasses.fields(Observation)]
    boxes, mask, numbers = record.boxes, record.mask, record.value_map
    text: dict[str, Any] = {
        "format": FORMAT,
        "id": record.id,
        "observations": {
            name: {field: keep(getattr(each, field)) for field in fields} for name, each in record.observations.items()
        },
        "location_deg": record.location_deg,
        "grid": None if record.grid is None else dataclasses.asdict(record.grid),
        "scene": record.scene,
        "tags": record.tags,
        "captions": record.captions,
        "turns": [dataclasses.asdict(turn) for turn in record.turns],
        "values": [dataclasses.asdict(value) for value in record.values],
        "boxes": boxes and {"corners": keep(boxes.corners), "labels": boxes.labels},
        "mask": mask and {"class_index": keep(mask.class_index), "legend": mask.legend},
        "value_map": numbers
        and {"name": numbers.name, "unit": numbers.unit, "edges": numbers.edges, "values": keep(numbers.values)},
        "images": {name: keep(image) for name, image in record.images.items()},
    }
    text["arrays"] = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
    return json.dumps(text), b"".join(array.tobytes() for array in arrays)


def decode(text: str | bytes, data: bytes) -> Record:
    """The Record that `encode` was given."""
    told = json.loads(text)
    if told["format"] != FORMAT:
        raise UserError(f"Prepared record of format {told['format']}, expected {FORMAT}. Prepare the dataset again.")
    arrays, start = [], 0
    for each in told["arrays"]:
        dtype, shape = np.dtype(each["dtype"]), tuple(each["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(data, dtype, count, start).reshape(shape).copy())  # a copy: aligned and writeable
        start += count * dtype.itemsize
    grid, boxes, mask = told["grid"], told["boxes"], told["mask"]
    numbers = told.get("value_map")  # later than the format's first files
    return Record(
        id=told["id"],
        observations={
            name: Observation(**{field: arrays[k] for field, k in each.items()})
            for name, each in told["observations"].items()
        },
        location_deg=None if told["location_deg"] is None else tuple(told["location_deg"]),
        grid=None if grid is None else GeoGrid(**(grid | {"transform": tuple(grid["transform"])})),
        scene=told["scene"],
        tags=tuple(told["tags"]),
        captions=tuple(told["captions"]),
        turns=tuple(Turn(question=turn["question"], answers=tuple(turn["answers"])) for turn in told["turns"]),
        values=tuple(Value(**value) for value in told["values"]),
        boxes=None if boxes is None else Boxes(corners=arrays[boxes["corners"]], labels=tuple(boxes["labels"])),
        mask=None if mask is None else Mask(class_index=arrays[mask["class_index"]], legend=tuple(mask["legend"])),
        value_map=numbers
        and ValueMap(**numbers | {"values": arrays[numbers["values"]], "edges": tuple(numbers["edges"])}),
        images={name: arrays[k] for name, k in told["images"].items()},
    )


def tell(line: str) -> None:
    """A line on stderr."""
    print(line, file=sys.stderr)


def prepare(
    name: str, root: Path, out_folder: Path, splits: Sequence[str] | None = None, *, say: Callable[[str], Any] = tell
) -> Path:
    """Writes a dataset's splits as ArrayRecord.

    Args:
        name: a key of DATASETS.
        root: the data folder.
        out_folder: written below it, in a folder that is returned. Nothing is left there on failure.
        splits: which, none of them empty; without any all that hold something. "all" can be read from any folder.
        say: is told of each split that was left out.

    Returns:
        The folder PreparedDataset reads.

    Example:
        >>> records = PreparedDataset(prepare("aid_rsicd", data_root(), Path("prepared")), "train")
    """
    dataset: type[Dataset] = lookup(DATASETS, "dataset", name)
    return write_records(dataset.info, open_splits(dataset, root, splits, say=say), out_folder)


def open_splits(
    dataset: type[Dataset], root: Path, splits: Sequence[str] | None = None, *, say: Callable[[str], Any] = tell
) -> dict[str, Dataset]:
    """The named splits, or all that hold something here, opened.

    Raises:
        UserError: a named split is unknown or empty, or no split holds anything.
    """
    if splits:
        return {split: dataset(root, split) for split in splits}
    opened: dict[str, Dataset] = {}
    empty: list[EmptySplit] = []
    for split in dataset.info.splits:
        try:
            opened[split] = dataset(root, split)
        except EmptySplit as error:
            empty.append(error)
    if not opened:
        raise empty[0]
    if len(opened) > 1:
        opened.pop(ALL, None)  # the others again
    for left_out in empty:
        say(f"left out: {left_out}")
    return opened


def write_records(info: DatasetInfo, splits: dict[str, Dataset], out_folder: Path) -> Path:
    """Writes opened splits as ArrayRecord and returns the folder PreparedDataset reads.

    Raises:
        UserError: the folder cannot be written to, the disk is full, or other splits of the dataset are there already.
    """
    splits = {UNSPLIT if split == ALL else split: dataset for split, dataset in splits.items()}
    builder = _builder_class()(info=info, splits=splits, data_dir=str(out_folder.resolve()))
    target = Path(builder.data_path)
    if is_prepared(target):
        _check_same_splits(builder, splits)
        return target
    with written_folder(target) as scratch:
        builder = _builder_class()(info=info, splits=splits, data_dir=str(scratch))
        with contextlib.redirect_stdout(io.StringIO()):  # it announces a download that does not happen
            builder.download_and_prepare()
        for path in Path(builder.data_path).iterdir():
            path.rename(scratch / path.name)
        shutil.rmtree(scratch / info.name)
    return target


def _check_same_splits(builder: Any, splits: dict[str, Dataset]) -> None:
    there = {split: told.num_examples for split, told in builder.info.splits.items()}
    wanted = {split: len(dataset) for split, dataset in splits.items()}
    if there != wanted:
        told = [", ".join(f"{split} {count:,}" for split, count in counts.items()) for counts in (there, wanted)]
        raise UserError(
            f"{builder.data_path} holds records already: {told[0]}; asked for {told[1]}. "
            "Remove it, or choose another folder with --out."
        )


def is_prepared(folder: Path) -> bool:
    """Whether a folder was written by `prepare`."""
    return (folder / DESCRIPTION).is_file() and (folder / METADATA).is_file()


class PreparedDataset:
    """Records of one split of a prepared folder, in the order of the dataset they were made from."""

    legends: Mapping[str, tuple[str, ...]] = {}  # as of Dataset: a prepared set does not name its classes as a whole

    def __init__(self, folder: Path, split: str) -> None:
        folder = Path(folder)
        if not is_prepared(folder):
            raise UserError(
                f"{folder}: expected a prepared dataset, found no {DESCRIPTION} with {METADATA}. "
                "Make one with `rsfm data prepare`, and give the folder it prints."
            )
        self.folder, self.split = folder, split
        told = json.loads((folder / METADATA).read_text())
        self.info = from_json(DatasetInfo, told["info"], str(folder / METADATA))
        self.maps = from_json(tuple[MapScale, ...], told.get("maps", []), str(folder / METADATA))  # none in older files
        builder = _tfds().builder_from_directory(str(folder.resolve()))
        if str(builder.version) != VERSION:
            raise UserError(
                f"{folder}: prepared in format {builder.version}, this version of rsfm reads {VERSION}. Prepare the dataset "
                f"again: rsfm data prepare {self.info.name}."
            )
        if split not in (ALL, *builder.info.splits):
            raise unknown(f"prepared split of {self.info.name}", split, (ALL, *builder.info.splits))
        self._rows = builder.as_data_source(split)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Record:
        row = self._row(i)
        return decode(row["record"], row["arrays"].tobytes())

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def group(self, i: int) -> str:
        """The site, tile, region or picture record i comes from."""
        group = self._row(i)["group"]
        return group.decode() if isinstance(group, bytes) else str(group)

    def _row(self, i: int) -> dict[str, Any]:
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"{self.info.name} {self.split} has {n} records, asked for number {i}.")
        return self._rows[i % n]


@functools.cache
def _tfds() -> Any:
    """tensorflow-datasets, imported when first needed: it takes seconds, which no other command should wait for."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    return tfds


@functools.cache
def _builder_class() -> type:
    """The builder that writes any of our datasets; tfds finds the files again without it."""
    tfds = _tfds()

    class Records(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[name-defined, call-arg]
        """One dataset's records, in order."""

        VERSION = tfds.core.Version(VERSION)
        code_path = None  # or tfds looks beside this file for download checksums, with a package it does not install

        def __init__(self, *, info: DatasetInfo, splits: dict[str, Dataset], data_dir: str) -> None:
            self._source, self._opened = info, splits
            self.name = info.name  # names the folder
            super().__init__(data_dir=data_dir, file_format="array_record")

        def _info(self) -> Any:
            features = tfds.features.FeaturesDict(
                {
                    "group": tfds.features.Text(),
                    "record": tfds.features.Text(),
                    "arrays": tfds.features.Tensor(shape=(None,), dtype=np.uint8, encoding="zlib"),
                }
            )
            return tfds.core.DatasetInfo(
                builder=self,
                description=self._source.title,
                homepage=self._source.url,
                citation=self._source.citation,
                license=self._source.licence,
                features=features,
                metadata=tfds.core.MetadataDict(info=dataclasses.asdict(self._source), maps=self._maps()),
                disable_shuffling=True,  # records keep their numbers
            )

        def _maps(self) -> list[dict[str, Any]]:
            scales = {scale.name: scale for dataset in self._opened.values() for scale in dataset.maps}
            return [dataclasses.asdict(scale) for scale in scales.values()]

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
            return {split: self._generate_examples(dataset) for split, dataset in self._opened.items()}

        def _generate_examples(self, dataset: Dataset) -> Iterator[tuple[int, dict[str, Any]]]:
            for i in range(len(dataset)):
                text, data = encode(dataset[i])
                arrays = np.frombuffer(data, np.uint8)
                yield i, {"group": dataset.group(i), "record": text, "arrays": arrays}

    return Records
