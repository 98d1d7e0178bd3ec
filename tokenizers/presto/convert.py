"""Turns the published Presto weights (a PyTorch pickle) into the safetensors that rsfm.models.published.presto reads.

    pip install torch==2.13.0 safetensors
    python tokenizers/presto/convert.py                 (reads presto/data/default_model.pt in the data folder)
    python tokenizers/presto/convert.py PATH/default_model.pt tokenizers/presto

Writes `model.safetensors` (float32, encoder and decoder). Months and places in the series are computed, not stored.
Source: github.com/nasaharvest/presto, MIT, arXiv:2304.14065.
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from rsfm.data.root import data_root

GROUPS = {
    "s1": "S1",
    "s2_rgb": "S2_RGB",
    "s2_red_edge": "S2_Red_Edge",
    "s2_nir_10m": "S2_NIR_10m",
    "s2_nir_20m": "S2_NIR_20m",
    "s2_swir": "S2_SWIR",
    "era5": "ERA5",
    "terrain": "SRTM",
    "ndvi": "NDVI",
}


def convert(theirs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Published names -> those of rsfm.models.published.presto.Presto; kernels turned to (inputs, outputs), layers stacked."""
    out: dict[str, np.ndarray] = {
        "encoder.land_cover": theirs["encoder.dw_embed.weight"],
        "encoder.channel": theirs["encoder.channel_embed.weight"],
        "decoder.missing": theirs["decoder.mask_token"],
    }

    def linear(ours: str, name: str) -> None:
        out[f"{ours}.kernel"], out[f"{ours}.bias"] = theirs[f"{name}.weight"].T, theirs[f"{name}.bias"]

    def norm(ours: str, name: str) -> None:
        out[f"{ours}.scale"], out[f"{ours}.bias"] = theirs[f"{name}.weight"], theirs[f"{name}.bias"]

    for ours, name in GROUPS.items():
        linear(f"encoder.groups.{ours}", f"encoder.eo_patch_embed.{name}")
        linear(f"decoder.groups.{ours}", f"decoder.eo_decoder_pred.{name}")
    linear("encoder.location", "encoder.latlon_embed")
    linear("decoder.enter", "decoder.decoder_embed")
    linear("decoder.land_cover", "decoder.dw_decoder_pred")
    norm("encoder.norm", "encoder.norm")
    norm("decoder.norm", "decoder.decoder_norm")
    for part, blocks in {"encoder": "encoder.blocks", "decoder": "decoder.decoder_blocks"}.items():
        depth = sum(name.startswith(blocks) and name.endswith("norm1.weight") for name in theirs)
        layers = [_block(theirs, f"{blocks}.{i}") for i in range(depth)]
        for name in layers[0]:
            out[f"{part}.transformer.blocks.{name}"] = np.stack([layer[name] for layer in layers])
    return {name: np.array(value, np.float32, order="C") for name, value in out.items()}


def _block(theirs: dict[str, np.ndarray], at: str) -> dict[str, np.ndarray]:
    """One layer: the joint projection of query, key and value taken apart."""
    out = {}
    kernels, biases = (np.split(theirs[f"{at}.attn.qkv.{kind}"], 3) for kind in ("weight", "bias"))
    for name, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
        out[f"attention.{name}.kernel"], out[f"attention.{name}.bias"] = kernel.T, bias
    for ours, name in {"attention.out": "attn.proj", "mlp.up": "mlp.fc1", "mlp.down": "mlp.fc2"}.items():
        out[f"{ours}.kernel"], out[f"{ours}.bias"] = theirs[f"{at}.{name}.weight"].T, theirs[f"{at}.{name}.bias"]
    for ours, name in {"attention_norm": "norm1", "mlp_norm": "norm2"}.items():
        out[f"{ours}.scale"], out[f"{ours}.bias"] = theirs[f"{at}.{name}.weight"], theirs[f"{at}.{name}.bias"]
    return out


def main() -> None:
    import torch  # `convert` needs none

    named = [Path(argument) for argument in sys.argv[1:]]
    source, folder = named or (data_root() / "presto/data/default_model.pt", Path(__file__).parent)
    weights = torch.load(source, map_location="cpu", weights_only=True)
    tensors = convert({name: value.numpy() for name, value in weights.items()})
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"source": "github.com/nasaharvest/presto, MIT"})
    print(f"wrote {len(tensors)} tensors, {sum(t.nbytes for t in tensors.values()) / 1e6:.2f} MB, to {folder}")


if __name__ == "__main__":
    main()
