"""Turns Google's Dynamic World (a TensorFlow SavedModel) into the checkpoint that `rsfm.load("dynamic_world")` reads.

    python tokenizers/dynamic_world/convert.py           (reads weights/dynamic_world/forward in the data folder)
    python tokenizers/dynamic_world/convert.py PATH/forward rsfm/checkpoints/dynamic_world

Writes `config.json` and `model.safetensors` (float32). TensorFlow is not needed: tensor_bundle.py reads the variables. Batch
norms are folded into the convolutions before them, in float64.
Source: model/forward of github.com/google/dynamicworld at commit 0dd288f, Apache-2.0, doi:10.1038/s41597-022-01307-4.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from rsfm.config import to_json
from rsfm.data.root import REPOSITORY, data_root
from rsfm.models.published.dynamic_world import DynamicWorldConfig

EPSILON = 1e-3  # of the batch norms
SOURCE = "github.com/google/dynamicworld@0dd288f, Apache-2.0"
# First variable of each convolution (kernel, bias) and of its batch norm (gamma, beta, mean, variance); None: without one.
CONVOLUTIONS: dict[str, tuple[int, int | None]] = {
    "enter": (0, 2),
    "blocks.0.layers.0.pointwise": (6, 8),
    "blocks.0.layers.0.depthwise": (12, 14),
    "blocks.0.layers.1.pointwise": (18, 20),
    "blocks.0.layers.1.depthwise": (24, 26),
    "blocks.0.layers.2.pointwise": (30, 32),
    "blocks.0.layers.2.depthwise": (36, 40),
    "blocks.0.shortcut": (38, 44),
    "blocks.1.layers.0.pointwise": (48, 50),
    "blocks.1.layers.0.depthwise": (54, 56),
    "blocks.1.layers.1.pointwise": (60, 62),
    "blocks.1.layers.1.depthwise": (66, 68),
    "blocks.1.layers.2.pointwise": (72, 74),
    "blocks.1.layers.2.depthwise": (84, 88),
    "blocks.1.shortcut": (86, 92),
    "side.pointwise": (78, 80),
    "side.depthwise": (96, 98),
    "join.layers.0.pointwise": (102, 104),
    "join.layers.0.depthwise": (108, 110),
    "join.layers.1.pointwise": (114, 116),
    "join.layers.1.depthwise": (120, 122),
    "join.layers.2.pointwise": (126, 128),
    "join.layers.2.depthwise": (132, 136),
    "join.shortcut": (134, 140),
    "leave": (144, None),
}


def convert(theirs: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    """Variables by number -> tensors of rsfm.models.published.dynamic_world.DynamicWorld."""
    out = {}
    for name, (first, norm) in CONVOLUTIONS.items():
        kernel, bias = (theirs[first + i].astype(np.float64) for i in (0, 1))
        if name.endswith(".depthwise"):
            kernel = kernel[..., 0]
        if norm is not None:
            gamma, beta, mean, variance = (theirs[norm + i].astype(np.float64) for i in range(4))
            scale = gamma / np.sqrt(variance + EPSILON)
            kernel, bias = kernel * scale, (bias - mean) * scale + beta
        ours = (name, f"{name}_bias") if name.endswith(".depthwise") else (f"{name}.kernel", f"{name}.bias")
        out |= dict(zip(ours, (kernel.astype(np.float32), bias.astype(np.float32)), strict=True))
    return out


def main() -> None:
    from tensor_bundle import read_bundle  # stands beside this file

    named = [Path(argument) for argument in sys.argv[1:]]
    source, folder = named or (
        data_root() / "weights/dynamic_world/forward",
        REPOSITORY / "rsfm/checkpoints/dynamic_world",
    )
    variables = read_bundle(source / "variables" / "variables")
    tensors = convert({int(name.split("/")[1]): value for name, value in variables.items()})
    folder.mkdir(parents=True, exist_ok=True)
    config = {"format": 1, "kind": "dynamic_world", "model": to_json(DynamicWorldConfig())}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"source": SOURCE})
    count = sum(tensor.size for tensor in tensors.values())
    print(f"wrote {len(tensors)} tensors, {count:,} numbers, to {folder}")


if __name__ == "__main__":
    main()
