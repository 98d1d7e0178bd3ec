"""Every box convention: what it writes, what comes back within its stated precision, and texts that hold no box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.boxes import CONVENTIONS, decode, encode, precision_px, rectangle, smallest_rectangle
from rsfm.errors import UserError
from rsfm.metrics import oriented_iou
from rsfm.types import Boxes

SIZES = st.tuples(st.integers(20, 2000), st.integers(20, 2000))
ORIENTED = [name for name, how in CONVENTIONS.items() if how.form.endswith("a") or how.form in ("corners", "polygon")]
SHIP = Boxes(corners=np.array([[[51.2, 102.4], [153.6, 102.4], [153.6, 128.0], [51.2, 128.0]]]), labels=("ship",))


def distance(left: np.ndarray, right: np.ndarray) -> float:
    """Largest distance of corresponding corners, whichever corner comes first."""
    turns = [np.roll(right, k, axis=0) for k in range(4)]
    return min(float(np.linalg.norm(left - turn, axis=1).max()) for turn in turns)


def upright(draw: st.DrawFn, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    x0, x1 = sorted(draw(st.tuples(st.floats(0, width), st.floats(0, width))))
    y0, y1 = sorted(draw(st.tuples(st.floats(0, height), st.floats(0, height))))
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


@st.composite
def upright_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], np.ndarray]:
    size = draw(SIZES)
    return size, upright(draw, size)


@st.composite
def turned_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], np.ndarray]:
    height, width = draw(SIZES)
    center = draw(st.tuples(st.floats(0, width), st.floats(0, height)))
    sides = draw(st.tuples(st.floats(4, width), st.floats(4, height)))
    return (height, width), rectangle(center, *sides, draw(st.floats(-360, 360)))


@pytest.mark.parametrize("name", CONVENTIONS)
@settings(max_examples=30)
@given(given_box=upright_boxes())
def test_upright_boxes_come_back(name: str, given_box: tuple[tuple[int, int], np.ndarray]) -> None:
    size, corners = given_box
    text = encode(Boxes(corners=corners[None], labels=("",)), name, size=size)
    back = decode(text, name, size=size)
    assert len(back.corners) == 1, text
    assert distance(corners, back.corners[0]) <= precision_px(name, corners, size=size) + 1e-6
    assert "-0]" not in text and "<-0>" not in text


@pytest.mark.parametrize("name", ORIENTED)
@settings(max_examples=30)
@given(given_box=turned_boxes())
def test_oriented_boxes_come_back(name: str, given_box: tuple[tuple[int, int], np.ndarray]) -> None:
    size, corners = given_box
    back = decode(encode(Boxes(corners=corners[None], labels=("",)), name, size=size), name, size=size)
    assert distance(corners, back.corners[0]) <= precision_px(name, corners, size=size) + 1e-6


@pytest.mark.parametrize("name", [n for n in CONVENTIONS if n not in ORIENTED])
@settings(max_examples=30)
@given(given_box=turned_boxes())
def test_upright_conventions_hold_the_hull(name: str, given_box: tuple[tuple[int, int], np.ndarray]) -> None:
    size, corners = given_box
    low, high = corners.min(0), corners.max(0)
    if (low < 0).any() or (high > [size[1], size[0]]).any():
        return
    back = decode(encode(Boxes(corners=corners[None], labels=("",)), name, size=size), name, size=size).corners[0]
    hull = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    assert distance(hull, back) <= precision_px(name, hull, size=size) + 1e-6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pixel", "[51, 102, 154, 128]"),
        ("pixel_size", "[51, 102, 103, 26]"),
        ("normalized", "[0.100, 0.200, 0.300, 0.250]"),
        ("normalized_square", "[0.100, 0.200, 0.300, 0.250]"),
        ("pixel_json", '{"bbox_2d": [51, 102, 154, 128]}'),
        ("pixel_resized_json", '{"bbox_2d": [50, 101, 151, 126]}'),
        ("pixel_resized_up_json", '{"bbox_2d": [53, 106, 160, 133]}'),
        ("grid1000_json", '{"bbox_2d": [100, 200, 300, 250]}'),
        ("location_tokens_1000", "<loc_100><loc_200><loc_300><loc_250>"),
        ("normalized_center", "[0.2000, 0.2250, 0.2000, 0.0500]"),
        ("grid100", "{<10><20><30><25>}"),
        ("grid100_angle", "{<10><20><30><25>|<0>}"),
        ("grid100_angle_list", "[[10, 20, 30, 25, 0]]"),
        ("grid1000", "<box>(100,200),(300,250)</box>"),
        ("grid1000_list", "[[100, 200, 300, 250]]"),
        ("location_tokens", "<loc0205><loc0102><loc0256><loc0307>"),
        ("pixel_center_angle", "[102.4, 115.2, 102.4, 25.6, 0.0]"),
        ("corners", "[51, 102, 154, 102, 154, 128, 51, 128]"),
        ("grid100_corners", "{<10><20><30><20><30><25><10><25>}"),
        ("polygon", "[(51, 102), (154, 102), (154, 128), (51, 128)]"),
    ],
)
def test_texts_are_those_published(name: str, text: str) -> None:
    assert encode(SHIP, name, size=(512, 512)) == text


def test_every_convention_has_an_example_above() -> None:
    marks = test_texts_are_those_published.pytestmark[0].args[1]
    assert {name for name, _ in marks} == set(CONVENTIONS)


def test_published_texts_are_read() -> None:
    """A GeoChat answer, an EarthDial answer, a VRSBench label, a Qwen answer: numbers, labels and the sense of the angle."""
    answer = "There is <p>a ship</p> {<20><40><60><60>|<90>} and <p>two cars</p> {<1><2><3><4>|<0>}{<5><6><7><8>|<30>}."
    found = decode(answer, "grid100_angle", size=(100, 100))
    assert found.labels == ("a ship", "two cars", "two cars")
    np.testing.assert_allclose([found.corners[0].min(0), found.corners[0].max(0)], [[30, 30], [50, 70]], atol=1e-9)
    turned = decode("[[40, 45, 60, 55, 30]]", "grid100_angle_list", size=(100, 100)).corners[0]
    assert turned[1][1] < turned[0][1], "counter-clockwise on the screen: the right end goes up"
    label = decode("{<37><59><42><71>}", "grid100", size=(512, 1024)).corners[0]
    np.testing.assert_allclose(label[0], [0.37 * 1024, 0.59 * 512])
    qwen = decode("<ref>the ship</ref><box>(100,200),(300,250)</box>", "grid1000", size=(10, 10))
    assert qwen.labels == ("the ship",)
    np.testing.assert_allclose(qwen.corners[0][2], [3, 2.5])


def test_labels_are_written_once_a_run() -> None:
    both = Boxes(corners=np.repeat(SHIP.corners, 3, 0), labels=("ship", "ship", "car"))
    text = encode(both, "grid100", size=(512, 512), labels=True)
    assert text.count("<p>ship</p>") == 1 and decode(text, "grid100", size=(512, 512)).labels == both.labels


@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize(
    "text", ["", "There is no ship.", "[1, 2", "{<10><20>}", "(3, 4)", "<p>ship</p>", "[]", "[[a, b]]"]
)
def test_a_text_without_a_box_has_none(name: str, text: str) -> None:
    assert decode(text, name, size=(10, 10)).corners.shape == (0, 4, 2)


@settings(max_examples=50)
@given(st.text(alphabet="[](){}<>|,.-0123456789 loc", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    for name in CONVENTIONS:
        found = decode(text, name, size=(10, 20))
        assert len(found.corners) == len(found.labels) and np.isfinite(found.corners).all()


def test_a_polygon_becomes_the_smallest_rectangle_around_it() -> None:
    star = np.array([[0, 0], [10, 2], [12, 9], [5, 14], [-3, 8]], float)
    text = "[" + ", ".join(f"({x:g}, {y:g})" for x, y in star) + "]"
    corners = decode(text, "polygon").corners
    inside = oriented_iou(corners, np.array([[[3, 4], [5, 4], [5, 6], [3, 6]]], float))
    assert inside > 0, "as a box: the smallest rectangle around"


@settings(max_examples=50)
@given(turned_boxes())
def test_the_smallest_rectangle_of_a_rectangle_is_itself(given_box: tuple[tuple[int, int], np.ndarray]) -> None:
    _, corners = given_box
    assert distance(corners, smallest_rectangle(corners)) < 1e-6 * (1 + np.abs(corners).max())


def test_errors_name_what_is_missing() -> None:
    with pytest.raises(UserError, match=r"Unknown box convention 'grid10'\. Did you mean 'grid100'"):
        encode(SHIP, "grid10", size=(1, 1))
    with pytest.raises(UserError, match=r"'grid100' counts in parts of the picture: give size=\(height, width\)"):
        decode("{<1><2><3><4>}", "grid100")
