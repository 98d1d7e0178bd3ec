"""`rsfm data`: what the data sets are, one sample to look at, and copies prepared for training."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from rsfm.commands.outputs import columns, output_folder, print_json
from rsfm.errors import UserError, lookup
from rsfm.types import Record


def list_datasets(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    *,
    data: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Lists the data sets; named ones with licence, official place, layout and splits.

    Example:
        rsfm data list
        rsfm data list terramesh

    Args:
        names: data sets to tell all about; none lists every one in a line.
        data: data folder; default RSFM_DATA, else shared/data beside the repository.
        as_json: print JSON only.
    """
    from rsfm.data.datasets import DATASETS

    infos = [_info(lookup(DATASETS, "dataset", name)) for name in names or DATASETS]
    here = {info.name: _is_here(info, data) for info in infos}
    if as_json:
        print_json([{**dataclasses.asdict(info), "here": here[info.name]} for info in infos])
    elif not names:
        rows = [("name", "here", "splits", "tasks", "licence")]
        rows += [
            (info.name, "yes" if here[info.name] else "no", " ".join(info.splits), " ".join(info.tasks), info.licence)
            for info in infos
        ]
        print(columns(rows))
        print("\nMore about one: rsfm data list NAME. A sample of it: rsfm data show NAME.")
    else:
        print("\n\n".join(_told(info, here[info.name]) for info in infos))


