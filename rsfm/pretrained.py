"""A checkpoint is a folder that can be called: config.json, processor.json, tokenizer/, model.safetensors, README.md.

>>> answer = rsfm.load("nano").predict("scene.tif", "Map the land cover: water, trees, crops.")
"""

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import save_file

from rsfm.answer.embedding import Embedding, embed
from rsfm.answer.land_cover import LandCover
from rsfm.config import from_json, read_json, to_json
from rsfm.data.addresses import check_local
from rsfm.data.writing.atomic import write_json, written_folder
from rsfm.data.writing.digests import check_digests, sha256, write_digests
from rsfm.errors import UserError, lookup, unknown
from rsfm.models.foundation import FoundationModel, ModelConfig
from rsfm.models.interleave import image_layout
from rsfm.models.limits import built, check_config
from rsfm.models.upgrade import FORMAT, upgraded_model, upgraded_names
from rsfm.nn.weights import assign, named_parameters, read_tensors, save_weights
from rsfm.processor import Processor, taught
from rsfm.training.config import LoraConfig
from rsfm.training.lora import A, adapt, has_adapters, merge_adapters, require_qwix
from rsfm.types import Answer

if TYPE_CHECKING:
    from rsfm.answer.session import Session

SHIPPED = Path(__file__).parent / "checkpoints"
ADAPTER, PEFT = "adapter.json", "adapter_config.json"
FILES = ("config.json", "processor.json", "tokenizer", "model.safetensors")
READING = ("sensor", "dates", "series", "gsd_m", "unit", "bands", "wavelengths_um", "scale", "offset")  # of open_source
FOUNDATION = "foundation"  # "kind" in config.json where none is named
PUBLISHED = {"dynamic_world": LandCover.read}  # other kinds: models of others with a legend of their own


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Weights with the processor that feeds them.

    Attributes:
        name: for people: of the folder, of the run for the model/ or adapter/ of a run folder.
        model: the network.
        processor: between physical units and the network.
        config: the network's config.
        seed: of the training run.
    """

    name: str
    model: FoundationModel
    processor: Processor
    config: ModelConfig
    seed: int = 0

    def predict(
        self,
        source: Any,
        question: str,
        *,
        sensor: str | None = None,
        dates: Sequence[str] | None = None,
        series: bool = False,
        gsd_m: float | None = None,
        unit: str | None = None,
        bands: Sequence[str] = (),
        wavelengths_um: Any = (),
        scale: float | None = None,
        offset: float | None = None,
        **options: Any,
    ) -> Answer:
        """Asks one question of a scene of any size.

        Args:
            source: a path, an image in memory (numpy, Pillow, xarray), or a list of them: dates of one sensor, or sensors of one
                place; a Scene, scenes on one grid (a Footprint), or a Record.
            question: in words; "Map the water." gives a mask.
            sensor: a key of SENSORS, or a .toml or .json file of one's own; told from the file where it can be.
            dates: ISO date of each file; read from names and tags where not given.
            series: the images are dates of one place though no georeference shows it.
            gsd_m: metres of a pixel's edge, of images without a georeference.
            unit: "dn" or the physical unit of the file's values; told from the sensor by default.
            bands: names of the file's layers in order, "skip" for one that is no band of the sensor.
            wavelengths_um: of the layers, where the file does not say them: any spectral cube is read by them.
            scale, offset: physical = number * scale + offset, where the file does not say so.
            options: of rsfm.answer.predict.predict: form, overlap, batch_size, max_new_tokens, probability, progress.

        Returns:
            The answer, in physical units and on the scene's grid.
        """
        from rsfm.answer.footprint import open_source

        how: dict[str, Any] = {"unit": unit, "bands": bands, "wavelengths_um": wavelengths_um}
        how |= {"scale": scale, "offset": offset, "series": series, "gsd_m": gsd_m}
        opened = open_source(source, sensor=sensor, dates=dates, **how)
        words = {key: options.pop(key) for key in ("form", "max_new_tokens") if key in options}
        return self.session(opened, **options).ask(question, **words)

    def session(self, source: Any, **options: Any) -> "Session":
        """A scene that is asked several questions: each legend is mapped once.

        Args:
            source: as in `predict`.
            options: overlap, batch_size, probability, progress; and how the source is read, as in `predict`: sensor, unit, ...

        >>> session = rsfm.load("nano").session("scene.tif")
        >>> session.map(["water"]), session.ask("How many hectares of water are there?"), session.describe()
        """
        from rsfm.answer.footprint import open_source
        from rsfm.answer.session import Session

        how = {name: options.pop(name) for name in READING if name in options}
        return Session(self.model, self.processor, open_source(source, **how), **{"name": self.name, **options})

    def map(self, source: Any, classes: Sequence[str] = (), **options: Any) -> Answer:
        """The map of some classes of a scene, or of the whole legend of its sensors."""
        return self.session(source, **options).map(classes)

    def estimate(self, source: Any, quantity: str, **options: Any) -> Answer:
        """A quantity of a scene with its interval, as a map where the checkpoint makes maps of it.

        >>> rsfm.load("nano").estimate(record, "live fuel moisture").values[0]
        """
        return self.session(source, **options).estimate(quantity)

    def detect(self, source: Any, *names: str, **options: Any) -> Answer:
        """The things of some classes of a scene, each in a box of its own with a score.

        >>> rsfm.load("runs/release/boxes_trees").detect("harbour.png", "ship").boxes.corners
        """
        return self.session(source, **options).detect(names)

    def embed(self, source: Any, **options: Any) -> Embedding:
        """What the encoder makes of a scene: a vector of each place.

        Args:
            source: as in `predict`.
            options: overlap, batch_size; and how the source is read, as in `predict`: sensor, unit, ...

        >>> embedding = rsfm.load("nano").embed("scene.tif")
        >>> embedding.features, embedding.vector, embedding.grid
        """
        from rsfm.answer.footprint import open_source

        how = {name: options.pop(name) for name in READING if name in options}
        return embed(self.model, self.processor, open_source(source, **how), **options)

    def compare(self, before: Any, after: Any, **options: Any) -> Answer:
        """What changed on the ground between two pictures of one place: whether, how much, and a mask of where.

        Args:
            before, after: of each what `predict` takes as one image.
            options: as in `session`.

        >>> rsfm.load("runs/change/model").compare("2000.tif", "2003.tif").mask
        """
        return self.session([before, after], **{"series": True, **options}).change()

    def describe(self, source: Any, **options: Any) -> Answer:
        """A scene in a sentence."""
        return self.session(source, **options).describe()

    def ask(self, source: Any, question: str, **options: Any) -> Answer:
        """The same as `predict`."""
        return self.predict(source, question, **options)

    def ask_many(self, sources: Sequence[Any], question: str, **options: Any) -> list[Answer]:
        """Asks the same question of images that have nothing to do with each other, one answer each, in their order.

        Args:
            sources: of each image what `predict` takes; a list among them is a series.
            question: in words.
            options: as in `predict`, for all of them.
        """
        if isinstance(sources, (str, Path)):
            raise UserError(
                f"ask_many: expected a list of images, found '{sources}'. Put it into a list, or use predict."
            )
        return [self.predict(source, question, **options) for source in sources]

    def __repr__(self) -> str:
        sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(self.model, nnx.Param))]
        return f"Pretrained({self.name!r}, {sum(sizes) / 1e6:.1f} M parameters, reads {', '.join(self.config.streams)})"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"


def save_checkpoint(
    folder: str | Path,
    model: FoundationModel,
    processor: Processor,
    *,
    card: str,
    dtype: str = "float16",
    seed: int | None = None,
) -> Path:
    """Writes a checkpoint folder, whole or not at all; an older one of the same name is replaced.

    Args:
        folder: of the checkpoint.
        model: adapters in it are merged into the weights they stand beside.
        card: README.md: data, licences, numbers, limits.
        dtype: of the stored weights; they are loaded as float32.
        seed: of the training run, for the rows of its results.
    """
    folder, model = Path(folder), without_adapters(model)
    if (folder / ADAPTER).exists():
        raise UserError(f"{folder}: holds an adapter. Choose another folder for the checkpoint.")
    with written_folder(folder) as scratch:
        trained = {} if seed is None else {"seed": seed}
        write_json(scratch / "config.json", {"format": FORMAT, **trained, "model": to_json(model.config)})
        processor.save(scratch)
        save_weights(scratch / "model.safetensors", model, dtype=dtype)
        (scratch / "README.md").write_text(with_taught(card, processor), encoding="utf-8")
        write_digests(scratch)
    return folder


def with_taught(text: str, processor: Processor) -> str:
    """A card with what the checkpoint was taught, in place of what it says of it already."""
    head, marker, rest = text.partition(taught.CARD)
    after = rest[rest.find("\n## ") + 1 :] if marker and "\n## " in rest else ""
    section = taught.card(processor.config.taught)
    return "\n".join(part for part in (head.rstrip() + "\n", section, after) if part.strip()) if section else text


def load(name_or_folder: str | Path) -> Pretrained | LandCover:
    """Loads a shipped checkpoint by name, any checkpoint folder, or an adapter's folder with the base it names.

    Raises:
        UserError: unknown name, a file missing or damaged, weights that do not fit the config.
    """
    folder = find(name_or_folder)
    if (folder / ADAPTER).exists():
        return _load_adapter(folder)
    if (folder / PEFT).exists():
        raise UserError(
            f"{folder}: a PEFT adapter of a language model, which alone is no rsfm checkpoint. "
            f"rsfm.models.hf.load_decoder({str(folder)!r}) reads it merged into its base; a config with "
            f"init_decoder={str(folder)!r} trains a model on it (rsfm train)."
        )
    kind = _kind(folder)
    if kind == FOUNDATION:
        return _load_foundation(folder)
    read = lookup(PUBLISHED, "kind of checkpoint", kind)
    check_digests(folder)
    return read(folder, read_json(folder / "config.json", "Copy the checkpoint folder again.").get("model"))


def load_foundation(name_or_folder: str | Path) -> Pretrained:
    """As `load`, of a model that reads and writes words; UserError for one that only makes maps."""
    loaded = load(name_or_folder)
    if not isinstance(loaded, Pretrained):
        raise UserError(
            f"{loaded.name} maps land cover and has no words: rsfm predict and rsfm evaluate use it. "
            "Choose another checkpoint, e.g. nano."
        )
    return loaded


def _kind(folder: Path) -> str:
    """What config.json says the checkpoint is; what is wrong with the file is for the loading to say."""
    try:
        data = read_json(folder / "config.json", "")
    except UserError:
        return FOUNDATION
    return str(data.get("kind", FOUNDATION)) if isinstance(data, dict) else FOUNDATION


def _load_foundation(folder: Path) -> Pretrained:
    for part in FILES:
        if not (folder / part).exists():
            raise UserError(f"{folder}: {part} is missing. A checkpoint folder holds {', '.join(FILES)}.")
    check_digests(folder)
    path = folder / "config.json"
    data = read_json(path, "Copy the checkpoint folder again.")
    if not isinstance(data, dict) or not isinstance(data.get("format"), int) or data["format"] > FORMAT:
        raise UserError(
            f"{path}: expected format 1 to {FORMAT}, found {str(data.get('format') if isinstance(data, dict) else data)[:60]}. Update rsfm."
        )
    model_data = built(str(path), lambda: upgraded_model(data.get("model"), data["format"]))
    config = from_json(ModelConfig, model_data, where=str(path))
    check_config(config, str(path))
    processor = Processor.load(folder)
    built(str(path), lambda: _check_pair(folder, config, processor))
    processor.text.end_with((config.decoder.end_id, *config.decoder.end_ids))
    model = built(str(path), lambda: nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0))))
    weights = folder / "model.safetensors"
    assign(model, upgraded_names(read_tensors(weights), data["format"]), where=str(weights))
    return Pretrained(name=_named(folder), model=model, processor=processor, config=config, seed=_seed(path, data))


def save_adapter(
    folder: str | Path,
    arrays: Mapping[str, np.ndarray],
    lora: LoraConfig,
    base: str | Path,
    *,
    card: str,
    processor: Processor | None = None,
    seed: int = 0,
) -> Path:
    """Writes what was trained beside frozen weights: adapter.json, adapter.safetensors, README.md.

    Args:
        folder: of the adapter.
        arrays: A, B and what else was trained, by parameter name.
        lora: how the layers are adapted.
        base: name or folder of the checkpoint that was adapted; its weights are remembered by their SHA-256.
        card: README.md.
        processor: where it is not the base's: with scales of numbers that were fitted on the training data.
        seed: of the training run.
    """
    folder, home = Path(folder), find(base)
    named = str(base) if home.parent == SHIPPED else str(home.absolute())
    config: dict[str, Any] = {"format": FORMAT, "base": named, "base_sha256": sha256(home / "model.safetensors")}
    config |= {"seed": seed, "tensors": sorted(arrays)}
    with written_folder(folder) as scratch:
        save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, scratch / "adapter.safetensors")
        (scratch / "README.md").write_text(card, encoding="utf-8")
        if processor is not None:
            processor.save(scratch)
        write_json(scratch / ADAPTER, {**config, "lora": to_json(lora)})
        write_digests(scratch)
    return folder


def merged(loaded: Pretrained) -> Pretrained:
    """The same answers from a plain model: adapters are added to the weights they stand beside."""
    return dataclasses.replace(loaded, model=without_adapters(loaded.model))


def without_adapters(model: FoundationModel) -> FoundationModel:
    """The plain model that does what the adapted one does; a model without adapters as it is."""
    if not has_adapters(model):
        return model
    plain = nnx.eval_shape(lambda: FoundationModel(model.config, rngs=nnx.Rngs(0)))
    assign(plain, merge_adapters(model), where="merged adapters")
    return plain


def _load_adapter(folder: Path) -> Pretrained:
    check_digests(folder)
    path = folder / ADAPTER
    data = read_json(path, "Copy the folder again.")
    base, digest, names = _adapter_facts(path, data)
    lora = from_json(LoraConfig, data.get("lora"), where=f"{path}: lora")
    require_qwix(lora)
    try:
        home = find(base)
    except UserError as error:
        raise UserError(f"{path}: its base is not here: {error} Put the base's place under 'base'.") from error
    if (home / ADAPTER).exists():
        raise UserError(f"{path}: its base {home} is an adapter, too. Give a checkpoint with both merged under 'base'.")
    if sha256(home / "model.safetensors") != digest:
        raise UserError(f"{folder}: was trained on other weights than {home} holds. Put its base's place under 'base'.")
    tensors = read_tensors(folder / "adapter.safetensors")
    ranks = {tensor.shape[-1] if tensor.ndim else 0 for name, tensor in tensors.items() if name.endswith(f".{A}")}
    if ranks - {lora.rank} or not math.isfinite(lora.alpha):
        raise UserError(
            f"{path}: expected the rank of its tensors, {sorted(ranks)}, and a finite alpha. Copy it again."
        )
    loaded = load_foundation(home)
    built(str(path), lambda: adapt(loaded.model, lora, rngs=nnx.Rngs(0)))
    format = data.get("format", 1)
    own, tensors = named_parameters(loaded.model), upgraded_names(tensors, format)
    missing = sorted(upgraded_names(dict.fromkeys(names), format).keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - own.keys())
    shapes = [name for name in tensors.keys() & own.keys() if tuple(own[name].shape) != tensors[name].shape]
    if missing or unexpected or shapes:
        raise UserError(
            f"{folder}: does not fit its base. Missing {missing[:3]}, unexpected {unexpected[:3]}, "
            f"of another shape {sorted(shapes)[:3]}. Copy the adapter again."
        )
    state = nnx.state(loaded.model, nnx.Param)
    for parts, leaf in nnx.to_flat_state(state):
        if (name := ".".join(map(str, parts))) in tensors:
            leaf.set_value(jnp.asarray(tensors[name], leaf.dtype))
    nnx.update(loaded.model, state)
    processor = Processor.load(folder) if (folder / "processor.json").exists() else loaded.processor
    _check_pair(folder, loaded.config, processor)
    processor.text.end_with(loaded.processor.text.end_ids)
    return dataclasses.replace(loaded, name=_named(folder), processor=processor, seed=_seed(path, data))


def _adapter_facts(path: Path, data: Any) -> tuple[str, str, set[str]]:
    """The base, its digest and the names of the tensors in an adapter.json."""
    facts = data if isinstance(data, dict) else {}
    base, digest, names = facts.get("base"), facts.get("base_sha256"), facts.get("tensors", [])
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    listed = listed and isinstance(facts.get("format", 1), int)
    if not isinstance(base, str) or not isinstance(digest, str) or not listed:
        raise UserError(f"{path}: expected an adapter's JSON: base, base_sha256 and tensors. Copy the folder again.")
    return base, digest, set(names)


def _seed(path: Path, data: Mapping[str, Any]) -> int:
    seed = data.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UserError(f"{path}: seed: expected a whole number, found {str(seed)[:60]}. Copy the folder again.")
    return seed


def _named(folder: Path) -> str:
    run = folder.absolute().parent
    return run.name if folder.name in ("model", "adapter") and (run / "trainable.json").exists() else folder.name


def find(name_or_folder: str | Path) -> Path:
    """The folder of a checkpoint; a bare name means a shipped one, a run folder the checkpoint that the run left in it."""
    folder = Path(name_or_folder)
    check_local(folder)
    if folder.is_dir():
        left = folder / "model"
        return left if (left / "model.safetensors").is_file() and (folder / "checkpoints").is_dir() else folder
    if folder.is_file():
        raise UserError(
            f"{folder}: expected a checkpoint folder, found a file. Give the folder that holds {', '.join(FILES)}."
        )
    shipped = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()) if SHIPPED.is_dir() else []
    if str(name_or_folder) in shipped:
        return SHIPPED / str(name_or_folder)
    raise unknown("checkpoint", name_or_folder, shipped)


def _check_pair(folder: Path, config: ModelConfig, processor: Processor) -> None:
    model_streams = {name: stream.spec for name, stream in config.streams.items()}
    if model_streams != processor.config.streams:
        raise UserError(
            f"{folder}: processor.json and config.json describe different streams. Copy both from one checkpoint."
        )
    if image_layout(config) != processor.config.images:
        raise UserError(
            f"{folder}: config.json has images {_place(config.connector.interleaved)} the text, processor.json "
            f"{_place(processor.config.images is not None)} it, or of other sizes. Copy both from one checkpoint."
        )
    if processor.text.vocab_size > config.decoder.vocabulary:
        raise UserError(
            f"{folder}: the tokenizer has {processor.text.vocab_size} tokens, the embedding only {config.decoder.vocabulary} rows."
        )


def _place(interleaved: bool) -> str:
    return "inside" if interleaved else "before"
