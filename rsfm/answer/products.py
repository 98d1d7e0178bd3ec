"""The files answers leave: answer.json, and what each kind of head writes of its part.  h w pixels"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from rsfm.answer.footprint import Footprint
from rsfm.data.writing.quicklook import quicklook
from rsfm.finite import to_text
from rsfm.heads import HEADS, Head
from rsfm.types import Answer

OVERLAY_EDGE = 1024  # longest edge of overlay.png's pictures in pixels
Look = Callable[[], Float[np.ndarray, "h w 3"]]


def write_products(
    folder: Path, answers: Sequence[Answer], footprint: Footprint, *, about: dict[str, Any]
) -> list[str]:
    """Writes answer.json and the files of every answer that has some; those of the second are named mask_2.tif, and so on.

    Args:
        folder: existing folder to write to.
        answers: in the order asked.
        footprint: what they are about.
        about: what answer.json says beside them: scenes, sensors, checkpoint.

    Returns:
        The names of the files.
    """
    names, entries, count = ["answer.json"], [], 0
    look = functools.cache(lambda: quicklook(footprint.overview(OVERLAY_EDGE)))
    for answer in answers:
        files = answer_files(folder, answer, numbered(count), look)
        count += bool(files)
        names += files
        entries.append(answer.to_json() | ({"files": files} if files else {}))
    (folder / "answer.json").write_text(to_text({**about, "answers": entries}) + "\n", encoding="utf-8")
    return names


def write_parts(folder: Path, answer: Answer, footprint: Footprint, suffix: str = "") -> list[str]:
    """Writes the files of one answer, and a picture of it over the scene.

    Returns:
        The names of the files; [] for an answer in words.
    """
    return answer_files(folder, answer, suffix, lambda: quicklook(footprint.overview(OVERLAY_EDGE)))


def answer_files(folder: Path, answer: Answer, suffix: str, look: Look | None = None) -> list[str]:
    """Writes what each kind of head has in an answer, and with `look`, a picture of the scene, an overlay of it."""
    names: list[str] = []
    for name, kind in kinds().items():
        files = kind.write(answer, folder, suffix)
        overlay = f"overlay{suffix}.png" if not names else f"overlay_{name}{suffix}.png"
        if files and look and kind.overlay(answer, look(), folder / overlay):
            files.append(overlay)
        names += files
    return names


def kinds() -> dict[str, type[Head]]:
    """Every kind of head once, by the first of its names."""
    return {name: kind for kind, name in {kind: name for name, kind in reversed(HEADS.items())}.items()}


def numbered(count: int) -> str:
    """What stands behind the names of the files after `count` answers that had some."""
    return f"_{count + 1}" if count else ""
