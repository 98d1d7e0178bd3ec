"""Instruments of a user's own: from wavelengths or from a TOML or JSON file, as good as those of the table."""

from pathlib import Path

import numpy as np
import pytest

from rsfm.data.reading.scene import open_scene
from rsfm.data.training.normalize import normalize
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.own import find_sensor, spectral_sensor
from tests.data.rasters import write_tif

MINE = """
name = "my_camera"
scale = 1e-4
fill = [0]
[[bands]]
name = "b"
center_nm = 480
width_nm = 60
aliases = ["blue"]
[[bands]]
name = "r"
center_um = 0.66
width_um = 0.03
"""


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What joins the table in a test leaves it again."""
    before = dict(SENSORS)
    yield
    SENSORS.clear()
    SENSORS.update(before)


def test_a_sensor_of_a_toml_reads_files_and_is_normalized(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    values = np.full((6, 7, 2), 2000, np.uint16)
    values[:2] = 0
    path = write_tif(tmp_path / "x.tif", values, descriptions=["r", "blue"])
    scene = open_scene([path], sensor=str(tmp_path / "mine.toml"))
    seen = scene.read().observations["my_camera"]
    assert scene.bands == ("b", "r") and seen.wavelength_um == pytest.approx([0.48, 0.66])
    assert seen.values[seen.cells] == pytest.approx(0.2) and not seen.valid[0, :2].any()
    assert normalize("my_camera", seen, {})[seen.cells] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 3 =", "not a sensor that can be read"),
        ('name = "x"', "needs bands"),
        ('name = "My Camera"\n[[bands]]\ncenter_nm = 480', "expected lower case letters"),
        ('name = "x"\n[[bands]]\ncentre = 480', "Unknown field of band 1|field of band 1"),
        ('name = "x"\n[[bands]]\nname = "a"', "is at 0 um"),
        ('name = "x"\nscale = -1\n[[bands]]\ncenter_nm = 480\nwidth_nm = 20', "scale -1"),
        ('name = "x"\nfamily = "opticle"\n[[bands]]\ncenter_nm = 480\nwidth_nm = 20', "Did you mean 'optical'"),
        ('name = "hls"\n[[bands]]\ncenter_nm = 480\nwidth_nm = 20', "in the table already"),
        ('name = "x"\n[[bands]]\ncenter_nm = "blue"\n', "wrong kind"),
    ],
)
def test_what_is_no_sensor_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words) as caught:
        find_sensor(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


def test_the_same_wavelengths_are_the_same_sensor() -> None:
    one, again = (spectral_sensor((0.48, 0.56), (0.06, 0.05)) for _ in range(2))
    other = spectral_sensor((0.48, 0.57), (0.06, 0.05))
    assert one is again or one == again
    assert one.name != other.name and find_sensor(one.name) == one


@pytest.mark.parametrize("wrong", [480.0, 0.0, -0.5])
def test_no_wavelength_of_light(wrong: float) -> None:
    with pytest.raises(UserError, match="expected 0.2 to 20 um"):
        spectral_sensor((0.48, wrong), (0.06, 0.05))
