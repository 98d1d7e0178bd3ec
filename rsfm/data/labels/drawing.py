"""The map of a split, as a PNG: every picture small, its blocks framed in the colour of their split.  h w pixels"""

from collections import Counter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from rsfm.data.labels.description import Description, Place
from rsfm.data.reading.scene import open_scene
from rsfm.data.writing.atomic import written_whole
from rsfm.data.writing.overlay import stretch
from rsfm.data.writing.quicklook import quicklook

COLOURS = {"train": (74, 144, 226), "val": (245, 166, 35), "test": (208, 44, 66)}
MOST, COLUMNS = 12, 4  # pictures drawn, and in a row
LARGEST, ALONE = 320, 900  # longer edge of a picture in pixels, among others and alone
GAP, LINE, INK, PAPER = 12, 20, (28, 32, 38), (250, 250, 248)


def draw_split(description: Description, path: Path) -> None:
    """Writes the map.

    Args:
        description: of the data set.
        path: of the PNG.
    """
    numbers = sorted({place.picture for place in description.places})[:MOST]
    tiles = [_tile(description, number, ALONE if len(numbers) == 1 else LARGEST) for number in numbers]
    columns = min(COLUMNS, len(tiles))
    wide, high = max(tile.width for tile in tiles) + GAP, max(tile.height for tile in tiles) + GAP
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (max(columns * wide + GAP, 420), rows * high + GAP + LINE * (len(COLOURS) + 1)), PAPER)
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + i % columns * wide, GAP + i // columns * high))
    _legend(sheet, description, rows * high + GAP)
    with written_whole(path) as folder:
        sheet.save(folder / path.name, format="PNG", optimize=True)


def _tile(description: Description, number: int, largest: int) -> Image.Image:
    scene = open_scene([Path(path) for path in description.pictures[number]], **description.reading.options())
    picture = Image.fromarray(stretch(quicklook(scene.overview(largest))))
    scale = min(4.0, largest / max(picture.size))
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    draw = ImageDraw.Draw(picture)
    down, right = picture.height / scene.height, picture.width / scene.width
    for place in description.places:
        if place.picture == number:
            top, left, height, width = place.window
            frame = (left * right + 1, top * down + 1, (left + width) * right - 2, (top + height) * down - 2)
            if frame[2] > frame[0] and frame[3] > frame[1]:
                draw.rectangle(frame, outline=COLOURS[place.split], width=3)
    return picture


def _legend(sheet: Image.Image, description: Description, top: int) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for i, split in enumerate(COLOURS):
        chosen = [place for place in description.places if place.split == split]
        y = top + i * LINE
        draw.rectangle((GAP, y + 3, GAP + 12, y + 15), outline=COLOURS[split], width=3)
        told = f"{split}: {len(chosen)} places in {len({place.block for place in chosen})} blocks of ground"
        draw.text((GAP + 22, y), told, fill=INK, font=font)
    drawn = min(MOST, len(description.pictures))
    if drawn < len(description.pictures):
        told = f"{drawn} of {len(description.pictures)} pictures are drawn"
        draw.text((GAP, top + len(COLOURS) * LINE), told, fill=INK, font=font)


def class_table(description: Description) -> list[tuple[str, ...]]:
    """The labels of each class in each split, a row a class."""
    counts = {split: _total([p for p in description.places if p.split == split]) for split in COLOURS}
    rows = [("class", *COLOURS)]
    return rows + [(name, *(f"{counts[split][name]:,}" for split in COLOURS)) for name in description.legend]


def _total(places: list[Place]) -> Counter[str]:
    return sum((Counter(place.counts) for place in places), Counter())