def show(
    dataset: tyro.conf.Positional[str] = "",
    *,
    split: str = "train",
    index: int = 0,
    data: Path | None = None,
    target: tuple[str, ...] = (),
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Prints one sample with its labels and what each task makes of it; --out draws it, mask, map and boxes included.

    Example:
        rsfm data show aid_rsicd --split val --index 3 --out sample
        rsfm data show --data series.csv --target "severity [1]"

    Args:
        dataset: name of the data set, or the path of a table, a series or a prepared folder.
        split: of it.
        index: number of the sample, from 0.
        data: data folder, default RSFM_DATA, else shared/data beside the repository; without a data set's name the path of
            your own table, series or folder.
        target: columns of a series to predict.
        out: folder for sample.png.
        as_json: print JSON only.
    """
    dataset, data = chosen(dataset, data)
    records = open_dataset(dataset, data, split, target)
    if not 0 <= index < len(records):
        raise UserError(f"--index {index}: {dataset} {split} holds {len(records)} samples, numbered from 0.")
    record = records[index]
    told = describe(record)
    if out is not None:
        try:
            from rsfm.data.writing.show import show as draw_record
        except ImportError as error:
            missing = "Drawing a sample needs matplotlib: pip install 'rsfm[notebooks]', or leave out --out."
            raise UserError(missing) from error
        with output_folder(out) as folder:
            draw_record(record, folder / "sample.png")
    if as_json:
        print_json(told)
        return
    for key, value in told.items():
        lines: Any = [f"{k}: {v}" for k, v in value.items()] if isinstance(value, dict) else value
        if isinstance(lines, list):
            print(f"{key}:", *(f"  {line}" for line in lines), sep="\n")
        else:
            print(f"{key}: {lines}")


def prepare(
    dataset: tyro.conf.Positional[str],
    *,
    out: Path,
    split: tuple[str, ...] = (),
    data: Path | None = None,
) -> None:
    """Copies a data set into ArrayRecord files: decoded once, then read in any order at speed.

    Example:
        rsfm data prepare aid_rsicd --out prepared

    Args:
        dataset: name of the data set.
        out: folder to write below; the folder of the data set is printed.
        split: splits to copy; none copies all that hold something here.
        data: data folder; default RSFM_DATA, else shared/data beside the repository.
    """
    from rsfm.data.addresses import check_local
    from rsfm.data.root import data_root
    from rsfm.data.training import prepare as preparing

    check_local(out)  # before hours of copying
    print(preparing.prepare(dataset, data or data_root(), out, split or None))


def open_dataset(name: str, data: Path | None, split: str, target: Sequence[str] = ()) -> Any:
    """The split of a data set by name, or of a table, a series or a prepared folder by path; what it notes is printed."""
    from rsfm.data.training.opening import open_records

    records = open_records(name, split, data=data, target=target)
    for note in getattr(records, "notes", ()):
        print(f"note: {note}", file=sys.stderr)
    return records


def chosen(dataset: str, data: Path | None) -> tuple[str, Path | None]:
    """What --dataset and --data mean together: a named set below a data folder, or the path of one's own data alone."""
    from rsfm.data.training.opening import KINDS, is_data

    if dataset:
        return dataset, data
    if data is None:
        raise UserError("Which data? Give --dataset NAME (see `rsfm data list`), or --data with the path of your own.")
    if not data.exists():
        raise UserError(f"--data {data}: no such file or folder.")
    if not is_data(data):
        raise UserError(f"--data {data}: expected {KINDS}. For a published set below it give --dataset NAME, too.")
    return str(data.absolute()), None


def describe(record: Record) -> dict[str, Any]:
    """What a record holds, in words and JSON values."""
    from rsfm.tasks import TASKS

    told: dict[str, Any] = {"id": record.id, "observations": {}}
    for name, observation in record.observations.items():
        t, h, w, c = observation.values.shape
        there = observation.cells
        seen = observation.values[there]
        spread = f"{np.nanmin(seen):.4g} to {np.nanmax(seen):.4g}" if seen.size else "no valid pixel"
        size = f"{t} dates, {h} x {w} pixels of {float(observation.gsd_m):g} m, {c} bands"
        told["observations"][name] = f"{size}, values {spread}, {observation.valid.mean():.0%} valid"
    for key in ("location_deg", "scene"):
        if getattr(record, key) is not None:
            told[key] = getattr(record, key)
    for key in ("tags", "captions"):
        if getattr(record, key):
            told[key] = list(getattr(record, key))
    if record.values:
        told["values"] = {value.name: f"{value.value:g} {value.unit}" for value in record.values}
    if record.boxes is not None:
        told["boxes"] = {name: record.boxes.labels.count(name) for name in dict.fromkeys(record.boxes.labels)}
    if record.mask is not None:
        index = record.mask.class_index
        counts = {name: int((index == i).sum()) for i, name in enumerate(record.mask.legend)}
        told["mask pixels"] = {**counts, "unlabelled": int((index < 0).sum())}
    if record.value_map is not None:
        numbers = record.value_map
        known = numbers.values[np.isfinite(numbers.values)]
        told["value map"] = {
            "name": numbers.name,
            "unit": numbers.unit,
            "labelled pixels": known.size,
            "values": f"{known.min():.4g} to {known.max():.4g}" if known.size else "no labelled pixel",
        }
    rng = np.random.default_rng(0)
    dialogues = {name: task.dialogue(record, rng) for name, task in TASKS.items()}
    told["asked and answered"] = [
        f"{name}: {question} -> {answer}"
        for name, dialogue in dialogues.items()
        if dialogue is not None
        for question, answer in dialogue.turns
    ]
    return told


def _info(dataset: Any) -> Any:
    return dataset.info


def _is_here(info: Any, data: Path | None) -> bool:
    from rsfm.data.datasets.base import find_folder
    from rsfm.data.root import data_root

    try:
        find_folder(data or data_root(), info)
        return True
    except UserError:
        return False


def _told(info: Any, here: bool) -> str:
    rows = [
        (info.name, info.title),
        ("  here", "yes" if here else "no"),
        ("  official place", info.url),
        ("  licence", info.licence),
        ("  cite", info.citation),
        ("  layout", info.layout),
        ("  sensors", ", ".join(info.sensors)),
        ("  tasks", ", ".join(info.tasks)),
        *((f"  split {name}", text) for name, text in info.splits.items()),
    ]
    return columns(rows)
