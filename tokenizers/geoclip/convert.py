"""Turns the weights of the package `geoclip` (PyTorch pickles) into the safetensors that rsfm.models.published.geoclip reads.

    pip install torch==2.13.0 safetensors
    pip download --no-deps geoclip==1.3.0 && unzip geoclip-1.3.0-py3-none-any.whl -d geoclip
    python tokenizers/geoclip/convert.py geoclip/geoclip tokenizers/geoclip

Writes `model.safetensors` (41 MB, float32: at the finest scale angles reach thousands of turns) and `gallery.npy` (100,000
places, longitude and latitude). Both stay out of git. Source: geoclip 1.3.0, MIT, arXiv:2309.16020.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def convert(
    location: dict[str, np.ndarray], picture: dict[str, np.ndarray], log_scale: np.ndarray
) -> dict[str, np.ndarray]:
    """Published names -> those of rsfm.models.published.geoclip.GeoCLIP; kernels turned to (inputs, outputs)."""
    out = {"log_scale": log_scale}

    def linear(ours: str, weights: dict[str, np.ndarray], theirs: str) -> None:
        out[f"{ours}.kernel"] = weights[f"{theirs}.weight"].T
        out[f"{ours}.bias"] = weights[f"{theirs}.bias"]

    for i in range(sum(name.endswith("capsule.0.b") for name in location)):
        ours, theirs = f"location.capsules.{i}", f"LocEnc{i}"
        out[f"{ours}.frequency"] = location[f"{theirs}.capsule.0.b"]
        for j in range(3):
            linear(f"{ours}.layers.{j}", location, f"{theirs}.capsule.{2 * j + 1}")
        linear(f"{ours}.out", location, f"{theirs}.head.0")
    linear("picture.enter", picture, "0")
    linear("picture.leave", picture, "2")
    return {name: np.array(value, np.float32, order="C") for name, value in out.items()}


def gallery(path: Path) -> np.ndarray:
    """(places, 2): longitude, latitude of the published gallery."""
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([(row["LON"], row["LAT"]) for row in csv.DictReader(file)], np.float32)


def read(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a PyTorch file, by a reader that runs no code; a lone tensor is named ""."""
    import torch  # `convert` needs none

    loaded = torch.load(path, map_location="cpu", weights_only=True)
    named = loaded if isinstance(loaded, dict) else {"": loaded}
    return {name: value.detach().numpy() for name, value in named.items()}


def main() -> None:
    package, folder = map(Path, sys.argv[1:])
    weights = package / "model" / "weights"
    parts = [read(weights / f"{name}_weights.pth") for name in ("location_encoder", "image_encoder_mlp", "logit_scale")]
    tensors = convert(parts[0], parts[1], parts[2][""])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"source": "geoclip 1.3.0, MIT"})
    np.save(folder / "gallery.npy", gallery(package / "model" / "gps_gallery" / "coordinates_100K.csv"))
    print(f"wrote {len(tensors)} tensors, {sum(t.nbytes for t in tensors.values()) / 1e6:.1f} MB, to {folder}")


if __name__ == "__main__":
    main()
