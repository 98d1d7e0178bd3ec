"""Which convention boxes in text are written in, as far as the text tells; what it does not tell is refused or noted."""

import re
from collections.abc import Sequence

from rsfm.boxes.conventions import CONVENTIONS
from rsfm.errors import UserError

SHARE = 0.5  # of the texts with numbers that have to hold a box of the convention
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def detect(texts: Sequence[str], references: Sequence[str], usual: str, *, where: str) -> tuple[str, str]:
    """The convention of boxes in predictions and a note where it is not the usual one.

    Args:
        texts: predictions.
        references: what would have been right.
        usual: convention that the file's layout has.
        where: the file, for messages.

    Raises:
        UserError: the numbers cannot be of the usual convention and do not say which one they are of.
    """
    spoken = [text for text in texts if _NUMBER.search(text)]
    if not spoken:
        return usual, ""
    plain = CONVENTIONS[usual].bare or _share(spoken, usual) <= SHARE
    told = [
        name for name, how in CONVENTIONS.items() if not how.bare and name != usual and _share(spoken, name) > SHARE
    ]
    told = _narrowed(told, spoken)
    if len(told) == 1 and plain:
        return told[0], f"boxes of the predictions are read as {told[0]}: {CONVENTIONS[told[0]].summary}"
    if any(name.endswith("_json") for name in told):
        raise UserError(
            f'{where}: boxes under "bbox_2d" are pixels of the picture (pixel_json), of the resized picture '
            "(pixel_resized_json, pixel_resized_up_json, Qwen2.5-VL) or parts of 1000 (grid1000_json, Qwen3-VL). Say which with --boxes."
        )
    if len(told) > 1 and plain:
        raise UserError(f"{where}: the predicted boxes may be {' or '.join(told)}. Say which with --boxes.")
    shares = is_shares(spoken, usual), is_shares(references, usual)
    if CONVENTIONS[usual].scale is None and shares[0] != shares[1] and _share(references, usual) > SHARE:
        sides = ("predicted", "--boxes") if shares[0] else ("reference", "--reference-boxes")
        raise UserError(
            f"{where}: the {sides[0]} boxes lie between 0 and 1, so they are shares of the picture and no {usual}. Say which "
            f"with {sides[1]}: normalized (corners), normalized_square (of the padded picture), normalized_center (centre, size)."
        )
    return usual, ""


def reference_convention(texts: Sequence[str], predicted: str, usual: str) -> tuple[str, str]:
    """The convention of references: that of the predictions where they can be of it, else the layout's own; and a note.

    Args:
        texts: references.
        predicted: convention of the predictions.
        usual: convention that the file's layout has.
    """
    if predicted == usual:
        return usual, ""
    how = CONVENTIONS[predicted]
    if not all(re.search(how.pattern, text) for text in texts) or (how.scale == 1.0) != is_shares(texts, predicted):
        return usual, f"boxes of the references are read as {usual}: {CONVENTIONS[usual].summary}"
    if how.bare and how.scale != 1.0:
        return predicted, (
            f"boxes of the references are read as {predicted}, like the predictions'; if they are not, say so with "
            f"--reference-boxes, e.g. {usual}"
        )
    return predicted, ""


def is_shares(texts: Sequence[str], convention: str) -> bool:
    """Whether all numbers of the boxes lie between 0 and 1, and some are no whole numbers."""
    numbers = [number for text in texts for found in re.finditer(CONVENTIONS[convention].pattern, text)
               for number in _NUMBER.findall(found[0])]  # fmt: skip
    return bool(numbers) and all(-0.05 <= float(n) <= 1.05 for n in numbers) and any("." in n for n in numbers)


def _share(texts: Sequence[str], name: str) -> float:
    return sum(bool(re.search(CONVENTIONS[name].pattern, text)) for text in texts) / len(texts)


def _narrowed(names: list[str], texts: Sequence[str]) -> list[str]:
    """Of two conventions that differ in an angle only, the one the texts have."""
    if {"grid100", "grid100_angle"} <= set(names):
        angled = any(re.search(r"\|<-?\d+", text) for text in texts)
        names = [name for name in names if name != ("grid100" if angled else "grid100_angle")]
    return names
