"""`rsfm benchmark`: the model's speed as a share of what this machine does in the same run."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Annotated, Any

import tyro

from rsfm.commands.outputs import columns, print_json
from rsfm.errors import UserError


def benchmark(
    model: tyro.conf.Positional[str] = "nano",
    *,
    batch_size: int = 8,
    tokens: int = 32,
    repeats: int = 5,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measures forward pass, gradient and decoding beside a matrix product and a plain read of memory, all in one run.

    Times of different machines do not compare; the shares do. A share is the operations or bytes the model needs,
    counted, over those the machine managed in the plain product or read.

    Example:
        rsfm benchmark
        rsfm benchmark small --batch-size 32 --json
        rsfm benchmark decode --help

    Args:
        model: a size, with random weights.
        batch_size: pictures at once in the forward pass and the gradient.
        tokens: tokens to decode, one answer at a time.
        repeats: the median of so many is told.
        as_json: print JSON only.
    """
    import jax

    from rsfm.errors import lookup
    from rsfm.models.sizes import SIZES

    config = lookup(SIZES, "size", model)
    check_counts(batch_size=batch_size, tokens=tokens, repeats=repeats)
    machine = measure_machine(repeats)
    found = {**machine, **measure_model(config, machine, batch_size, tokens, repeats)}
    device = jax.devices()[0].device_kind
    about = {"size": model, "device": device, "batch_size": batch_size, "dtype": config.compute_dtype}
    if as_json:
        print_json({**about, **found})
        return
    print(columns([(key, str(value)) for key, value in about.items()]))
    print(columns([(name, f"{value:.4g}") for name, value in found.items()]))
    if "decode_tokens_per_s" not in found:
        print(
            f"Decoding {tokens} tokens took no longer than one, within the noise of this machine. Give more --tokens."
        )


def check_counts(**counts: int) -> None:
    """Raises UserError for a count that is not 1 or more."""
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"--{name.replace('_', '-')} {count}: expected 1 or more.")


def measure_machine(repeats: int) -> dict[str, float]:
    """What a plain matrix product reaches on this device, and how fast a product with a vector reads its matrix."""
    import jax
    import jax.numpy as jnp

    on_cpu = jax.default_backend() == "cpu"
    edge, length = (1536, 2**25) if on_cpu else (8192, 2**28)
    kind = jnp.float32 if on_cpu else jnp.bfloat16
    square, wide = jnp.ones((edge, edge), kind), jnp.ones((length // 4096, 4096), jnp.float32)
    product, read = jax.jit(lambda x: x @ x), jax.jit(lambda x: x @ x[0])
    return {
        "matmul_gflop_per_s": 2 * edge**3 / median_seconds(lambda: product(square), repeats) / 1e9,
        "read_gb_per_s": wide.nbytes / median_seconds(lambda: read(wide), repeats) / 1e9,
    }


def measure_model(
    config: Any, machine: dict[str, float], batch_size: int, tokens: int, repeats: int
) -> dict[str, float]:
    """Rates of the model, and each as a share of the machine's."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from rsfm.commands.info import blank_sample
    from rsfm.models.foundation import FoundationModel
    from rsfm.models.generate import generate
    from rsfm.nn.flops import count_flops, parameter_bytes

    graphdef, state = nnx.split(FoundationModel(config, rngs=nnx.Rngs(0)))
    one, many = (jax.device_put(blank_sample(config, batch_size=n)[0]) for n in (1, batch_size))

    def forward(state: Any, sample: Any) -> Any:
        return nnx.merge(graphdef, state)(sample).text_logits

    def loss(state: Any, sample: Any) -> Any:
        return jnp.mean(jax.nn.logsumexp(forward(state, sample), axis=-1))

    found = {}
    for name, function in {"forward": forward, "gradient": jax.grad(loss)}.items():
        jitted, flops = jax.jit(function), count_flops(function, state, many)
        seconds = median_seconds(functools.partial(jitted, state, many), repeats)
        found[f"{name}_pictures_per_s"] = batch_size / seconds
        found[f"{name}_gflop_per_s"] = flops / seconds / 1e9
        found[f"{name}_share_of_matmul"] = flops / seconds / 1e9 / machine["matmul_gflop_per_s"]
    whole = nnx.merge(graphdef, state)
    whole.decoder.config = dataclasses.replace(whole.decoder.config, end_id=-1)  # random weights may end at once
    first, all_of_them = (
        seconds_of(functools.partial(generate, whole, one, max_new_tokens=n), repeats) for n in (1, tokens + 1)
    )
    per_token = (statistics.median(all_of_them) - statistics.median(first)) / tokens
    if per_token <= 0 or min(all_of_them) <= statistics.median(first):
        return found  # no rate can be told from times that do not differ
    bound = machine["read_gb_per_s"] * 1e9 / parameter_bytes(whole.decoder)  # every weight is read once a token
    found["decode_tokens_per_s"] = 1 / per_token
    found["decode_share_of_bandwidth"] = 1 / per_token / bound
    return found


def median_seconds(run: Callable[[], Any], repeats: int) -> float:
    """Median wall time of a call on the device, after one call that compiles."""
    return statistics.median(seconds_of(run, repeats))


def seconds_of(run: Callable[[], Any], repeats: int) -> list[float]:
    """Wall times of a call on the device, after one call that compiles."""
    import jax

    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return times
