"""What every test starts from: eight virtual CPU devices, a compilation cache, seeded numbers, the published data."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Read when JAX starts its backend, so set before any test imports it; a value from outside wins.
ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

# A busy machine is no fault of the code.
# The suite draws the same examples each time; `--hypothesis-profile search` draws new ones.
settings.register_profile("rsfm", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("search", settings.get_profile("rsfm"), derandomize=False)
settings.load_profile("rsfm")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives every test the same numbers on every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def published_data() -> Path:
    """The data folder (environment variable RSFM_DATA, else ../shared/data), or a skip that says what is missing."""
    folder = Path(os.environ.get("RSFM_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name}: set RSFM_DATA to the one that holds aid_rsicd, terramesh5, ...")
    return folder
