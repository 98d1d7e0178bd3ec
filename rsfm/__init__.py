"""rsfm: multimodal, multitemporal Earth-observation foundation models in JAX/Flax.

>>> import rsfm
>>> rsfm.load("nano").predict("scene.tif", "What scene is this?").text
"""

from typing import TYPE_CHECKING, Any

from rsfm.errors import UserError
from rsfm.types import Answer, Observation, Record, Sample

if TYPE_CHECKING:
    from rsfm.pretrained import Pretrained as Pretrained
    from rsfm.pretrained import load as load
    from rsfm.processor import Processor as Processor

__version__ = "0.1.0"
__all__ = ["Answer", "Observation", "Pretrained", "Processor", "Record", "Sample", "UserError", "load"]
_LAZY = {"load": "rsfm.pretrained", "Pretrained": "rsfm.pretrained", "Processor": "rsfm.processor"}


def __getattr__(name: str) -> Any:
    """Loads the parts that need Flax on first use, so that `rsfm --help` is quick."""
    if name not in _LAZY:
        raise AttributeError(f"module 'rsfm' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
