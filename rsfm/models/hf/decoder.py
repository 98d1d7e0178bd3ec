"""Decoder weights from the layouts of others: `load_decoder(folder)` gives a Decoder and says what became of every tensor.

l layers · o outputs · i inputs · v vocabulary · d width
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx
from tokenizers import Tokenizer

from rsfm.errors import UserError
from rsfm.models.decoder import Decoder, DecoderConfig
from rsfm.models.hf.architectures import ARCHITECTURES, language_part, read_decoder_config, token_ids
from rsfm.models.hf.checkpoint import open_checkpoint
from rsfm.models.hf.folder import Checkpoint
from rsfm.models.hf.report import LoadReport, refuse
from rsfm.nn.weights import named_parameters, restacked

PREFIXES = (
    "model.",
    "language_model.model.",
    "model.language_model.",
    "",
)  # of a language model and of larger ones' part
FREE_FIELDS = {
    "vocabulary",
    "context",
    "end_id",
    "end_ids",
    "pad_id",
}  # of DecoderConfig: do not change what a weight means
FREE_BLOCK_FIELDS = {"remat", "unroll", "stacked"}
VOCABULARY_AXIS = {"embedding": 0, "text_head.output.kernel": 1}
SELDOM_KEPT = ("rotary_emb.inv_freq",)  # tables some old checkpoints carry; made anew here


def decoder_config(name: str | Path, *, vocabulary: int = 0) -> DecoderConfig:
    """The decoder's config that fits a folder, hub id or GGUF file, e.g. for ModelConfig.decoder.

    Args:
        name: what `open_checkpoint` opens.
        vocabulary: rows of the embedding, where tokens were added to the tokenizer; 0 = as in the checkpoint.
    """
    checkpoint = open_checkpoint(name)
    return grown(_own_config(checkpoint), vocabulary, checkpoint.where)


def load_decoder(
    name: str | Path, *, vocabulary: int = 0, allow: Iterable[str] = (), dtype: str = "float32"
) -> tuple[Decoder, LoadReport]:
    """A Decoder with the weights of a Hugging Face folder, a hub id or a GGUF file.

    Args:
        name: what `open_checkpoint` opens; of a PEFT adapter's folder its base with the adapter merged in.
        vocabulary: rows of the embedding, where tokens were added; the new rows start at the mean of the old.
        allow: names or patterns of tensors that may be missing (they stay as drawn) or unexpected (they are left out).
        dtype: type the parameters are kept in.

    Raises:
        UserError: weights and config.json disagree, or the tokenizer has tokens that the embedding lacks.

    >>> decoder, report = load_decoder("Qwen/Qwen3-0.6B")
    >>> print(report.table())
    """
    checkpoint = open_checkpoint(name)
    config = grown(_own_config(checkpoint), vocabulary, checkpoint.where)
    check_tokenizer(checkpoint, config.vocabulary)
    tensors, report = convert(checkpoint, config, allow=allow)
    decoder = nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0)))
    state = nnx.state(decoder, nnx.Param)
    for path, leaf in nnx.to_flat_state(state):
        leaf.set_value(jnp.asarray(tensors.pop(".".join(map(str, path))), dtype))  # popped: each copy is held once
    nnx.update(decoder, state)
    return decoder, report


def decoder_tensors(
    name: str | Path, config: DecoderConfig, *, allow: Iterable[str] = ()
) -> tuple[dict[str, np.ndarray], LoadReport]:
    """The checkpoint's tensors by the names a decoder of `config` has, as for FoundationModel's "decoder." part.

    Raises:
        UserError: `config` has another shape than the checkpoint, beyond vocabulary, remat, unroll and stacked.
    """
    checkpoint = open_checkpoint(name)
    theirs = _own_config(checkpoint)
    blocks = {f: getattr(config.transformer, f) for f in FREE_BLOCK_FIELDS}
    free = {f: getattr(config, f) for f in FREE_FIELDS}
    fitted = dataclasses.replace(theirs, transformer=dataclasses.replace(theirs.transformer, **blocks), **free)
    if fitted != config:
        ours, wanted = (_flat(c) for c in (config, fitted))
        differs = ", ".join(f"{k} {ours[k]} (checkpoint: {wanted[k]})" for k in ours if ours[k] != wanted[k])
        raise UserError(f"{checkpoint.where}: the model's decoder differs in {differs}. Use decoder_config({name!r}).")
    grown(theirs, config.vocabulary, checkpoint.where)
    stacked = dataclasses.replace(config, transformer=dataclasses.replace(config.transformer, stacked=True))
    tensors, report = convert(checkpoint, stacked, allow=allow)
    return restacked(tensors, named_parameters(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))), report


def _own_config(checkpoint: Checkpoint) -> DecoderConfig:
    """The config with every token that ends an answer: of config.json and of generation_config.json beside it."""
    config = read_decoder_config(checkpoint.config, where=checkpoint.where)
    path = checkpoint.folder / "generation_config.json" if checkpoint.folder else None
    if path is None or not path.is_file():
        return config
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}). Copy it again.") from None
    more = token_ids(data.get("eos_token_id") if isinstance(data, dict) else None)
    beyond = next((index for index in more if index >= config.vocabulary), None)
    if beyond is not None:
        raise UserError(
            f"{path}: eos_token_id {beyond} has no row among the embedding's {config.vocabulary}. Copy it again."
        )
    ends = dict.fromkeys((*config.end_ids, *more))
    return dataclasses.replace(config, end_ids=tuple(index for index in ends if index != config.end_id))


def grown(config: DecoderConfig, vocabulary: int, where: str) -> DecoderConfig:
    """The config with more rows in its embedding."""
    if vocabulary and vocabulary < config.vocabulary:
        raise UserError(f"{where}: has {config.vocabulary} embedding rows, {vocabulary} were asked for. Ask for more.")
    return dataclasses.replace(config, vocabulary=vocabulary) if vocabulary else config


def their_names(ours: str, kind: str) -> tuple[str, bool]:
    """Their name for a parameter of ours, below the prefix and with "*" for the layer, and whether it lies turned.

    >>> their_names("transformer.blocks.mlp.up.kernel", "llama")
    ('layers.*.mlp.up_proj.weight', True)
    """
    names = ARCHITECTURES[kind].names
    if ours in names:
        return f"{names[ours]}.weight", False
    module, _, leaf = ours.rpartition(".")
    return f"{names[module]}.{'bias' if leaf == 'bias' else 'weight'}", leaf == "kernel"


def convert(
    checkpoint: Checkpoint, config: DecoderConfig, *, allow: Iterable[str] = ()
) -> tuple[dict[str, np.ndarray], LoadReport]:
    """Every parameter of a decoder of stacked layers out of a checkpoint's tensors: layers stacked, kernels turned to (i, o)."""
    wanted = named_parameters(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))
    prefix = next((p for p in PREFIXES if f"{p}embed_tokens.weight" in checkpoint.tensors), "model.")
    sources = {ours: _sources(ours, checkpoint, prefix, config.transformer.depth) for ours in wanted}
    unexpected = _check_names(checkpoint, sources, prefix, tied=config.tied, allow=allow)
    out: dict[str, np.ndarray] = {}
    loaded, drawn, resized = [], [], []
    for ours, names in sources.items():
        if not all(name in checkpoint.tensors for name in names):
            drawn.append(ours)
            continue
        shape, axis = tuple(wanted[ours].shape), VOCABULARY_AXIS.get(ours)
        out[ours] = _assemble(checkpoint, ours, names, shape)
        if axis is not None and out[ours].shape != shape:
            resized.append((ours, f"{out[ours].shape[axis]} -> {shape[axis]} rows", "new rows: the mean"))
            out[ours] = _with_rows(out[ours], shape[axis], axis)
        loaded.append((ours, shape, names[0] if len(names) == 1 else names[0].replace(".0.", ".*.", 1)))
    if drawn:
        fresh = named_parameters(Decoder(config, rngs=nnx.Rngs(0)))
        out |= {name: np.asarray(fresh[name][...]) for name in drawn}
    return out, LoadReport(
        where=checkpoint.where,
        loaded=tuple(loaded),
        missing=tuple(drawn),
        unexpected=tuple(unexpected),
        resized=tuple(resized),
        notes=checkpoint.notes,
    )


