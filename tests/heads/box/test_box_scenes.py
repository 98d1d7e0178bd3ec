"""Boxes over windows: each thing once, whole where a window shows it whole; what an answer holds, writes and draws."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rsfm.boxes import rectangle
from rsfm.heads import BoxHead
from rsfm.heads.box.coding import box_numbers
from rsfm.heads.scene import Canvas, Tiling, Window
from rsfm.metrics import matched, oriented_iou
from rsfm.types import Answer, Boxes, GeoGrid

SIZE = 40


def turned(x: float, y: float, width: float, height: float, angle: float = 0.0) -> np.ndarray:
    return rectangle([float(x), float(y)], float(width), float(height), float(angle))


def canvas(height: int = 100, width: int = 130, overlap: float = 0.25, subjects: tuple[str, ...] = ("ship",)) -> Canvas:
    return Canvas(tiling=Tiling(height=height, width=width, size=SIZE, overlap=overlap), subjects=subjects)


def windows(scene: Canvas, *classes: list[np.ndarray], cut: bool = True, sure: float = 0.9) -> Iterator[Window]:
    """What a head without fault gives: in each window the boxes whose centre is in it, cut at its edge as the pixels are."""
    for row, top in enumerate(scene.tiling.rows):
        for column, left in enumerate(scene.tiling.columns):
            rows = np.zeros((len(classes), 8, 8), np.float32)
            for i, boxes in enumerate(classes):
                own = [_visible(each - [left, top], cut) for each in boxes]
                own = [each for each in own if each is not None]
                for k, each in enumerate(own):
                    rows[i, k] = [sure, *box_numbers(each[None])[0]]
            yield Window(row=row, column=column, valid=np.ones((SIZE, SIZE), bool), value=rows)


def _visible(corners: np.ndarray, cut: bool) -> np.ndarray | None:
    """Of an upright box the part in the window, of a turned one the whole where its centre is in it."""
    upright = np.allclose(corners[0, 1], corners[1, 1])
    if cut and upright:
        low, high = np.clip(corners.min(0), 0, SIZE), np.clip(corners.max(0), 0, SIZE)
        if (high - low).min() < 2:
            return None
        return np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    centre = corners.mean(0)
    return corners if ((centre >= 0) & (centre < SIZE)).all() else None


def test_a_box_on_a_seam_is_found_once_and_whole() -> None:
    scene = canvas()
    seam = scene.tiling.columns[1] - 0.5  # whole in the first window, its last half in the second, too
    ship = turned(seam, 20, 9, 8)
    joined = BoxHead.join(windows(scene, [ship]), scene)
    assert len(joined.corners) == 1 and oriented_iou(joined.corners, ship[None])[0, 0] > 0.99


PLACE = st.tuples(st.floats(6, 124), st.floats(6, 94), st.floats(4, 9), st.floats(4, 9), st.floats(0, 180))


@settings(max_examples=30, deadline=None)
@given(st.lists(PLACE, min_size=1, max_size=8))
def test_every_thing_once_wherever_the_windows_lie(things: list[tuple[float, ...]]) -> None:
    corners = np.stack([turned(*each) for each in things])
    apart = [i for i in range(len(corners)) if not (oriented_iou(corners[i : i + 1], corners[:i]) > 0).any()]
    corners = corners[apart]
    scene = canvas()
    joined = BoxHead.join(windows(scene, list(corners)), scene)
    assert len(joined.corners) == len(corners) == matched(oriented_iou(joined.corners, corners), 0.9)


def test_neighbours_across_a_seam_stay_two() -> None:
    scene = canvas()
    seam = float(scene.tiling.columns[1])
    two = [turned(seam + 3, 20, 8, 8), turned(seam + 11.5, 20, 8, 8)]
    assert len(BoxHead.join(windows(scene, two), scene).corners) == 2


def test_classes_are_joined_apart_and_windows_without_data_passed_over() -> None:
    scene = canvas(subjects=("ship", "harbor"))
    here = turned(30, 30, 10, 10)
    joined = BoxHead.join(windows(scene, [here], [here]), scene)
    assert sorted(joined.labels) == ["harbor", "ship"]
    nothing = (dataclasses.replace(window, value=None) for window in windows(scene, [here], [here]))
    assert BoxHead.join(nothing, scene).labels == ()


def test_the_edge_of_the_scene_cuts_nothing_off_and_what_is_beyond_is_none() -> None:
    scene = canvas(height=30, width=30)
    corner, beyond = turned(3, 3, 8, 8), turned(35, 10, 8, 8)  # the window reaches past the scene
    joined = BoxHead.join(windows(scene, [corner, beyond], cut=False), scene)
    assert len(joined.corners) == 1 and joined.corners.min() < 0, "boxes may reach over the edge"


def test_decode_has_a_fixed_number_and_dates_are_put_together() -> None:
    heat = jnp.full((2, 3, 20, 20), -9.0).at[0, 0, 4, 5].set(3.0).at[0, 1, 9, 9].set(2.0)
    numbers = jnp.zeros((2, 3, 20, 20, 7)).at[..., 0].set(7.0)
    values = BoxHead.decode({"heat": heat, "numbers": numbers}, 2)
    assert len(values) == 2 and values[0].shape[0] == 2 and values[0].shape[2] == 8
    assert values[0][0, 0, 0] == pytest.approx(1 / (1 + np.exp(-3.0)), abs=1e-5) and values[0][0, 0, 1] == 7.0
    both = BoxHead.over_dates(values, np.array([1.0, 3.0]))
    assert both.shape[1] == 2 * values[0].shape[1]


# --- the answer

GRID = GeoGrid(crs="EPSG:32633", transform=(0.5, 0.0, 500000.0, 0.0, -0.5, 5200000.0), height=100, width=130)
FOUND = Boxes(
    corners=np.stack([turned(40, 30, 20, 6, 30), turned(80, 60, 10, 10), turned(20, 80, 8, 8)]),
    labels=("ship", "ship", "harbor"),
    scores=(0.93, 0.2, 0.7),
)


def answer(**changes: Any) -> Answer:
    asked = Answer(question="Where are the ships?", text="", grid=GRID)
    return dataclasses.replace(BoxHead.placed(asked, FOUND, canvas(subjects=("ship", "harbor")), ("ship",)), **changes)


def test_only_sure_boxes_of_what_was_asked_are_given_and_the_others_kept_for_scores() -> None:
    made = answer()
    assert made.boxes is not None and made.boxes.labels == ("ship",) and made.text == "ship: 1."
    assert made.parts["box"].labels == ("ship", "ship")
    whole = BoxHead.placed(Answer(question="", text="Two kinds."), FOUND, canvas(subjects=("ship", "harbor")), ())
    assert whole.text == "Two kinds." and whole.boxes is not None and whole.boxes.labels == ("ship", "harbor")


def test_files(tmp_path: Path) -> None:
    made = answer()
    assert BoxHead.write(made, tmp_path, "_2") == ["boxes_2.geojson"]
    feature = json.loads((tmp_path / "boxes_2.geojson").read_text())["features"][0]
    told = feature["properties"]
    assert (told["label"], told["score"]) == ("ship", 0.93)
    assert (told["length_px"], told["width_px"], told["angle_deg"]) == (20.0, 6.0, 30.0)
    longitude, latitude = np.array(feature["geometry"]["coordinates"][0]).T
    assert abs(longitude - 15.0).max() < 0.01 and abs(latitude - 46.95).max() < 0.05
    assert BoxHead.to_json(made)["boxes"][0]["score"] == 0.93
    words = Answer(question="", text="No.")
    assert BoxHead.write(words, tmp_path, "") == [] and BoxHead.to_json(words) == {} and BoxHead.features(words) is None
    nothing = dataclasses.replace(made, boxes=Boxes(corners=np.zeros((0, 4, 2)), labels=(), scores=()))
    assert BoxHead.write(nothing, tmp_path, "") == ["boxes.geojson"], "that nothing was found is an answer, too"
    assert BoxHead.overlay(nothing, np.full((50, 65, 3), 0.3), tmp_path / "none.png")


def test_outlines_lie_where_the_boxes_do_on_a_smaller_picture(tmp_path: Path) -> None:
    picture = np.linspace(0, 1, 50 * 65 * 3).reshape(50, 65, 3) * 0 + np.random.default_rng(0).normal(
        0.5, 0.01, (50, 65, 3)
    )
    nothing = dataclasses.replace(answer(), boxes=Boxes(corners=np.zeros((0, 4, 2)), labels=(), scores=()))
    assert BoxHead.overlay(answer(), picture, tmp_path / "a.png") and BoxHead.overlay(
        nothing, picture, tmp_path / "b.png"
    )
    one, other = (np.asarray(Image.open(tmp_path / name).convert("RGB"), float) for name in ("a.png", "b.png"))
    height = round(50 * 700 / 65)
    changed = np.argwhere(np.abs(one[:height] - other[:height]).sum(-1) > 30) / (700 / 130)  # in pixels of the scene
    low, high = FOUND.corners[0].min(0), FOUND.corners[0].max(0)
    assert (changed.min(0)[::-1] >= low - 1.5).all() and (changed.max(0)[::-1] <= high + 1.5).all()
    assert np.abs(changed.min(0)[::-1] - low).max() < 1.5


def test_drawn_with_matplotlib() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    axes = plt.subplots()[1]
    BoxHead.draw(answer(), axes, alpha=1.0)
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata()[:4], FOUND.corners[0])
    assert BoxHead.rows(answer()) == [("boxes", "1 ship")]
    plt.close("all")
