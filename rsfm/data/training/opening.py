"""Opens the records of a data set by name, or of a table, a series or a prepared folder by its path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsfm.data.datasets import DATASETS
from rsfm.data.datasets.geotiff_folder import TABLES, GeoTiffFolder
from rsfm.data.datasets.imagery import Imagery
from rsfm.data.datasets.series import FILES, Series, is_series
from rsfm.data.labels.description import is_description
from rsfm.data.labels.places import LabelledPlaces
from rsfm.data.root import data_root
from rsfm.data.training.prepare import PreparedDataset, is_prepared
from rsfm.errors import UserError, unknown

IMAGERY = "imagery"  # name of the unlabelled images below a folder, for objectives that need no labels
KINDS = (
    "a table of images (labels.csv, .jsonl), a series (.csv, .parquet, .nc, .zarr), the labels.json of a fine-tuning run, or a "
    "folder with one"
)


def open_records(
    dataset: str,
    split: str,
    *,
    data: Path | str | None = None,
    target: Sequence[str] = (),
    sensors: Sequence[str] = (),
) -> Any:
    """One split of a data set.

    Args:
        dataset: a name in DATASETS, or the path of a table, a series, a folder with one, or a folder written by `prepare`;
            IMAGERY for all images below `data`, without labels.
        split: of it.
        data: data folder of named sets; None = RSFM_DATA, else shared/data beside the repository.
        target: columns of a series to predict.
        sensors: of IMAGERY: only what exactly these instruments saw.

    Raises:
        UserError: neither a name nor such a path; `target` for what is no series, `sensors` for what is no folder of images.
    """
    if dataset == IMAGERY:
        return Imagery(Path(data) if data is not None else data_root(), split, sensors=sensors)
    if sensors:
        raise UserError(f"sensors= chooses among unlabelled images; {dataset} is a data set of its own. Leave it out.")
    opener = _by_name(dataset, data) if dataset in DATASETS else _by_path(Path(dataset).expanduser())
    if opener is None:
        if Path(dataset).exists():
            raise UserError(f"{dataset}: expected the name of a data set, {KINDS}; found none of them there.")
        raise unknown("dataset", dataset, DATASETS)
    kind, root = opener
    if kind is Series:
        return Series(root, split, target=tuple(target))
    if target:
        raise UserError(
            f"--target names columns of a series in one file; {dataset} is none. Its labels say what to predict."
        )
    return kind(root, split)


def is_data(path: Path) -> bool:
    """Whether a path alone says which records are meant."""
    return _by_path(path) is not None


def _by_name(dataset: str, data: Path | str | None) -> tuple[Any, Path]:
    return DATASETS[dataset], Path(data) if data is not None else data_root()


def _by_path(path: Path) -> tuple[Any, Path] | None:
    if is_prepared(path):
        return PreparedDataset, path
    if is_description(path):
        return LabelledPlaces, path
    if is_series(path):
        return Series, path
    if path.is_file() and path.suffix.lower() in (".csv", ".jsonl"):
        return GeoTiffFolder, path
    if path.is_dir():
        for names, kind in ((TABLES, GeoTiffFolder), (FILES, Series)):
            if any((path / name).exists() for name in names):
                return kind, path
    return None
