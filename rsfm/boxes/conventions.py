"""How published instruction data writes a box: the order of the numbers, their grid, the angle, the brackets around them."""

import dataclasses
from collections.abc import Mapping

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_BLANK = r"(?:\s*,\s*|\s+)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Convention:
    """How one kind of text tells a box.

    Attributes:
        summary: the numbers in words, and who writes them so.
        form: order and meaning of the numbers: "xyxy" and "yxyx" two corners, "xywh" corner and size, "cxcywh" centre and
            size, "xyxya" and "cxcywha" the same of the box before it is turned by an angle, "corners" all four, "polygon"
            any number of vertices.
        scale: the numbers run from 0 to `scale` over the width and the height; None = pixels.
        decimals: digits behind the point.
        top: largest number that can be written; None = no limit.
        text: the box with a {} for each number.
        pattern: what matches it, a group a number.
        frame: what the numbers are counted over: "picture"; "square", the picture padded about its middle to a square;
            "resized", the picture as Qwen2-VL and 2.5 see it, edges the nearest multiples of 28; "resized_up", the next ones.
        bare: the text is a plain list of numbers, as other conventions write it, too.
        clockwise: whether a positive angle turns clockwise on the screen.
        tag: marks around the phrase that names the boxes behind it.
    """

    summary: str
    form: str
    scale: float | None = None
    decimals: int = 0
    top: float | None = None
    text: str
    pattern: str
    frame: str = "picture"
    bare: bool = False
    clockwise: bool = True
    tag: tuple[str, str] = ("<p>", "</p>")


def _list(count: int, opening: str = r"\[", closing: str = r"\]") -> str:
    return opening + r"\s*" + _BLANK.join([_NUMBER] * count) + r"\s*" + closing


