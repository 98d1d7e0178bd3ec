"""An experiment as a config: what is trained, on what data, from which weights; and how its file is found."""

import dataclasses
import difflib
import functools
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from flax import nnx

from rsfm.config import from_json, read_json, resolve
from rsfm.data.datasets import DATASETS
from rsfm.data.root import REPOSITORY, data_root
from rsfm.data.training.opening import IMAGERY, open_records
from rsfm.data.training.pipeline import Records, Source, make_batches
from rsfm.errors import UserError, lookup, unknown
from rsfm.heads import HEADS, head_kind, head_options
from rsfm.models.foundation import FoundationModel, ModelConfig
from rsfm.models.hf import decoder_config, decoder_tensors
from rsfm.models.hf.gguf_tokenizer import save_gguf_tokenizer
from rsfm.models.hf.hub import check_pinned
from rsfm.models.hf.packaged import PACKAGED, find_packaged
from rsfm.models.interleave import image_layout
from rsfm.models.upgrade import released_tensors
from rsfm.nn.weights import read_tensors, restacked
from rsfm.objectives import OBJECTIVES, make_objective
from rsfm.processor import HeadSlots, Processor, ProcessorConfig
from rsfm.tasks import TASKS, converse
from rsfm.text.tokenizer import TextTokenizer
from rsfm.training.checkpoint import read_weights
from rsfm.training.config import TrainConfig
from rsfm.training.initial import taken
from rsfm.training.lora import adapt, require_qwix, with_base
from rsfm.training.state import Build, TrainState, model_arrays, with_arrays
from rsfm.training.towers import check_tower, tower_tensors

CONFIGS = REPOSITORY / "experiments" / "configs"
WEIGHTS = "model.safetensors"  # of a released checkpoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of an experiment, as data.

    Attributes:
        name: of the stage's run folder, after its number.
        data: the training mixture; its sources name their objectives.
        validation: the mixture of held-out data.
        train: steps, what trains and how fast, teacher.
    """

    name: str
    data: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
    train: TrainConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """What an experiment file defines as CONFIG.

    Attributes:
        name: short name, as in results.
        model: shapes of the model.
        processor: how records become samples; its streams are taken from the model.
        train: how it is trained.
        data: the training mixture.
        validation: the mixture of held-out data for the loss during training.
        tokenizer: folder of the text tokenizer; or a .gguf file or a packaged name, as for init_decoder. This and every
            other relative path in a config is looked for as rsfm.config.resolve says: beside the config's file first. The
            default lies in the installed package.
        chat_template: conversations are laid out as the tokenizer's own template says, where it brings one; False: in
            our shorter way, without the system message that templates add.
        init_from: a released checkpoint folder or a run folder whose weights to start from, as far as the model has arrays of the
            same names; which they are is printed.
        decoder = _weights_of_others(config, config.init_decoder)
        check_pinned("init_decoder", decoder)
        decoder_config(decoder)
    for part, named in config.init_towers.items():
        tower = _weights_of_others(config, named)
        check_pinned(f"init_towers of {part}", tower)
        check_tower(config.model, part, tower)
        init_towers: published picture towers (Hugging Face folder, hub id) by their place in the model: "tokenizers.<stream>"
            of a spectral stream takes the patch embedding, inflated to any bands; "tokenizers.<stream>.pyramid.tower" of a
            towered one the whole tower.
        stages: runs one after the other in folders of their own, each from the averaged weights of the one before; with
            them, `train`, `data` and `validation` above are not read.
        file: the Python file of the config, from the repository root if it lies in there; its DATASETS, if any, go before
            rsfm's.
    """

    name: str
    model: ModelConfig
    processor: ProcessorConfig = dataclasses.field(default_factory=lambda: ProcessorConfig(streams={}))
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    data: tuple[Source, ...] = ()
    validation: tuple[Source, ...] = ()
    stages: tuple[Stage, ...] = ()
    tokenizer: str = "tokenizers/text"
    chat_template: bool = True
    init_from: str | None = None
    init_parts: dict[str, str] = dataclasses.field(default_factory=dict)
    init_decoder: str | None = None
    init_towers: dict[str, str] = dataclasses.field(default_factory=dict)
    file: str | None = None

    def resolve(self, name: str, *, holds: str = "") -> Path:
        """The file or folder that a relative name in this config means, see rsfm.config.resolve."""
        beside = None if self.file is None else (REPOSITORY / self.file).parent
        return resolve(name, beside=beside, holds=holds)


def load_config(name_or_path: str | Path) -> ExperimentConfig:
    """The CONFIG of experiments/configs/<name>.py, of any Python file, or a run's config.json.

    A file that holds several experiments has them by other names too: "systems/ringmo:WITHOUT".

    >>> load_config("debug").train.steps
    20
    """
    name, variable = split_variable(str(name_or_path))
    path = find_config(name)
    if path.suffix == ".json":
        read = from_json(ExperimentConfig, read_json(path, "Give another CONFIG."), where=str(path))
        _check_own(path, read.file)
        return read
    module = load_module(path)
    config = getattr(module, variable, None)
    if not isinstance(config, ExperimentConfig):
        known = [key for key, value in vars(module).items() if key.isupper() and isinstance(value, ExperimentConfig)]
        held = f" It holds {', '.join(known)}." if known else ""
        raise UserError(
            f"{path}: expected {variable} = ExperimentConfig(...), found {type(config).__name__}.{held} "
            "See experiments/configs/debug.py."
        )
    absolute = path.absolute()
    inside = absolute.is_relative_to(REPOSITORY)
    return dataclasses.replace(config, file=str(absolute.relative_to(REPOSITORY) if inside else absolute))


def _check_own(path: Path, file: str | None) -> None:
    """A run's config.json may name one of the configs that came with rsfm: any other Python is run if the user names it."""
    if file is not None and not (REPOSITORY / file).resolve().is_relative_to(CONFIGS.resolve()):
        raise UserError(
            f"{path}: names the Python file {file[:200]!r}, which would be run. Where you trust that file, give it "
            "itself as CONFIG; else take the field 'file' out."
        )


