"""Maps whose files do not fit on the disk are refused in one line before work."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from rsfm.answer.disk import check_disk
from rsfm.answer.footprint import open_footprint
from rsfm.data.writing import space
from rsfm.errors import UserError
from rsfm.processor import Taught, View
from rsfm.processor.asked import resolve
from tests.data.rasters import write_tif


@pytest.mark.parametrize(
    ("words", "probability", "needed_mb"),
    [
        ("Map the land cover.", False, 0.02),
        ("Map the land cover.", True, 2 * 4),
        ("Map the water.", True, 4),
        ("How many hectares of water are there?", True, 0),
        ("Map the biomass.", False, 3 * 4),
    ],
)
def test_files_that_do_not_fit_on_the_disk_are_refused(
    words: str, probability: bool, needed_mb: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A map of 1,000 x 1,000 pixels."""
    values = np.full((1000, 1000, 3), 1000, np.uint16)
    path = write_tif(tmp_path / "a.tif", values, descriptions=("B02", "B03", "B04"), compress="deflate")
    scene = open_footprint([path], sensors=["sentinel2_l2a"], scale=1e-4)
    view = View(sensors=(("sentinel2_l2a", 1.0),))
    taught = (
        Taught(task="segmentation", name="land cover", subjects=("water", "trees"), sensor="sentinel2_l2a"),
        Taught(task="value_map", subjects=("biomass",), sensor="sentinel2_l2a"),
    )
    asked = resolve(words, taught, view)
    assert asked.taught
    for share, fits in ((0.9, False), (1.6, True)):
        monkeypatch.setattr(space, "free_bytes", lambda _, share=share: int(share * needed_mb * 1e6))
        with contextlib.nullcontext() if fits or not needed_mb else pytest.raises(UserError, match="free on that disk"):
            check_disk(tmp_path / "new" / "out", scene, [asked], probability=probability)
