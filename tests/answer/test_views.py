"""Answers in other people's tools say the same as the answer, on the same grid."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsfm.answer import views
from rsfm.errors import UserError
from rsfm.types import Answer, Boxes, GeoGrid, Mask, Value

GRID = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_200_000.0), height=6, width=8)


@pytest.fixture
def mapped(rng: np.random.Generator) -> Answer:
    mask = Mask(class_index=rng.integers(-1, 2, (6, 8)).astype(np.int8), legend=("water", "bare <soil>"))
    chance = rng.random((2, 6, 8), dtype=np.float32)
    return Answer(question="Map.", text="water", mask=mask, probability=chance, grid=GRID, notes=("no date",))


@pytest.fixture
def measured(rng: np.random.Generator) -> Answer:
    values = (Value(name="mean canopy height", value=3.0, unit="m", low=2.0, high=4.0),)
    band = rng.random((6, 8, 3), dtype=np.float32)
    return Answer(question="Map the canopy height.", text="3 m", values=values, value_map=band, grid=GRID)


BOXED = Answer(
    question="Where are planes?",
    text="one",
    boxes=Boxes(corners=np.array([[[1, 1], [3, 1], [3, 4], [1, 4]]], np.float32), labels=("plane",)),
    grid=GRID,
)
WORDS = Answer(question="What is this?", text="an airport")


def test_xarray_has_the_map_on_its_grid(mapped: Answer, measured: Answer) -> None:
    pytest.importorskip("rioxarray")
    dataset = mapped.to_xarray()
    np.testing.assert_array_equal(dataset["mask"].values, mapped.mask.class_index)
    assert dataset["mask"].attrs["legend"] == list(mapped.mask.legend)
    np.testing.assert_array_equal(dataset["probability"].sel({"class": "water"}), mapped.probability[0])
    assert dataset.rio.crs.to_epsg() == 32633
    assert dataset.rio.bounds() == (500_000, 5_199_940, 500_080, 5_200_000)
    numbers = measured.to_xarray()["values"]
    np.testing.assert_array_equal(numbers.sel(layer="high"), measured.value_map[..., 2])
    assert numbers.attrs["long_name"] == "canopy height m"


def test_geopandas_has_every_pixel_of_the_classes_on_the_map(mapped: Answer) -> None:
    pytest.importorskip("geopandas")
    table = mapped.to_geopandas()
    for place, name in enumerate(mapped.mask.legend):
        area = table[table["class"] == name].area.sum()
        assert area == pytest.approx(100 * (mapped.mask.class_index == place).sum())
    assert table.crs.to_epsg() == 32633
    boxes = BOXED.to_geopandas()
    assert boxes.total_bounds == pytest.approx([500_010, 5_199_960, 500_030, 5_199_990])
    assert list(boxes["label"]) == ["plane"]


def test_a_plot_names_classes_and_units(mapped: Answer, measured: Answer) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = mapped.plot()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(mapped.mask.legend)
    transparent = axes.images[0].get_array()[..., 3] == 0
    np.testing.assert_array_equal(transparent, mapped.mask.class_index < 0)
    assert measured.plot().figure.axes[1].get_ylabel() == "canopy height m"
    assert len(BOXED.plot().lines) == 1


def test_saved_files_hold_the_answer_and_nothing_half_written(mapped: Answer, measured: Answer, tmp_path: Path) -> None:
    files = mapped.save(tmp_path / "map")
    told = json.loads((tmp_path / "map" / "answer.json").read_text())
    assert {path.name for path in files} == {"answer.json", *told["files"]} and told["text"] == "water"
    with rasterio.open(tmp_path / "map" / "mask.tif") as opened:
        assert opened.crs.to_epsg() == 32633
        stored = opened.read(1).astype(int)
    np.testing.assert_array_equal(stored == opened.nodata, mapped.mask.class_index < 0)
    assert [path.name for path in measured.save(tmp_path / "numbers")] == ["answer.json", "values.tif"]
    assert [path.name for path in WORDS.save(tmp_path / "words")] == ["answer.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="expected a folder"):
        mapped.save(tmp_path / "file")


@pytest.mark.parametrize("view", ["to_xarray", "to_geopandas"])
def test_words_have_no_map(view: str) -> None:
    pytest.importorskip("geopandas")
    with pytest.raises(UserError, match=r"'What is this\?' was answered"):
        getattr(WORDS, view)()


@pytest.mark.parametrize(
    ("view", "missing", "extra"),
    [("plot", "matplotlib", "notebooks"), ("to_xarray", "xarray", "geo"), ("to_geopandas", "geopandas", "geo")],
)
def test_a_missing_library_is_named_with_its_extra(view, missing, extra, mapped: Answer, monkeypatch) -> None:
    def absent(name: str):
        raise ImportError(name)

    monkeypatch.setattr(views.importlib, "import_module", absent)
    with pytest.raises(UserError, match=rf"needs {missing}, .*pip install 'rsfm\[{extra}\]'"):
        getattr(views, view)(mapped)


def test_reprs_are_short_and_html_is_escaped(mapped: Answer) -> None:
    assert len(repr(mapped).splitlines()) == 1 and len(repr(mapped)) < 600
    assert "int8[6,8]" in repr(mapped) and "bare &lt;soil&gt;" in mapped._repr_html_()
    value = Value(name="a", value=3.0, unit="m", low=2.0, high=4.0)
    assert "3 [2, 4] m" in Answer(question="", text="", values=(value,))._repr_html_()
