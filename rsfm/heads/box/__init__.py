"""The box head: the things of a class at each <box> token, upright or turned."""

from rsfm.heads.box.head import BoxConfig, BoxHead

__all__ = ["BoxConfig", "BoxHead"]
