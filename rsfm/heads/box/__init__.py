"""The box head: the things of a class at each <box> token, upright or turned."""

from rsfm.heads.box.head import BoxConfig, BoxHead
from rsfm.heads.box.scene import joined_boxes

__all__ = ["BoxConfig", "BoxHead", "joined_boxes"]
