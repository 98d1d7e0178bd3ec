"""LEVIR-CD: two aerial pictures of the same ground years apart, and where buildings changed."""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import read_picture
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Mask, Record

LEGEND = ("no change", "building change")
GSD_M = 0.5


class LevirCd(Dataset):
    """Building change between two dates.

    Files: `A/<name>.png` (earlier), `B/<name>.png` (later) and `label/<name>.png` (0 or 255), of one size. Splits are
    the published ones, told by the beginning of the name, train_ or test_. The two dates are 5 to 14 years apart and
    not recorded, so both are unknown (NaN) and only their order counts.
    """

    info = DatasetInfo(
        name="levir_cd",
        title="LEVIR-CD (six sample pairs)",
        url="https://justchenhao.github.io/LEVIR (samples: https://github.com/justchenhao/BIT_CD)",
        licence="non-commercial research",
        citation="Chen, Shi 2020, A Spatial-Temporal Attention-Based Method and a New Dataset (Remote Sensing 12)",
        layout="A/<name>.png, B/<name>.png, label/<name>.png with names beginning train_ or test_.",
        splits={"train": "names beginning train_", "test": "names beginning test_"},
        sensors=("aerial_rgb",),
        tasks=("change", "segmentation", "vqa"),
        folder="levir_cd_samples/samples",
        needs=("A", "B", "label"),
    )

    def index(self) -> None:
        self.names = sorted(path.name for path in (self.folder / "label").glob(f"{self.split}_*.png"))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Record:
        name = self.names[self.check_index(i)]
        before, after, label = (read_picture(self.info.name, self.folder / part / name) for part in ("A", "B", "label"))
        if not before.shape == after.shape == label.shape:
            raise UserError(
                f"levir_cd: {name} is {before.shape[:2]} in A, {after.shape[:2]} in B and {label.shape[:2]} in label; "
                "expected one size. Fetch the pair again."
            )
        sensor = SENSORS["aerial_rgb"]
        values = np.stack([before, after]).astype(np.float32) * np.float32(sensor.scale)
        return Record(
            id=f"levir_cd/{name.removesuffix('.png')}",
            observations={sensor.name: observe(sensor, values, time_days=[float("nan")] * 2, gsd_m=GSD_M)},
            mask=Mask(class_index=(label[..., 0] > 127).astype(np.int64), legend=LEGEND),
        )

    def group(self, i: int) -> str:
        """The whole 1024 x 1024 picture the crop was cut from."""
        return "_".join(self.names[self.check_index(i)].split("_")[:2])
