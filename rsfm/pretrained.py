"""A checkpoint is a folder that can be called: config.json, processor.json, tokenizer/, model.safetensors, README.md.

>>> answer = rsfm.load("nano").predict("scene.tif", "Map the land cover: water, trees, crops.")
"""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flax import nnx

from rsfm.config import from_json, to_json
from rsfm.errors import UserError, unknown
from rsfm.models.foundation import FoundationModel, ModelConfig
from rsfm.processor import Processor
from rsfm.types import Answer
from rsfm.weights import load_weights, save_weights

FORMAT = 1
SHIPPED = Path(__file__).parent / "checkpoints"
FILES = ("config.json", "processor.json", "tokenizer", "model.safetensors")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Weights with the processor that feeds them.

    Attributes:
        name: of the folder, for people.
        model: the network.
        processor: between physical units and the network.
        config: the network's config.
    """

    name: str
    model: FoundationModel
    processor: Processor
    config: ModelConfig

    def predict(
        self,
        source: Any,
        question: str,
        *,
        sensor: str | None = None,
        dates: Sequence[str] | None = None,
        unit: str | None = None,
        **options: Any,
    ) -> Answer:
        """Asks one question of a scene of any size.

        Args:
            source: a path, or a list of paths: several dates of one sensor, a Scene, scenes on one grid (a Footprint), or a Record.
            question: in words; "Map the water." gives a mask.
            sensor: a key of SENSORS; told from the file where it can be.
            dates: ISO date of each file; read from names and tags where not given.
            unit: "dn" or the physical unit of the file's values; told from the sensor by default.
            options: of rsfm.predict.predict: overlap, batch_size, max_new_tokens, probability, progress.

        Returns:
            The answer, in physical units and on the scene's grid.
        """
        from rsfm.footprint import open_footprint
        from rsfm.predict import predict

        if isinstance(source, (str, Path)):
            source = [source]
        if isinstance(source, (list, tuple)):
            named = [sensor] if sensor else []
            source = open_footprint(list(source), sensors=named, dates=dates or (), unit=unit)
        return predict(self.model, self.processor, source, question, **options)


def save_checkpoint(
    folder: str | Path, model: FoundationModel, processor: Processor, *, card: str, dtype: str = "float16"
) -> Path:
    """Writes a checkpoint folder, whole or not at all; an older one of the same name is replaced.

    Args:
        folder: of the checkpoint.
        card: README.md: data, licences, numbers, limits.
        dtype: of the stored weights; they are loaded as float32.
    """
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error}). Choose another folder.") from error
    try:
        config = {"format": FORMAT, "model": to_json(model.config)}
        (partial / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        processor.save(partial)
        save_weights(partial / "model.safetensors", model, dtype=dtype)
        (partial / "README.md").write_text(card, encoding="utf-8")
        os.chmod(partial, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    except OSError as error:
        raise UserError(f"{folder}: could not be written ({error}). Check the free space.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def load(name_or_folder: str | Path) -> Pretrained:
    """Loads a shipped checkpoint by name or any checkpoint folder.

    Raises:
        UserError: unknown name, a file missing or damaged, weights that do not fit the config.
    """
    folder = find(name_or_folder)
    for part in FILES:
        if not (folder / part).exists():
            raise UserError(f"{folder}: {part} is missing. A checkpoint folder holds {', '.join(FILES)}.")
    path = folder / "config.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected JSON, found: {error}. Copy the checkpoint folder again.") from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int) or data["format"] > FORMAT:
        raise UserError(
            f"{path}: expected format 1 to {FORMAT}, found {data.get('format') if isinstance(data, dict) else data!r}. Update rsfm."
        )
    config = from_json(ModelConfig, data.get("model"), where=str(path))
    processor = Processor.load(folder)
    _check_pair(folder, config, processor)
    model = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    load_weights(folder / "model.safetensors", model)
    return Pretrained(name=folder.name, model=model, processor=processor, config=config)


def find(name_or_folder: str | Path) -> Path:
    """The folder of a checkpoint; a bare name means a shipped one."""
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder
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
    if processor.text.vocab_size > config.decoder.vocabulary:
        raise UserError(
            f"{folder}: the tokenizer has {processor.text.vocab_size} tokens, the embedding only {config.decoder.vocabulary} rows."
        )
