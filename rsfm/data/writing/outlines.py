"""A picture of boxes over their image with a legend, for people.   n boxes · h w pixels"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageDraw, ImageFont

from rsfm.data.writing.atomic import written_whole
from rsfm.data.writing.overlay import stretch
from rsfm.data.writing.palette import Colour, class_colours
from rsfm.types import Boxes

SMALLEST, LARGEST = 700, 1600  # longer edge of the picture in pixels
_TEXT, _LINE, _MARGIN = 15, 24, 12
_INK, _PAPER, _HALO = (28, 32, 38), (250, 250, 248), (0, 0, 0)


def write_outlines(
    path: str | Path,
    rgb: Shaped[np.ndarray, "h w 3"],
    boxes: Boxes,
    size: tuple[int, int],
    title: str = "",
    colors: Mapping[str, Colour] | None = None,
) -> None:
    """Writes a PNG: the image with the outline of each box in the colour of its class, and how many there are of each.

    Args:
        path: the PNG to write.
        rgb: red, green, blue in any units, stretched by percentiles; it may be smaller than what the boxes count in.
        boxes: in pixels of the scene; those of less certain ones are drawn thinner.
        size: height and width of the scene.
        title: a line above the legend, such as the question.
        colors: red green blue of classes, by name.
    """
    path = Path(path)
    names = tuple(name for name, _ in Counter(boxes.labels).most_common())
    colours = dict(zip(names, class_colours(names, colors), strict=True))
    factor = np.clip(max(rgb.shape[:2]), SMALLEST, LARGEST) / max(rgb.shape[:2])
    picture = Image.fromarray(stretch(rgb))
    picture = picture.resize((round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)), Image.Resampling.BICUBIC)
    draw, scale = ImageDraw.Draw(picture), np.array([picture.width / size[1], picture.height / size[0]])
    sure = boxes.scores or (1.0,) * len(boxes.labels)
    for corners, label, score in sorted(zip(boxes.corners, boxes.labels, sure, strict=True), key=lambda one: one[2]):
        ring = [(float(x), float(y)) for x, y in np.concatenate([corners, corners[:1]]) * scale]
        draw.line(ring, fill=_HALO, width=4 if score >= 0.5 else 3, joint="curve")
        draw.line(ring, fill=colours[label], width=2 if score >= 0.5 else 1, joint="curve")
    sheet = _with_legend(picture, colours, Counter(boxes.labels), title)
    with written_whole(path) as folder:
        sheet.save(folder / path.name, format="PNG", optimize=True)


def _with_legend(picture: Image.Image, colours: Mapping[str, Colour], counts: Counter[str], title: str) -> Image.Image:
    """The picture with the title and a line a class below it."""
    font = ImageFont.load_default(_TEXT)
    rows: list[tuple[Colour | None, str]] = [(None, title)] if title else []
    rows += [(colours[name], f"{name}: {counts[name]}") for name in colours] or [(None, "no box")]
    sheet = Image.new("RGB", (picture.width, picture.height + _MARGIN * 2 + _LINE * len(rows)), _PAPER)
    sheet.paste(picture, (0, 0))
    draw, y = ImageDraw.Draw(sheet), picture.height + _MARGIN
    for colour, words in rows:
        indent = _MARGIN
        if colour is not None:
            draw.rectangle((_MARGIN, y + 2, _MARGIN + _TEXT, y + 2 + _TEXT), fill=colour)
            indent += _LINE
        draw.text((indent, y), words, fill=_INK, font=font)
        y += _LINE
    return sheet
