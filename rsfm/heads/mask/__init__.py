"""The mask head: a region of the window at each <mask> token."""

from rsfm.heads.mask.head import MaskConfig, MaskHead

__all__ = ["MaskConfig", "MaskHead"]
