"""`rsfm benchmark decode`: tokens a second of a language model beside transformers and beside what memory allows."""

import contextlib
import dataclasses
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from rsfm.commands.benchmark import check_counts, measure_machine
from rsfm.commands.outputs import columns, print_json

BUCKET = 64  # slots a prompt is padded to


def benchmark_decode(
    checkpoint: tyro.conf.Positional[str] = "smollm2-135m-instruct",
    *,
    batch_sizes: tuple[int, ...] = (1, 8),
    tokens: int = 32,
    repeats: int = 3,
    reference: bool = True,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Decodes greedily with our decoder and with transformers, turn by turn in one run, beside a plain read of memory.

    A step of decoding reads every weight once, whatever the batch: the bound is the rate of a plain read over the bytes
    of the weights. Tokens a second of different machines do not compare; the two ratios do.

    Example:
        rsfm benchmark decode
        rsfm benchmark decode path/to/folder --batch-sizes 1 8 --json

    Args:
        checkpoint: a Hugging Face folder, a hub id, a .gguf file or the name of a packaged model.
        batch_sizes: texts at once.
        tokens: in a timed stretch, after the prompt was read.
        repeats: the median of so many stretches is told.
        reference: measure transformers too, where torch is installed.
        as_json: print JSON only.
    """
    import jax

    from rsfm.models.decoding import for_decoding
    from rsfm.models.hf import load_decoder
    from rsfm.nn.flops import parameter_bytes

    check_counts(tokens=tokens, repeats=repeats, batch_sizes=min(batch_sizes, default=0))
    decoder, _ = load_decoder(checkpoint)
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(open_reference(checkpoint, decoder)) if reference and has_torch() else None
        fast = for_decoding(decoder)
        rows, size = [], parameter_bytes(decoder)
        del decoder
        for batch in batch_sizes:
            reading = measure_machine(repeats)["read_gb_per_s"]
            rows.append(compare(fast, theirs, batch, tokens, repeats) | {"read_gb_per_s": reading})
    for row in rows:
        row["share_of_bandwidth"] = row["tokens_per_s"] / (row["batch"] * row["read_gb_per_s"] * 1e9 / size)
    about = {"checkpoint": checkpoint, "device": jax.devices()[0].device_kind, "weights_mb": round(size / 1e6)}
    if as_json:
        print_json({**about, "batches": rows})
        return
    print(columns([(key, str(value)) for key, value in about.items()]))
    names = [name for name in rows[0] if all(name in row for row in rows)]
    print(columns([tuple(names), *(tuple(f"{row[name]:.4g}" for name in names) for row in rows)]))
    if theirs is None:
        print("No torch here: transformers was not measured.")


def compare(decoder: Any, theirs: Any, batch: int, tokens: int, repeats: int) -> dict[str, Any]:
    """Rates of both at one batch size; stretches of ours and theirs take turns, so that both meet the same machine."""
    rng = np.random.default_rng(0)
    prompts = [rng.integers(3, decoder.config.vocabulary, BUCKET // 2).tolist() for _ in range(batch)]
    model = endless(decoder)
    times, refs = [], []
    for _ in range(repeats):
        times.append(our_stretch(model, prompts, tokens))
        if theirs is not None:
            refs.append(reference_stretch(theirs, prompts, tokens))
    found: dict[str, Any] = {"batch": batch, "tokens_per_s": batch * tokens / statistics.median(times)}
    if refs and statistics.median(refs) > 0:  # else too few tokens to tell
        found["transformers_tokens_per_s"] = batch * tokens / statistics.median(refs)
        found["ratio_to_transformers"] = found["tokens_per_s"] / found["transformers_tokens_per_s"]
    with compilations() as seen:
        our_stretch(model, [prompt[: BUCKET // 3] for prompt in prompts], tokens)
    return found | {"compilations_at_another_length": len(seen)}


def endless(decoder: Any) -> Any:
    """The same decoder without a token that ends its answers."""
    from flax import nnx

    model = nnx.merge(*nnx.split(decoder))
    model.config = dataclasses.replace(decoder.config, end_id=-1)
    return model


def our_stretch(model: Any, prompts: list[list[int]], tokens: int) -> float:
    """Seconds for `tokens` more tokens, after the prompt was read and as many were written; those compile what is new."""
    from rsfm.models.generate import prompt_sample, stream

    chunks = stream(model, prompt_sample(prompts, BUCKET), max_new_tokens=2 * tokens, chunk=tokens)
    next(chunks)
    start = time.perf_counter()
    next(chunks)
    return time.perf_counter() - start


@contextlib.contextmanager
def open_reference(checkpoint: str, decoder: Any) -> Iterator[Any]:
    """The same weights in transformers, through an exported folder."""
    import torch
    import transformers

    from rsfm.models.hf import export_decoder

    with tempfile.TemporaryDirectory() as folder:
        export_decoder(decoder, Path(folder))
        yield transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def reference_stretch(model: Any, prompts: list[list[int]], tokens: int) -> float:
    """Seconds that transformers takes for `tokens` more tokens, its reading of the prompt taken off."""
    import torch

    ids = torch.tensor(prompts)
    mask = torch.ones_like(ids)

    def seconds(count: int) -> float:
        start = time.perf_counter()
        model.generate(ids, attention_mask=mask, max_new_tokens=count, min_new_tokens=count, do_sample=False)
        return time.perf_counter() - start

    with torch.no_grad():
        first = seconds(1)
        return seconds(tokens + 1) - first


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """Collects what XLA compiles inside the block."""
    from jax import monitoring

    seen: list[str] = []
    inside = [True]

    def listen(event: str, *_: Any, **__: Any) -> None:
        if inside[0] and "backend_compile" in event:
            seen.append(event)

    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        inside[0] = False  # listeners cannot be taken away one by one


def has_torch() -> bool:
    """Whether transformers can run here."""
    return importlib.util.find_spec("torch") is not None and importlib.util.find_spec("transformers") is not None
