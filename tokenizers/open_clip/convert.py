"""Turns a published CLIP checkpoint in OpenAI's layout (a PyTorch file) into the safetensors that load_towers reads.

    pip install torch==2.13.0 safetensors
    python tokenizers/open_clip/convert.py RemoteCLIP-ViT-B-32.pt remoteclip.safetensors
    python -c "from rsfm.models.hf.vision_load import load_towers; print(load_towers('remoteclip.safetensors')[1].table())"

For open_clip, RemoteCLIP (chendelong/RemoteCLIP) and GeoRSCLIP (Zilun/GeoRSCLIP) files of the ViT models. The file is read
with weights_only=True: a file that would run code is refused.
"""

import sys

import torch
from safetensors.torch import save_file

WRAPPERS = ("state_dict", "model")  # what a training run puts around the tensors
UNUSED = ("input_resolution", "context_length", "vocab_size", "attn_mask")  # OpenAI's files hold these beside


def tensors_of(loaded: dict) -> dict[str, torch.Tensor]:
    """The model's own tensors, in float32, by their names in one process."""
    for wrapper in WRAPPERS:
        if isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    named = {name.removeprefix("module."): value for name, value in loaded.items()}
    return {name: value.float().contiguous() for name, value in named.items() if name not in UNUSED}


def main() -> None:
    source, target = sys.argv[1:]
    tensors = tensors_of(torch.load(source, map_location="cpu", weights_only=True))
    save_file(tensors, target, metadata={"format": "pt"})
    print(f"wrote {len(tensors)} tensors to {target}")


if __name__ == "__main__":
    main()
