"""Colours of classes: those a map reader expects where the class has such, well apart from each other where not."""

import colorsys
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

Colour = tuple[int, int, int]

# Words in a class name, most telling first.
_EXPECTED: tuple[tuple[str, Colour], ...] = (
    (r"cloud", (214, 214, 220)),
    (r"snow|ice", (190, 233, 250)),
    (r"flooded|wetland|marsh|mangrove|peat|bog", (120, 170, 180)),
    (r"water|sea|lake|river|ocean|flood|pond", (38, 110, 196)),
    (r"burn|fire", (206, 52, 30)),
    (r"tree|forest|wood", (22, 110, 52)),
    (r"range|shrub|scrub|bush", (228, 222, 172)),
    (r"grass|pasture|meadow|herbac", (140, 196, 82)),
    (r"crop|arable|corn|soy|wheat|maize|rice|agri|farm|field|orchard|vineyard", (244, 164, 36)),
    (r"built|urban|building|residential|road|industr|impervious|settlement", (196, 58, 76)),
    (r"bare|soil|sand|rock|desert|barren", (176, 150, 122)),
    (r"vegetation", (92, 160, 70)),
)
_OTHERS: tuple[Colour, ...] = (
    (78, 121, 167),
    (242, 142, 43),
    (89, 161, 79),
    (225, 87, 89),
    (176, 122, 161),
    (118, 183, 178),
    (237, 201, 72),
    (156, 117, 95),
    (255, 157, 167),
    (186, 176, 172),
    (46, 84, 150),
    (140, 40, 120),
    (30, 140, 140),
    (128, 128, 0),
    (215, 110, 180),
    (105, 70, 50),
)


def class_colours(legend: Sequence[str], given: Mapping[str, Colour] | None = None) -> tuple[Colour, ...]:
    """One colour a class, no two alike.

    Args:
        legend: class names.
        given: colours to use for some or all of them, red green blue 0-255.
    """
    chosen: list[Colour] = []
    for name in legend:
        options = [given[name]] if given and name in given else _options(name)
        fresh = (c for c in itertools.chain(options, _spare()) if c not in chosen)
        colour = options[0] if given and name in given else next(fresh)
        chosen.append(colour)
    return tuple(chosen)


def _options(name: str) -> list[Colour]:
    expected = [colour for words, colour in _EXPECTED if re.search(rf"\b(?:{words})", name.lower())]
    return [*expected[:1], *_OTHERS]


def _spare() -> Iterator[Colour]:
    """Hues a golden angle apart, in turn bright and dark."""
    for k in itertools.count():
        red, green, blue = colorsys.hsv_to_rgb(k * 0.618034 % 1, 0.45 + 0.4 * (k % 3) / 2, 0.95 - 0.5 * (k % 5) / 4)
        yield round(255 * red), round(255 * green), round(255 * blue)
