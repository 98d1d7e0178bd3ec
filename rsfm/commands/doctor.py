"""`rsfm doctor`: what this machine has, and what is missing for which command."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from typing import Annotated, Any

import tyro

from rsfm.commands.outputs import columns, print_json
from rsfm.errors import UserError

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "rasterio",
    "numpy",
    "transformers",
    "tensorflow-datasets",
)
DRIVERS = ("GTiff", "COG", "JP2OpenJPEG", "netCDF", "HDF5", "GRIB", "Zarr", "ENVI", "SENTINEL2", "PNG", "JPEG")
FAILED = "FAILED: "


def doctor(
    *,
    checkpoint: str = "nano",
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Reports versions, devices, memory, file formats, the data folder, and whether a checkpoint loads and answers.

    Example:
        rsfm doctor

    Args:
        checkpoint: name or folder of the checkpoint to try.
        as_json: print JSON only.
    """
    report: dict[str, str] = {"rsfm": own_version(), "python": f"{platform.python_version()} on {platform.platform()}"}
    checks: list[tuple[str, Callable[[], str]]] = [
        *((package, lambda package=package: importlib.metadata.version(package)) for package in PACKAGES),
        ("devices", _devices),
        ("memory", _memory),
        ("gdal", _gdal),
        ("tokenizers", _tokenizers),
        ("data", _data),
        ("demo data", _demo_data),
        ("checkpoint", lambda: _checkpoint(checkpoint)),
    ]
    for name, check in checks:
        try:
            report[name] = check()
        except (UserError, ImportError, OSError, RuntimeError) as error:
            report[name] = f"{FAILED}{error}"
    if as_json:
        print_json(report)
    else:
        print(columns(list(report.items())))
    failed = [name for name, text in report.items() if text.startswith(FAILED)]
    if failed:
        print(f"rsfm: to mend: {', '.join(failed)}", file=sys.stderr)
    return 2 if failed else 0


def own_version() -> str:
    """The installed version, or that it runs from a clone."""
    try:
        return importlib.metadata.version("rsfm")
    except importlib.metadata.PackageNotFoundError:
        return "not installed, running from a clone"


def _devices() -> str:
    import jax

    kinds = [device.device_kind for device in jax.devices()]
    names = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    return f"{jax.default_backend()}: {names}; {os.cpu_count()} CPU cores"


def _memory() -> str:
    page = os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.sysconf('SC_PHYS_PAGES') * page:.1f} GiB, {os.sysconf('SC_AVPHYS_PAGES') * page:.1f} GiB unused"


def _gdal() -> str:
    import rasterio
    from rasterio.env import GDALVersion

    with rasterio.Env() as env:
        known = env.drivers()
    missing = [name for name in DRIVERS if name not in known]
    return f"{GDALVersion.runtime()} with {', '.join(name for name in DRIVERS if name in known)}" + (
        f"; without {', '.join(missing)}" if missing else ""
    )


def _tokenizers() -> str:
    """A folder `tokenizers` on the path with an __init__.py would hide Hugging Face's package."""
    import tokenizers

    found = getattr(tokenizers, "__version__", None)
    if found is None:
        raise UserError("a folder named tokenizers hides Hugging Face's package. Remove its __init__.py.")
    return f"Hugging Face {found}"


def _data() -> str:
    from rsfm.data.datasets import DATASETS
    from rsfm.data.datasets.base import find_folder
    from rsfm.data.root import data_root

    root, found = data_root(), []
    if not root.is_dir():
        return f"no data folder at {root}: training and evaluation need it, demo and predict do not. Set RSFM_DATA."
    known: dict[str, Any] = dict(DATASETS)
    for name, dataset in known.items():
        try:
            find_folder(root, dataset.info)
            found.append(name)
        except UserError:
            continue
    return f"{root} with {', '.join(found) or 'no known data set'} ({len(found)} of {len(DATASETS)})"


def _demo_data() -> str:
    from rsfm.commands.demonstration import PACKAGE

    found = importlib.util.find_spec(PACKAGE) is not None
    return f"{PACKAGE} is installed" if found else f"{PACKAGE} is not installed; `make demo` installs it"


def _checkpoint(name: str) -> str:
    from rsfm import pretrained
    from rsfm.nn.flops import count_parameters

    loaded = pretrained.load(name)
    return f"{name} loads, {count_parameters(loaded.model) / 1e6:.2f} M parameters"
