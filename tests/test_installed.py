"""rsfm as a user has it: a wheel in an environment of its own, an empty folder, a config file and pictures of the user's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, run as a user would: without the repository on the path."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RSFM", "XLA"))}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=own | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def install(folder: Path) -> Path:
    """Builds the wheel and installs it without its dependencies, which come from this environment. Returns its Python."""
    source = folder / "source"
    shutil.copytree(ROOT / "rsfm", source / "rsfm", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder / "wheels", source, cwd=folder)
    venv.create(folder / "environment")
    python = folder / "environment" / "bin" / "python"
    (wheel,) = (folder / "wheels").glob("rsfm-*.whl")
    run(*pip, "--python", python, "install", "--no-deps", wheel, cwd=folder)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def write_fields(folder: Path) -> Path:
    """Four aerial pictures of 32 pixels with their maps, listed in labels.csv. Returns the first picture."""
    folder.mkdir(parents=True)
    rows = ["image,sensor,date,split,mask,legend"]
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "height": 32, "width": 32, "crs": "EPSG:32633", "dtype": "uint8"}
    profile["transform"] = from_origin(400_000, 5_800_000, 1.0, 1.0)
    for number in range(4):
        with rasterio.open(folder / f"{number}.tif", "w", count=3, **profile) as file:
            file.write(rng.integers(1, 255, (3, 32, 32), np.uint8))
        with rasterio.open(folder / f"{number}_mask.tif", "w", count=1, **profile) as file:
            file.write(rng.integers(1, 3, (1, 32, 32), np.uint8))
        rows.append(f"{number}.tif,aerial_rgb,2024-06-0{number + 1},train,{number}_mask.tif,1=water;2=trees")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "0.tif"


@pytest.mark.slow
def test_an_installed_rsfm_trains_on_own_data_and_predicts(tmp_path: Path) -> None:
    python = install(tmp_path / "installation")
    home = tmp_path / "home"
    picture = write_fields(home / "configs" / "fields")
    shutil.copy(ROOT / "tests" / "fixtures" / "own_config.py", home / "configs" / "mine.py")
    where = run(python, "-c", "import rsfm; print(rsfm.__file__)", cwd=home)
    assert where.startswith(str(tmp_path)), "the repository's rsfm was imported, not the installed one"
    rsfm = python.parent / "rsfm"
    run(rsfm, "train", "configs/mine.py", "--out", "run", cwd=home)
    question = "Map the land cover: water, trees."
    printed = run(rsfm, "predict", picture, "--checkpoint", "run/model", "--ask", question, "--out", "answer", cwd=home)
    assert question in printed
    with rasterio.open(home / "answer" / "mask.tif") as mask, rasterio.open(picture) as seen:
        assert (mask.crs, mask.transform, mask.shape) == (seen.crs, seen.transform, seen.shape)
