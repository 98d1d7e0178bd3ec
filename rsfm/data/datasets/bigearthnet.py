"""BigEarthNet: Sentinel-2 patches with their Sentinel-1 twins and the land-cover classes seen in them.

h w pixels · c bands
"""

import bz2
import json
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.corine import to_19_classes
from rsfm.data.datasets.reading import RasterFile
from rsfm.data.reading.grids import location
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import GeoGrid, Observation, Record

S2_FOLDERS = ("BigEarthNet-S2-Example", "BigEarthNet-S2-v1.0", "BigEarthNet-v1.0")
S1_FOLDERS = ("BigEarthNet-S1-Example", "BigEarthNet-S1-v1.0")
# The published split of the packaged patches, for a folder without the lists. A sixth is under snow and in none.
EXAMPLE_TEST = ("S2A_MSIL2A_20170613T101031_87_48",)
EXAMPLE_TRAIN = (
    "S2A_MSIL2A_20170617T113321_36_85",
    "S2A_MSIL2A_20170617T113321_4_55",
    "S2A_MSIL2A_20171221T112501_56_35",
    "S2B_MSIL2A_20170924T93020_69_24",
)
REFLECTANCE = 1e-4  # all of 2017-2018, before the offset of processing baseline 04.00
SIZE, GSD_M = (120, 120), 10.0
LARGEST_ARCHIVE = 4 * 1024**3  # bytes unpacked; the example archives hold 2 MB


class BigEarthNet(Dataset):
    """Multi-label land cover from optical and radar.

    Files: `BigEarthNet-S2-Example/<patch>/<patch>_B01.tif ... _B12.tif` (12 single-band files of 10, 20 and 60 m;
    brought to the 120 x 120 grid of 10 m, bilinear) and `<patch>_labels_metadata.json` (labels, acquisition_date);
    `BigEarthNet-S1-Example/<patch>/<patch>_VV.tif, _VH.tif` (dB) with `corresponding_s2_patch` in their JSON: a patch
    without a radar twin has no radar. The folders of the whole set (BigEarthNet-v1.0, BigEarthNet-S1-v1.0) are read
    alike. The archives in package bigearthnet-common are unpacked by `extract`.

    Splits are the published lists `train.csv.bz2`, `val.csv.bz2`, `test.csv.bz2`; where they are missing, those of the
    example patches are known here. "all" needs no list.

    Args:
        classes: 19, the nomenclature results are published in, or 43, the CORINE names as delivered.
    """

    info = DatasetInfo(
        name="bigearthnet",
        title="BigEarthNet-MM (four example patches)",
        url="https://bigearth.net (examples: https://pypi.org/project/bigearthnet-common 2.8.0)",
        licence="CDLA-Permissive-1.0; examples Apache-2.0",
        citation="Sumbul et al. 2021, BigEarthNet-MM (IEEE GRSM 9)",
        layout="BigEarthNet-S2-Example/<patch>/*.tif + *_labels_metadata.json, BigEarthNet-S1-Example/<patch>/, "
        "{train,val,test}.csv.bz2.",
        splits={
            "train": "the published train list",
            "val": "the published val list (none of the example patches)",
            "test": "the published test list",
            "all": "every patch in the folder",
        },
        sensors=("sentinel2_l2a", "sentinel1_grd"),
        tasks=("multilabel", "vqa"),
        folder="bigearthnet",
        needs=("|".join(S2_FOLDERS),),
    )

    def __init__(self, root: Path | str, split: str, *, classes: int = 19) -> None:
        if classes not in (19, 43):
            raise UserError(f"bigearthnet: classes must be 19 or 43, found {classes}.")
        self.classes = classes
        super().__init__(root, split)

    def index(self) -> None:
        self.optical = next(self.folder / name for name in S2_FOLDERS if (self.folder / name).is_dir())
        self.radar = _radar_twins([self.folder / name for name in S1_FOLDERS if (self.folder / name).is_dir()])
        listed = _listed(self.folder, self.split)
        self.patches = [
            path.name
            for path in sorted(self.optical.iterdir())
            if path.is_dir() and (listed is None or path.name in listed)
        ]

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, i: int) -> Record:
        patch = self.patches[self.check_index(i)]
        facts = _facts(self.optical / patch)
        optical, grid = _optical(self.optical / patch, facts)
        observations = {"sentinel2_l2a": optical}
        if patch in self.radar:
            observations["sentinel1_grd"] = _radar(self.radar[patch])
        labels = tuple(facts["labels"])
        return Record(
            id=f"bigearthnet/{patch}",
            observations=observations,
            location_deg=location(grid),
            grid=grid,
            tags=labels if self.classes == 43 else to_19_classes(labels),
        )

    def group(self, i: int) -> str:
        return self.patches[self.check_index(i)]


