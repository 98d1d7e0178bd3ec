"""AID aerial scenes with RSICD captions: 30 scene classes, five sentences a picture."""

import json
import re
from pathlib import Path

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import read_picture
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record

# AID was cut at 600 x 600 pixels of 0.5-8 m, which one is not recorded; 2 m is the geometric middle.
NATIVE_GSD_M, NATIVE_SIZE = 2.0, 600


def class_name(folder: str) -> str:
    """`BareLand` -> `bare land`: the published class name in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder).lower()


class AidRsicd(Dataset):
    """Scene classification, captioning and retrieval on RGB pictures without georeference.

    Files: `captions.jsonl`, a row a picture with `image` (path), `scene` (class folder), `split` and `captions`
    (five sentences), and the JPEG files it names. Any picture size is read; the copy used here is AID's 600 x 600
    resized to 150 x 150. Splits are RSICD's own (train, val; the test pictures are not part of this copy).
    The ground sampling distance is nominal: 2 m native, times 600 / width.
    """

    info = DatasetInfo(
        name="aid_rsicd",
        title="AID scenes with RSICD captions",
        url="https://captain-whu.github.io/AID and https://github.com/201528014227051/RSICD_optimal",
        licence="research use",
        citation="Xia et al. 2017, AID (IEEE TGRS 55); Lu et al. 2018, RSICD (IEEE TGRS 56)",
        layout="captions.jsonl (image, scene, split, captions) and images/<Class>/<name>.jpg.",
        splits={"train": "7,946 pictures, the RSICD train list", "val": "1,027 pictures, the RSICD val list"},
        sensors=("aerial_rgb",),
        tasks=("scene", "captioning", "vqa"),
        folder="aid_rsicd",
        needs=("captions.jsonl", "images"),
    )

    def index(self) -> None:
        path = self.folder / "captions.jsonl"
        self.rows = [row for row in _rows(path) if row["split"] == self.split]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        row = self.rows[self.check_index(i)]
        sensor = SENSORS["aerial_rgb"]
        picture = read_picture(self.info.name, self.folder / row["image"])
        values = picture.astype(np.float32)[None] * np.float32(sensor.scale)
        gsd_m = NATIVE_GSD_M * NATIVE_SIZE / picture.shape[1]
        return Record(
            id=f"aid_rsicd/{Path(row['image']).stem}",
            observations={sensor.name: observe(sensor, values, time_days=[float("nan")], gsd_m=gsd_m)},
            scene=class_name(row["scene"]),
            captions=tuple(row["captions"]),
        )

    def group(self, i: int) -> str:
        return str(self.rows[self.check_index(i)]["image"])


def _rows(path: Path) -> list[dict]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            missing = {"image", "scene", "split", "captions"} - set(row)
        except (json.JSONDecodeError, TypeError) as error:
            raise UserError(
                f"aid_rsicd: {path} line {number} is not a JSON object: {error}. Fetch the file again."
            ) from None
        if missing:
            raise UserError(
                f"aid_rsicd: {path} line {number} lacks {', '.join(sorted(missing))}; it has {', '.join(row)}."
            )
        rows.append(row)
    return rows
