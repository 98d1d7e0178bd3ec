"""A box as seven numbers that vary smoothly with it, however it is turned, and back.   n boxes

centre x, y · log of the mean side (w h)^(1/2) · stretch log (w / h)^(1/2) times (cos 2a, sin 2a) · axes (cos 4a, sin 4a)

The angle a of a side has no meaning for the long and the short side of a square: (cos 2a, sin 2a) would jump between two
boxes that look alike. Multiplied by how much longer one side is, it fades away there, and the axes, which are the same for
both sides, still say how a square stands.
"""

import numpy as np
from jaxtyping import Float

from rsfm.boxes import center_size_angle

NUMBERS = 7
SMALLEST = 1.0  # pixels: a thinner side counts as this


def box_numbers(corners: Float[np.ndarray, "n 4 2"]) -> Float[np.ndarray, "n 7"]:
    """The numbers of boxes; of four corners that make no rectangle those of the smallest one around them.

    Args:
        corners: in pixels, x right and y down.
    """
    rows = []
    for each in np.asarray(corners, float):
        (x, y), *sides, degrees = center_size_angle(each)
        width, height = np.log(np.maximum(sides, SMALLEST))
        angle, stretch = np.radians(degrees), (width - height) / 2
        rows.append(
            [x, y, (width + height) / 2, stretch * np.cos(2 * angle), stretch * np.sin(2 * angle), np.cos(4 * angle),
             np.sin(4 * angle)]
        )  # fmt: skip
    return np.array(rows, np.float32).reshape(-1, NUMBERS)


def box_corners(numbers: Float[np.ndarray, "n 7"]) -> Float[np.ndarray, "n 4 2"]:
    """The corners of boxes, clockwise on the screen from one end of a side along `box_angles`."""
    x, y, size, along, across, *_ = np.asarray(numbers, float).T
    angle = box_angles(numbers)
    stretch = along * np.cos(2 * angle) + across * np.sin(
        2 * angle
    )  # negative: the side along the angle is the short one
    half = np.exp(np.stack([size + stretch, size - stretch], -1)) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    right, down = np.stack([np.cos(angle), np.sin(angle)], -1), np.stack([-np.sin(angle), np.cos(angle)], -1)
    offset = signs[None] * half[:, None]
    return np.stack([x, y], -1)[:, None] + offset[..., :1] * right[:, None] + offset[..., 1:] * down[:, None]


def box_angles(numbers: Float[np.ndarray, "n 7"]) -> Float[np.ndarray, " n"]:
    """The angle of one pair of sides in radians, -pi/4 to pi/4, clockwise on the screen."""
    return np.arctan2(numbers[:, 6], numbers[:, 5]) / 4