def extract(archive: Path | str, out: Path | str) -> Path:
    """Unpacks an archive of patches (BigEarthNet-S2-Example.tar.bz2 of package bigearthnet-common) into folder `out`.

    Only plain files and folders below `out` are written: an archive with a link, a device, an absolute path or one that
    leads upwards is refused whole. Nothing is left behind on failure.

    Returns:
        The folder unpacked: `out` / the archive's top folder.
    """
    archive, out = Path(archive), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        try:
            with tarfile.open(archive, "r:*") as tar:
                members = [_safe(archive, member) for member in tar]
                if sum(member.size for member in members) > LARGEST_ARCHIVE:
                    raise UserError(
                        f"bigearthnet: {archive} unpacks to more than {LARGEST_ARCHIVE >> 30} GiB; refused."
                    )
                tar.extractall(scratch, members, filter="data")
        except FileNotFoundError:
            raise UserError(f"bigearthnet: expected an archive at {archive}, found nothing.") from None
        except (tarfile.TarError, EOFError, OSError) as error:
            raise UserError(f"bigearthnet: cannot unpack {archive}: {error}. Fetch it again.") from error
        tops = sorted(Path(scratch).iterdir())
        if len(tops) != 1:
            raise UserError(f"bigearthnet: {archive} holds {len(tops)} top folders, expected one folder of patches.")
        target = out / tops[0].name
        if target.exists():
            shutil.rmtree(target)
        shutil.move(tops[0], target)
    return target


def _safe(archive: Path, member: tarfile.TarInfo) -> tarfile.TarInfo:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise UserError(f"bigearthnet: {archive} holds '{member.name}', which is not a plain file below it; refused.")
    return member


def _listed(folder: Path, split: str) -> set[str] | None:
    if split == "all":
        return None
    path = folder / f"{split}.csv.bz2"
    if not path.is_file():
        return set({"train": EXAMPLE_TRAIN, "test": EXAMPLE_TEST}.get(split, ()))
    try:
        return set(bz2.decompress(path.read_bytes()).decode().split())
    except (OSError, ValueError) as error:
        raise UserError(f"bigearthnet: cannot read the list {path}: {error}. Fetch it again.") from error


def _facts(folder: Path) -> dict:
    path = folder / f"{folder.name}_labels_metadata.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"bigearthnet: cannot read {path}: {error}. Each patch folder needs its label file.") from error


def _radar_twins(folders: list[Path]) -> dict[str, Path]:
    patches = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_dir()]
    return {_facts(path)["corresponding_s2_patch"]: path for path in patches}


def _optical(folder: Path, facts: dict) -> tuple[Observation, GeoGrid]:
    sensor = SENSORS["sentinel2_l2a"]
    bands = {
        band.name: RasterFile("bigearthnet", folder / f"{folder.name}_{band.name}.tif", sensor=sensor, size=SIZE)
        for band in sensor.bands
    }
    values = np.concatenate([raster.values for raster in bands.values()], -1) * np.float32(REFLECTANCE)
    valid = (np.nan_to_num(values) != 0).any(-1)
    date = days_since_2000(facts["acquisition_date"])
    return observe(sensor, values[None], valid=valid[None], time_days=[date], gsd_m=GSD_M), bands["B02"].grid


def _radar(folder: Path) -> Observation:
    sensor, files = SENSORS["sentinel1_grd"], [folder / f"{folder.name}_{name}.tif" for name in ("VV", "VH")]
    values = np.concatenate([RasterFile("bigearthnet", file, sensor=sensor, size=SIZE).values for file in files], -1)
    date = days_since_2000(_facts(folder)["acquisition_time"])
    return observe(sensor, values[None], time_days=[date], gsd_m=GSD_M)