_JSON = r'"(?:bbox_2d|bbox|box_2d|box)"\s*:\s*' + _list(4)
_ANGLES = r"\{<(-?\d+)><(-?\d+)><(-?\d+)><(-?\d+)>(?:\|<(-?\d+)>?)?\}"
CONVENTIONS: Mapping[str, Convention] = {
    "pixel": Convention(
        summary="left, top, right, bottom in pixels", form="xyxy", text="[{}, {}, {}, {}]", pattern=_list(4), bare=True
    ),
    "pixel_size": Convention(
        summary="left, top, width, height in pixels (COCO)",
        form="xywh",
        text="[{}, {}, {}, {}]",
        pattern=_list(4),
        bare=True,
    ),
    "normalized": Convention(
        summary="left, top, right, bottom as shares of the picture (LLaVA)",
        form="xyxy",
        scale=1.0,
        decimals=3,
        text="[{}, {}, {}, {}]",
        pattern=_list(4),
        bare=True,
    ),
    "normalized_square": Convention(
        summary="left, top, right, bottom as shares of the picture padded to a square (LLaVA 1.5)",
        form="xyxy",
        scale=1.0,
        decimals=3,
        text="[{}, {}, {}, {}]",
        pattern=_list(4),
        frame="square",
        bare=True,
    ),
    "normalized_center": Convention(
        summary="centre x and y, width, height as shares of the picture (YOLO)",
        form="cxcywh",
        scale=1.0,
        decimals=4,
        text="[{}, {}, {}, {}]",
        pattern=_list(4),
        bare=True,
    ),
    "grid100": Convention(
        summary="left, top, right, bottom on a grid of 100 (VRSBench, MiniGPT-v2)",
        form="xyxy",
        scale=100.0,
        text="{{<{}><{}><{}><{}>}}",
        pattern=r"\{<(-?\d+)><(-?\d+)><(-?\d+)><(-?\d+)>(?:\|<-?\d+>?)?\}",
    ),
    "grid100_angle": Convention(
        summary="the box before its turn on a grid of 100, and the angle in degrees (GeoChat)",
        form="xyxya",
        scale=100.0,
        text="{{<{}><{}><{}><{}>|<{}>}}",
        pattern=_ANGLES,
        clockwise=False,  # as GeoChat draws them (OpenCV's rotation) and EarthDial scores them
    ),
    "grid100_angle_list": Convention(
        summary="the same as a list in double brackets (EarthDial)",
        form="xyxya",
        scale=100.0,
        text="[[{}, {}, {}, {}, {}]]",
        pattern=_list(5, r"\[\[", r"\]\]"),
        clockwise=False,
        tag=("<ref>", "</ref>"),
    ),
    "grid1000": Convention(
        summary="left, top, right, bottom on a grid of 1000 (Qwen-VL)",
        form="xyxy",
        scale=1000.0,
        text="<box>({},{}),({},{})</box>",
        pattern=r"\(\s*"
        + _NUMBER
        + r"\s*,\s*"
        + _NUMBER
        + r"\s*\)\s*,\s*\(\s*"
        + _NUMBER
        + r"\s*,\s*"
        + _NUMBER
        + r"\s*\)",
        tag=("<ref>", "</ref>"),
    ),
    "grid1000_list": Convention(
        summary="the same as a list in double brackets (InternVL)",
        form="xyxy",
        scale=1000.0,
        text="[[{}, {}, {}, {}]]",
        pattern=_list(4, r"\[?\[", r"\]\]?"),
        bare=True,
        tag=("<ref>", "</ref>"),
    ),
    "pixel_json": Convention(
        summary='left, top, right, bottom in pixels as JSON under "bbox_2d"',
        form="xyxy",
        text='{{"bbox_2d": [{}, {}, {}, {}]}}',
        pattern=_JSON,
    ),
    "pixel_resized_json": Convention(
        summary="the same in pixels of the picture resized to multiples of 28 (Qwen2.5-VL)",
        form="xyxy",
        text='{{"bbox_2d": [{}, {}, {}, {}]}}',
        pattern=_JSON,
        frame="resized",
    ),
    "pixel_resized_up_json": Convention(
        summary="the same where edges are rounded up to multiples of 28 (Qwen2.5-VL in llama.cpp)",
        form="xyxy",
        text='{{"bbox_2d": [{}, {}, {}, {}]}}',
        pattern=_JSON,
        frame="resized_up",
    ),
    "grid1000_json": Convention(
        summary="the same on a grid of 1000 (Qwen3-VL, InternVL)",
        form="xyxy",
        scale=1000.0,
        text='{{"bbox_2d": [{}, {}, {}, {}]}}',
        pattern=_JSON,
    ),
    "location_tokens_1000": Convention(
        summary="left, top, right, bottom as tokens of a grid of 1000 (Florence-2)",
        form="xyxy",
        scale=1000.0,
        top=999.0,
        text="<loc_{}><loc_{}><loc_{}><loc_{}>",
        pattern=r"<loc_(\d{1,3})>" * 4,
    ),
    "location_tokens": Convention(
        summary="top, left, bottom, right as tokens of a grid of 1024 (PaliGemma)",
        form="yxyx",
        scale=1024.0,
        top=1023.0,
        text="<loc{:0>4}><loc{:0>4}><loc{:0>4}><loc{:0>4}>",
        pattern=r"<loc(\d{4})>" * 4,
    ),
    "pixel_center_angle": Convention(
        summary="centre x and y, width, height in pixels, and the angle in degrees (OpenCV, mmrotate)",
        form="cxcywha",
        decimals=1,
        text="[{}, {}, {}, {}, {}]",
        pattern=_list(5),
    ),
    "corners": Convention(
        summary="four corners in pixels (DOTA)",
        form="corners",
        text="[{}, {}, {}, {}, {}, {}, {}, {}]",
        pattern=_list(8),
    ),
    "grid100_corners": Convention(
        summary="four corners on a grid of 100",
        form="corners",
        scale=100.0,
        text="{{<{}><{}><{}><{}><{}><{}><{}><{}>}}",
        pattern=r"\{" + r"<(-?\d+)>" * 8 + r"\}",
    ),
    "polygon": Convention(
        summary="vertices in pixels, three or more",
        form="polygon",
        text="[{}]",
        pattern=r"\[((?:\s*\(\s*-?\d+(?:\.\d+)?\s*,\s*-?\d+(?:\.\d+)?\s*\)\s*,?){3,})\]",
    ),
}