def _sources(ours: str, checkpoint: Checkpoint, prefix: str, depth: int) -> list[str]:
    """Full names of the tensors a parameter is made of: one, or one a layer."""
    name, _ = their_names(ours, _kind(checkpoint))
    full = prefix.removesuffix("model.") + name if name.startswith("lm_head") else prefix + name
    return [full.replace("*", str(i)) for i in range(depth)] if "*" in full else [full]


def _check_names(
    checkpoint: Checkpoint, sources: dict[str, list[str]], prefix: str, *, tied: bool, allow: Iterable[str]
) -> list[str]:
    """The tensors without a place here; raises where they, or those that lack, are not allowed."""
    used = {name for names in sources.values() for name in names}
    missing = sorted(used - checkpoint.tensors.keys())
    unexpected = sorted(name for name in checkpoint.tensors.keys() - used if not name.endswith(SELDOM_KEPT))
    if tied:
        unexpected = [name for name in unexpected if not _is_copy_of_embedding(checkpoint, name, prefix)]
    refuse(checkpoint.where, missing, unexpected, allow)
    return unexpected


def _assemble(checkpoint: Checkpoint, ours: str, names: list[str], shape: tuple[int, ...]) -> np.ndarray:
    stacked = ours.startswith("transformer.blocks.")
    _, turned = their_names(ours, _kind(checkpoint))
    piece, grows = shape[1:] if stacked else shape, ours in VOCABULARY_AXIS
    parts = [_part(checkpoint, name, piece, turned=turned, grows=grows) for name in names]
    return np.stack(parts) if stacked else parts[0]


