"""A picture of a mask over its image with a legend, for people.  h w pixels"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from rsfm.data.writing.atomic import written_whole
from rsfm.data.writing.palette import Colour, class_colours
from rsfm.types import Mask

_SMALLEST, _LARGEST = 600, 1600  # longer edge of each of the two pictures in pixels
_GAP = 10
_OPACITY = 0.5
_INK, _FAINT, _PAPER = (28, 32, 38), (112, 118, 126), (250, 250, 248)


def write_overlay(
    path: str | Path,
    rgb: Shaped[np.ndarray, "h w 3"],
    mask: Mask,
    colors: Mapping[str, Colour] | None = None,
    title: str = "",
) -> None:
    """Writes a PNG: the image alone, the image under translucent classes, and a legend with their shares.

    Args:
        path: the PNG to write.
        rgb: red, green, blue in any units, stretched by percentiles; NaN and all-zero pixels count as empty.
        mask: class of each pixel of the image.
        colors: red green blue of classes, by name.
        title: a line above the legend, such as the question.
    """
    path = Path(path)
    colours = class_colours(mask.legend, colors)
    step = max(1, math.ceil(max(rgb.shape[:2]) / _LARGEST))
    small, classes = stretch(rgb[::step, ::step]), mask.class_index[::step, ::step]
    grow = max(1, round(_SMALLEST / max(classes.shape)))
    pixels = np.array(
        Image.fromarray(small).resize((small.shape[1] * grow, small.shape[0] * grow), Image.Resampling.BICUBIC)
    )
    classes = classes.repeat(grow, 0).repeat(grow, 1)
    picture = _paired(pixels, _tinted(pixels, classes, colours))
    panel = _legend(mask, colours, title, picture.height)
    sheet = Image.new("RGB", (picture.width + panel.width, max(picture.height, panel.height)), _PAPER)
    sheet.paste(picture, (0, 0))
    sheet.paste(panel, (picture.width, 0))
    with written_whole(path) as folder:
        sheet.save(folder / path.name, format="PNG", optimize=True)


def stretch(rgb: Shaped[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Percentile stretch of each band to 0..255 with a mild gamma; the colour balance is kept.

    Args:
        rgb: red, green, blue in any units.
    """
    values = rgb.astype(np.float32)
    seen = np.isfinite(values).all(-1) & (values != 0).any(-1)
    if not seen.any():
        return np.zeros(rgb.shape, np.uint8)
    low, high = np.percentile(values[seen], (1.5, 98.5), axis=0)
    # A common span keeps the colour balance of scenes that are truly green or brown.
    low, high = 0.5 * (low + low.min()), 0.5 * (high + high.max())
    scaled = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1) ** 0.85
    return np.where(seen[..., None], np.nan_to_num(scaled) * 255, 0).astype(np.uint8)


def _paired(first: UInt8[np.ndarray, "h w 3"], second: UInt8[np.ndarray, "h w 3"]) -> Image.Image:
    """Two pictures beside each other, or one above the other where they are wide."""
    height, width = first.shape[:2]
    down, right = (height + _GAP, 0) if width > 1.5 * height else (0, width + _GAP)
    pair = Image.new("RGB", (width + right, height + down), _PAPER)
    pair.paste(Image.fromarray(first), (0, 0))
    pair.paste(Image.fromarray(second), (right, down))
    return pair


def _tinted(pixels: UInt8[np.ndarray, "h w 3"], classes: np.ndarray, colours: tuple[Colour, ...]) -> np.ndarray:
    table = np.array([*colours, (0, 0, 0)], np.float32)
    tint, labelled = table[classes], (classes >= 0)[..., None]
    grey = pixels.mean(-1, keepdims=True)
    faded = 0.4 * pixels + 0.6 * grey  # green fields would turn every class on them green
    mixed = np.where(labelled, (1 - _OPACITY) * faded + _OPACITY * tint, pixels.astype(np.float32))
    edge = np.zeros(classes.shape, bool)
    edge[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    edge[1:] |= classes[1:] != classes[:-1]
    return np.where(edge[..., None], 0.25 * mixed + 0.75 * tint * 0.8, mixed).clip(0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class _Sheet:
    size: int  # of the text in pixels

    @property
    def font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(self.size)

    def width(self, text: str) -> int:
        return math.ceil(self.font.getlength(text))


def _legend(mask: Mask, colours: tuple[Colour, ...], title: str, height: int) -> Image.Image:
    """Classes by share of the picture, largest first, each with its colour; classes that are nowhere are listed faintly."""
    shares = np.array(mask.shares)
    order = np.argsort(-shares, kind="stable")
    text = _Sheet(int(np.clip(0.8 * height / (1.7 * len(order) + 4), 13, 22)))
    line, pad = round(text.size * 1.7), round(text.size * 1.3)
    names = max((text.width(name) for name in mask.legend), default=0)
    number = text.width("100.0 %")
    width = 2 * pad + round(1.6 * text.size) + names + pad + number
    heading = _Sheet(round(text.size * 1.05))
    head = _wrapped(title, heading, width - 2 * pad)
    panel = Image.new("RGB", (width, max(height, 2 * pad + line * (len(order) + len(head) + 4))), _PAPER)
    draw, y = ImageDraw.Draw(panel), pad
    for row in head:
        draw.text((pad, y), row, fill=_INK, font=heading.font)
        y += line
    y += line // 3 if head else 0
    for i in order:
        ink = _INK if shares[i] > 0 else _FAINT
        box = (pad, y + text.size // 10, pad + text.size, y + text.size // 10 + text.size)
        draw.rounded_rectangle(
            box, radius=text.size // 5, fill=colours[i], outline=tuple(int(c * 0.7) for c in colours[i])
        )
        draw.text((pad + round(1.6 * text.size), y), mask.legend[i], fill=ink, font=text.font)
        share = f"{100 * shares[i]:.1f} %"
        draw.text((width - pad - text.width(share), y), share, fill=ink, font=text.font)
        y += line
    unlabelled = 1 - shares.sum()
    if unlabelled > 5e-4:
        told = f"{100 * unlabelled:.1f} % of the picture without a class"
        for at, words in enumerate(_wrapped(told, text, width - 2 * pad)):
            draw.text((pad, y + line // 3 + at * line), words, fill=_FAINT, font=text.font)
    return panel


def _wrapped(text: str, sheet: _Sheet, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and sheet.width(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
