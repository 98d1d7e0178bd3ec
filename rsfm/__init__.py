"""rsfm: multimodal, multitemporal Earth-observation foundation models in JAX/Flax.

>>> import rsfm
>>> rsfm.load("nano").predict("scene.tif", "What scene is this?").text
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rsfm.errors import UserError

if TYPE_CHECKING:
    from rsfm import types as types
    from rsfm.pretrained import Pretrained as Pretrained
    from rsfm.pretrained import load as load
    from rsfm.processor import Processor as Processor
    from rsfm.types import Answer as Answer
    from rsfm.types import Observation as Observation
    from rsfm.types import Record as Record
    from rsfm.types import Sample as Sample

__version__ = "0.1.0"
__all__ = ["Answer", "Observation", "Pretrained", "Processor", "Record", "Sample", "UserError", "load"]
_LAZY = {
    **dict.fromkeys(("Answer", "Observation", "Record", "Sample"), "rsfm.types"),
    **dict.fromkeys(("load", "Pretrained"), "rsfm.pretrained"),
    "Processor": "rsfm.processor",
}


def __getattr__(name: str) -> Any:
    """Loads the parts that need JAX on first use: `rsfm --help` is quick, and Ctrl-C at the start meets the last net."""
    if name == "types":
        return importlib.import_module("rsfm.types")
    if name not in _LAZY:
        raise AttributeError(f"module 'rsfm' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)


MOVED = {  # modules of version 0.1 that scripts of users import, and where they are now
    "rsfm.conversation": "rsfm.answer.conversation",
    "rsfm.data.scene": "rsfm.data.reading.scene",
    "rsfm.data.writers": "rsfm.data.writing.rasters",
    "rsfm.evaluation": "rsfm.scoring.evaluation",
    "rsfm.flops": "rsfm.nn.flops",
    "rsfm.footprint": "rsfm.answer.footprint",
    "rsfm.predict": "rsfm.answer.predict",
    "rsfm.products": "rsfm.answer.products",
    "rsfm.results": "rsfm.scoring.results",
    "rsfm.retrieval": "rsfm.answer.retrieval",
    "rsfm.tokenizers.text": "rsfm.text.tokenizer",
    "rsfm.weights": "rsfm.nn.weights",
    "rsfm.windows": "rsfm.answer.windows",
}


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a module of MOVED by its old name, with a warning that names the new one."""

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        new = MOVED[module.__name__]
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


sys.meta_path.append(_Moved())