def check_tokenizer(checkpoint: Checkpoint, rows: int) -> None:
    """Raises where a folder's tokenizer.json has ids beyond the embedding."""
    path = checkpoint.folder / "tokenizer.json" if checkpoint.folder else None
    if path is None or not path.is_file():
        return
    try:
        largest = max(Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True).values(), default=-1)
    except Exception as error:  # the Rust side raises plain Exception
        raise UserError(f"{path}: expected a Hugging Face tokenizer, found: {error}.") from error
    if largest >= rows:
        raise UserError(
            f"{path}: has token ids up to {largest}, the embedding {rows} rows. Give vocabulary={largest + 1} to add rows."
        )


def _part(checkpoint: Checkpoint, name: str, shape: tuple[int, ...], *, turned: bool, grows: bool) -> np.ndarray:
    """One tensor of theirs, turned to ours; `grows`: it may have fewer rows than the (larger) vocabulary."""
    value = checkpoint.tensors[name]()
    expected = shape[::-1] if turned else shape
    rows = language_part(checkpoint.config)["vocab_size"]
    if grows and value.shape == (rows, *expected[1:]) and rows <= expected[0]:
        expected = value.shape
    if value.shape != expected:
        hint = " A token without a row has no embedding." if grows and value.shape[0] < rows else ""
        raise UserError(
            f"{checkpoint.where}: {name} expected shape {expected} by config.json, found {value.shape}.{hint}"
        )
    if not np.isfinite(value).all():
        raise UserError(f"{checkpoint.where}: {name} holds values that are not finite. Copy or download it again.")
    return value.T if turned else value


def _with_rows(table: np.ndarray, rows: int, axis: int) -> np.ndarray:
    """More rows along the vocabulary, each the mean of the old ones."""
    mean = table.astype(np.float32).mean(axis, keepdims=True).astype(table.dtype)
    return np.concatenate([table, np.repeat(mean, rows - table.shape[axis], axis=axis)], axis=axis)


def _is_copy_of_embedding(checkpoint: Checkpoint, name: str, prefix: str) -> bool:
    if not name.endswith("lm_head.weight"):
        return False
    return np.array_equal(checkpoint.tensors[name](), checkpoint.tensors[f"{prefix}embed_tokens.weight"]())


def _kind(checkpoint: Checkpoint) -> str:
    return language_part(checkpoint.config)["model_type"]


def _flat(config: DecoderConfig) -> dict[str, object]:
    ours = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name != "transformer"}
    return ours | {f.name: getattr(config.transformer, f.name) for f in dataclasses.fields(config.transformer)}
