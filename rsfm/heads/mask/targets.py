"""Targets of the mask head: which classes a pixel may be of, in the fixed shape of the model's window.   h w pixels"""

import numpy as np
from jaxtyping import Int
from PIL import Image

from rsfm.types import OTHER, Mask


def possible_slots(mask: Mask) -> Int[np.ndarray, "h w"]:
    """Bit i set: the pixel may be of the i-th class asked for, counted from 1; bit 0: of none; no bit: unlabelled."""
    bit = {OTHER: 1} | {i: 2 << i for i in range(len(mask.legend))}
    sets = [*(bit[i] for i in range(len(mask.legend))), *(sum(bit[i] for i in each) for each in mask.either)]
    table = np.array([*sets, bit[OTHER], 0], np.int32)  # OTHER is -2, unlabelled -1
    return table[mask.class_index]


def fit_mask(slot: Int[np.ndarray, "h w"], size: int) -> Int[np.ndarray, "{size} {size}"]:
    """Nearest pixels where larger than the window, unlabelled beyond its edge where smaller."""
    shrink = max(slot.shape) / size
    if shrink > 1:
        height, width = (max(1, round(n / shrink)) for n in slot.shape)
        slot = np.asarray(Image.fromarray(slot).resize((width, height), Image.Resampling.NEAREST))
    return np.pad(
        slot,
        ((0, size - slot.shape[0]), (0, size - slot.shape[1])),
    ).astype(np.int32)
