"""Cloud layers that come with products, read as "cannot be used here".  h w pixels"""

import re
from pathlib import Path

import numpy as np


def _scene_classes(layer: np.ndarray) -> np.ndarray:
    return np.isin(
        layer, (0, 1, 3, 8, 9, 10)
    )  # nothing, saturated, shadow, clouds of medium and high probability, cirrus


def _quality_bits(layer: np.ndarray) -> np.ndarray:
    return (layer & 0b11011) > 0  # Landsat Collection 2 QA_PIXEL: fill, dilated cloud, cloud, cloud shadow


def _fmask_bits(layer: np.ndarray) -> np.ndarray:
    return (layer == 255) | ((layer & 0b1010) > 0)  # HLS Fmask: cloud, cloud shadow


def _flags(layer: np.ndarray) -> np.ndarray:
    return layer > 0


CLOUD_KINDS = {"SCL": _scene_classes, "QA_PIXEL": _quality_bits, "FMASK": _fmask_bits, "mask": _flags}


def cloud_kind(path: Path) -> str | None:
    """The kind of cloud layer a file name tells, None where it is none."""
    found = re.search(r"(?:^|[_.])(SCL|QA_PIXEL|FMASK)(?:_[126]0m)?$", path.stem, re.IGNORECASE)
    return found[1].upper() if found else None