def split_variable(name: str) -> tuple[str, str]:
    """ "systems/ringmo:WITHOUT" -> ("systems/ringmo", "WITHOUT"); CONFIG where no variable is named."""
    file, colon, variable = name.rpartition(":")
    return (file, variable) if colon and variable.isidentifier() else (name, "CONFIG")


def find_config(name: str) -> Path:
    """The file a name or path means, or an error with the nearest known name."""
    path = Path(name)
    for place in (path, CONFIGS / f"{name}.py"):
        if place.suffix in (".py", ".json") and place.is_file():
            return place
    files = (entry.relative_to(CONFIGS).with_suffix("") for entry in CONFIGS.rglob("*.py"))
    known = sorted(entry.as_posix() for entry in files if entry.stem != "__init__")
    near = difflib.get_close_matches(path.with_suffix("").as_posix(), known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UserError(
        f"Unknown config '{name}'.{hint} Known: {', '.join(known) or 'none'}; or give the path of a .py file."
    )


def load_module(path: Path) -> ModuleType:
    """Runs a Python file of the user's own as a module; a file that has not changed since is run once."""
    return _run_module(path.resolve(), path.stat().st_mtime_ns)


@functools.cache
def _run_module(path: Path, changed_ns: int) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"rsfm_config_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_build(config: ExperimentConfig) -> Build:
    """Makes the experiment's model, weights from its seed."""

    def build() -> nnx.Module:
        model = FoundationModel(config.model, rngs=nnx.Rngs(config.train.seed))
        lora = config.train.lora
        return model if lora is None else adapt(model, lora, rngs=nnx.Rngs(config.train.seed + 1))

    return build


def make_processor(config: ExperimentConfig) -> Processor:
    """The processor with the model's streams, its images' places and the experiment's text tokenizer."""
    text = open_tokenizer(config.tokenizer, config.resolve)
    if not config.chat_template:
        text.template = None
    text.end_with((config.model.decoder.end_id, *config.model.decoder.end_ids))
    rows = config.model.decoder.vocabulary
    if text.vocab_size > rows:
        raise UserError(
            f"model.decoder.vocabulary is {rows}, the tokenizer in {config.tokenizer} has {text.vocab_size} tokens. "
            f"Set --model.decoder.vocabulary {text.vocab_size} or more."
        )
    slots: dict[str, HeadSlots] = {}
    for name, head in config.model.heads.items():
        kind = head_kind(HEADS, name, head)
        kind.check_vocabulary(head_options(kind, name, head), text.special)
        if kind.token:
            slots[name] = config.processor.heads.get(name, HeadSlots(slots=kind.slots, kind=head.kind))
    streams = {name: stream.spec for name, stream in config.model.streams.items()}
    images = image_layout(config.model)
    return Processor(dataclasses.replace(config.processor, streams=streams, images=images, heads=slots), text)


def open_tokenizer(name: str, resolve: Callable[..., Path] = resolve) -> TextTokenizer:
    """A tokenizer folder; or the tokenizer inside a .gguf file or a packaged model.

    Args:
        name: of a folder or file, or a key of PACKAGED.
        resolve: from a relative name to a path, `ExperimentConfig.resolve` for a name in a config.
    """
    if name not in PACKAGED and not name.endswith(".gguf"):
        return TextTokenizer.load(resolve(name, holds="tokenizer.json"))
    path = find_packaged(name) if name in PACKAGED else resolve(name)
    with tempfile.TemporaryDirectory() as folder:
        return TextTokenizer.load(save_gguf_tokenizer(path, folder))


def open_batches(
    config: ExperimentConfig, processor: Processor, sources: tuple[Source, ...]
) -> Callable[[int, int], Any]:
    """A function (host, hosts) -> endless batches of `sources`, this host's rows of each."""

    for source in sources:
        for task in source.tasks:
            lookup(TASKS, "task", task)
        for name in source.objectives:
            make_objective(name, config.train.objectives.get(name, {}))
            if OBJECTIVES[name].labels and not source.tasks:
                raise UserError(
                    f"{source.dataset}: the objective '{name}' learns from labels, but the source names no tasks. Add tasks= to it."
                )

    def open_for(host: int, hosts: int) -> Any:
        return make_batches(
            sources,
            processor.sample,
            converse=converse,
            seed=config.train.seed,
            host=host,
            hosts=hosts,
            open_dataset=opener(config),
        )

    return open_for


def opener(config: ExperimentConfig) -> Any:
    """Opens the datasets of the config's own file, else rsfm's."""
    own = getattr(load_module(REPOSITORY / config.file), "DATASETS", {}) if config.file else {}

    def open_dataset(name: str, split: str, **where: Any) -> Records:
        if name in own:
            return own[name](data_root(), split)
        if name in DATASETS or name == IMAGERY:
            return open_records(name, split, **where)
        folder = config.resolve(name)
        if not folder.exists():
            raise unknown("dataset", name, {*own, *DATASETS, IMAGERY})
        return open_records(str(folder), split, **where)

    return open_dataset


def with_initial_weights(config: ExperimentConfig, state: TrainState) -> TrainState:
    """A new state with the weights that the config's `init_` fields name; the others stay as drawn from the seed."""
    weights = model_arrays(state)
    if config.init_from:
        place = config.resolve(config.init_from)
        tensors = restacked(_whole(place), weights)
        if config.train.lora is not None:
            tensors = with_base(tensors, weights, config.train.lora)
        weights = taken(tensors, weights, config.init_from)
    for part, file in config.init_parts.items():
        tensors = restacked(_part(part, config.resolve(file)), weights)
        lacking = {name for name in weights if name == part or name.startswith(part + ".")} - tensors.keys()
        if lacking or not tensors:
            raise UserError(
                f"init_parts: {file} lacks {sorted(lacking)[:3]} of {part}. Give the safetensors of that part."
            )
        weights |= tensors
    if config.init_decoder:
        tensors, report = decoder_tensors(_weights_of_others(config, config.init_decoder), config.model.decoder)
        print(report.table())
        weights |= {f"decoder.{name}": value for name, value in tensors.items()}
    for part, name in config.init_towers.items():
        tensors, report = tower_tensors(config.model, part, _weights_of_others(config, name), weights)
        print(report.table())
        weights |= tensors
    if config.train.lora is not None:
        weights = with_base(weights, model_arrays(state), config.train.lora)
    return with_arrays(state, weights)


def check_read(config: ExperimentConfig) -> None:
    """Refuses settings that nothing would read: an evaluation without data to evaluate on."""
    parts = [(f"stage {stage.name}: ", stage.train, stage.validation) for stage in config.stages]
    for where, train, validation in parts or [("", config.train, config.validation)]:
        if train.eval_every and not validation:
            raise UserError(
                f"{where}train.eval_every is {train.eval_every}, but there is no validation data to evaluate on. Name some "
                "(`validation` of the config, --validation SPLIT of rsfm finetune), or leave it 0."
            )
        if (train.watch or train.patience) and not train.eval_every:
            raise UserError(
                f"{where}train.watch and train.patience judge evaluations, and there are none: set train.eval_every."
            )
        if train.patience and not train.watch:
            raise UserError(f'{where}train.patience needs a number to judge by: set train.watch, e.g. "loss".')
        task, slash, metric = train.watch.partition("/")
        if slash:
            lookup(lookup(TASKS, "task", task).metrics, f"score of {task}", metric)
            if not any(task in source.tasks for source in validation):
                raise UserError(
                    f"{where}train.watch {train.watch}: the validation data are not asked for the task '{task}'."
                )


def check_initial(config: ExperimentConfig) -> None:
    """Finds out early whether the files of the initial weights, and what the adapters need, are there."""
    if config.train.lora is not None:
        require_qwix(config.train.lora)
    if config.init_from and not config.resolve(config.init_from).is_dir():
        raise UserError(f"init_from: {config.init_from} is not a folder. Give a released checkpoint or a run folder.")
    if config.init_decoder:
        decoder = _weights_of_others(config, config.init_decoder)
        check_pinned("init_decoder", decoder)
        decoder_config(decoder)
    for part, named in config.init_towers.items():
        tower = _weights_of_others(config, named)
        check_pinned(f"init_towers of {part}", tower)
        check_tower(config.model, part, tower)
    for part, file in config.init_parts.items():
        path = config.resolve(file)
        if not (path / WEIGHTS if path.is_dir() else path).is_file():
            raise UserError(f"init_parts: no file {file} for {part}. Give the safetensors of that part.")


def _weights_of_others(config: ExperimentConfig, name: str) -> str:
    """A folder or file by its path; a packaged name or a hub id as it is."""
    return name if name in PACKAGED else str(config.resolve(name))


def _part(part: str, path: Path) -> dict[str, Any]:
    """The tensors of a part by their names in the model: a file has them without the part's name, a checkpoint with it."""
    if not path.is_dir():
        return {f"{part}.{name}": value for name, value in read_tensors(path).items()}
    whole = released_tensors(path)
    return {name: value for name, value in whole.items() if name == part or name.startswith(part + ".")}


def _whole(folder: Path) -> dict[str, Any]:
    released = folder / WEIGHTS
    return released_tensors(folder) if released.exists() else read_weights(folder)
