"""Boxes as text, in every convention by its name."""

from rsfm.boxes.codec import decode, encode, precision_px
from rsfm.boxes.conventions import CONVENTIONS, Convention
from rsfm.boxes.geometry import center_size_angle, rectangle, smallest_rectangle

__all__ = [
    "CONVENTIONS",
    "Convention",
    "center_size_angle",
    "decode",
    "encode",
    "precision_px",
    "rectangle",
    "smallest_rectangle",
]
