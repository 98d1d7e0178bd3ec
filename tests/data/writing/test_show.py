"""Drawings: each dataset's record becomes a picture that holds its pixels and its labels."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from rsfm.commands.data import describe
from rsfm.data.datasets import DATASETS
from rsfm.data.writing.show import draw, show
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Boxes, Record
from tests.data.layouts import write_layout


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_dataset_is_drawn(name: str, tmp_path: Path) -> None:
    dataset = DATASETS[name](write_layout(name, tmp_path), "train")
    path = show(dataset[0], tmp_path / "new" / "sample.png")
    pixels = np.asarray(Image.open(path).convert("L"), float)
    assert min(pixels.shape) > 300 and pixels.std() > 15


def words_of(record: Record) -> str:
    figure = draw(record)
    texts = [text.get_text() for part in figure.subfigs for text in part.texts]
    for axis in figure.get_axes():
        cells = [cell.get_text() for table in axis.tables for cell in table.get_celld().values()]
        texts += [axis.get_title(), *(text.get_text() for text in [*axis.findobj(Text), *cells])]
    return "\n".join(texts)


def test_the_words_are_all_there(tmp_path: Path) -> None:
    record = DATASETS["geotiff_folder"](write_layout("geotiff_folder", tmp_path), "train")[0]
    words = words_of(record)
    for part in ("2019-07-23", "river", "water; trees", "biomass: 41.5 t/ha", "a river; and trees"):
        assert part in words
    for part in ("Is there water?", "yes", "EPSG:32633", "unlabelled", "sentinel2_l2a"):
        assert part in words


def test_a_map_of_numbers_has_a_bar_with_its_unit_and_grey_holes(tmp_path: Path) -> None:
    record = DATASETS["geotiff_folder"](write_layout("geotiff_folder", tmp_path), "train")[0]
    axis, bar = (axis for axis in draw(record).get_axes() if "canopy height" in axis.get_title() or axis.get_ylabel())
    (drawn,) = axis.images
    assert axis.get_title() == "canopy height\n29 % unlabelled" and bar.get_ylabel() == "m"
    assert drawn.get_clim() == (0, 40) and drawn.get_cmap().name == "viridis"
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn.get_array()), np.isnan(record.value_map.values))
    assert np.ptp(axis.get_facecolor()[:3]) == 0 and axis.get_facecolor()[0] > 0.8


def test_the_printed_sample_tells_its_map(tmp_path: Path) -> None:
    record = DATASETS["geotiff_folder"](write_layout("geotiff_folder", tmp_path), "train")[0]
    values = record.value_map.values
    told = describe(record)
    spread = f"{np.nanmin(values):.4g} to {np.nanmax(values):.4g}"
    assert told["value map"] == {"name": "canopy height", "unit": "m", "labelled pixels": 340, "values": spread}
    assert any(line.startswith("value_map: Map the canopy height. -> ") for line in told["asked and answered"])
    empty = dataclasses.replace(record.value_map, values=np.full_like(values, np.nan))
    told = describe(dataclasses.replace(record, value_map=empty))
    assert told["value map"]["labelled pixels"] == 0 and "no labelled pixel" in told["value map"]["values"]


def test_table_and_series_carry_units_and_dates(tmp_path: Path) -> None:
    table = words_of(DATASETS["fuel_moisture"](write_layout("fuel_moisture", tmp_path), "train")[0])
    assert "VV (dB)" in table and "2018-06-15" in table and "live fuel moisture" in table
    series = words_of(DATASETS["cawa"](write_layout("cawa", tmp_path), "test")[0])
    assert "22 of 23 dates valid" in series and "scene: cotton" in series


def picture(valid: np.ndarray | None = None) -> Record:
    values = np.zeros((1, 8, 10, 3), np.float32)
    seen = observe(SENSORS["aerial_rgb"], values, valid=valid, time_days=[float("nan")], gsd_m=0.5)
    corners = np.array([[[1, 1], [4, 1], [4, 3], [1, 3]], [[5, 5], [7, 5], [7, 7], [5, 7]]], np.float32)
    return Record(id="x", observations={"aerial_rgb": seen}, boxes=Boxes(corners=corners, labels=("ship", "harbor")))


def test_boxes_lie_where_they_are() -> None:
    axis = draw(picture()).get_axes()[0]
    rings = [line.get_xydata() for line in axis.lines]
    np.testing.assert_allclose(rings[0][:4] + 0.5, [[1, 1], [4, 1], [4, 3], [1, 3]])
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["harbor (1)", "ship (1)"]


def test_invalid_pixels_are_grey() -> None:
    valid = np.ones((1, 8, 10), bool)
    valid[0, :4] = False
    axis = draw(picture(valid)).get_axes()[0]
    drawn = np.asarray(axis.images[0].get_array())
    assert (drawn[:4] == drawn[0, 0, 0]).all() and drawn[0, 0, 0] > 0.5 and (drawn[4:] == 0).all()
    assert "50 % invalid" in axis.get_title()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the drawing"):
        show(picture(), tmp_path / "file" / "sample.png")
