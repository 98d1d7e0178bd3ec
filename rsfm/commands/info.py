"""`rsfm info`: how large the models are and what a forward pass costs."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from rsfm.commands.outputs import columns, print_json
from rsfm.data.addresses import check_local
from rsfm.errors import unknown


def info(
    model: tyro.conf.Positional[str | None] = None,
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Counts parameters and FLOPs, of every size or, module by module, of one size or checkpoint. Nothing is run.

    Example:
        rsfm info
        rsfm info base
        rsfm info runs/debug/model

    Args:
        model: a size, or a checkpoint's name or folder; left out, all sizes.
        as_json: print JSON only.
    """
    from rsfm.models.sizes import SIZES

    if model is None:
        told = [{"size": name, **cost(config)} for name, config in SIZES.items()]
        if as_json:
            print_json(told)
            return
        rows = [("size", "parameters", "GFLOP a forward pass", "weights in float32")]
        rows += [
            (t["size"], f"{t['parameters'] / 1e6:.1f} M", f"{t['flops'] / 1e9:.2f}", f"{t['bytes'] / 2**20:.0f} MiB")
            for t in told
        ]
        print(columns(rows))
        return
    config = SIZES[model] if model in SIZES else _config_of(model, list(SIZES))
    whole, parts = cost(config), per_module(config)
    if as_json:
        print_json({"model": model, **whole, "modules": parts})
        return
    shares = [(name, f"{n:,}", f"{100 * n / whole['parameters']:.1f} %") for name, n in parts.items()]
    print(columns([("module", "parameters", "share"), *shares, ("all", f"{whole['parameters']:,}", "100 %")]))
    print(f"{whole['flops'] / 1e9:.2f} GFLOP a forward pass of {whole['of']}")


def cost(config: Any) -> dict[str, Any]:
    """Parameters, their bytes, and the FLOPs of one forward pass over one picture with a short text."""
    from flax import nnx

    from rsfm.models.foundation import FoundationModel
    from rsfm.nn.flops import count_flops, count_parameters, parameter_bytes

    model = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    graphdef, state = nnx.split(model)
    sample, told = blank_sample(config)
    flops = count_flops(lambda state, sample: nnx.merge(graphdef, state)(sample).text_logits, state, sample)
    return {"parameters": count_parameters(model), "bytes": parameter_bytes(model), "flops": flops, "of": told}


def per_module(config: Any) -> dict[str, int]:
    """Parameters of each part of the model, largest first."""
    from flax import nnx

    from rsfm.models.foundation import FoundationModel
    from rsfm.nn.flops import count_parameters

    model = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    parts = {name: count_parameters(part) for name, part in vars(model).items() if isinstance(part, nnx.Module)}
    return dict(sorted(((name, n) for name, n in parts.items() if n), key=lambda item: -item[1]))


def blank_sample(config: Any, *, batch_size: int = 1, text: int = 64) -> tuple[Any, str]:
    """A batch for the largest picture stream of a model, empty of content, and what one of it is in words."""
    from rsfm.models.interleave import image_layout
    from rsfm.types import Observation, Sample

    name, stream = max(config.streams.items(), key=lambda item: item[1].spec.size)
    spec = stream.spec

    def ones(kind: type, *sizes: int) -> np.ndarray:
        return np.ones((batch_size, *sizes), kind)

    picture = (spec.times, spec.size, spec.size)
    observation = Observation(
        values=ones(np.float32, *picture, spec.bands),
        valid=ones(np.bool_, *picture),
        band_valid=ones(np.bool_, spec.times, spec.bands),
        wavelength_um=ones(np.float32, spec.bands),
        bandwidth_um=ones(np.float32, spec.bands),
        band_code=ones(np.int32, spec.bands),
        time_days=ones(np.float32, spec.times),
        gsd_m=ones(np.float32),
    )
    layout = image_layout(config)
    shown = 0 if layout is None else layout.tokens[name] * (1 if name in layout.merged else spec.times)
    place = np.concatenate([np.arange(shown), np.full(text, -1)]).astype(np.int32)
    sample = Sample(
        observations={name: observation},
        location_deg=ones(np.float32, 2),
        text_ids=ones(np.int32, shown + text),
        text_valid=ones(np.bool_, shown + text),
        loss_mask=ones(np.bool_, shown + text),
        targets={},
        text_images=None if layout is None else np.broadcast_to(place, (batch_size, shown + text)),
    )
    return sample, f"one {spec.size} x {spec.size} picture of {spec.bands} bands and {text} text tokens"


def _config_of(name: str, sizes: list[str]) -> Any:
    from rsfm import pretrained
    from rsfm.errors import UserError

    check_local(name)
    try:
        return pretrained.load_foundation(name).config
    except UserError:
        if Path(name).exists():
            raise
        raise unknown("size or checkpoint", name, sizes) from None
