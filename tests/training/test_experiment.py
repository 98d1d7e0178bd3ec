"""What an experiment starts from: parts of a released checkpoint, a language model and its tokenizer out of one GGUF file."""

import dataclasses
from pathlib import Path

import numpy as np
import optax
import pytest

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.models.foundation import ModelConfig
from rsfm.models.hf import decoder_config, decoder_tensors
from rsfm.nn.weights import read_tensors, save_weights
from rsfm.training.experiment import (
    ExperimentConfig,
    check_initial,
    make_build,
    make_processor,
    open_tokenizer,
    with_initial_weights,
)
from rsfm.training.state import create_state, merge, model_arrays
from tests.small_checkpoint import make_checkpoint, small_config

pytest.importorskip("gguf")
PARTS = ("encoder", "tokenizers.optical", "connector.queries")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    """A picture encoder of ours before a language model of another width and vocabulary."""
    from tests.models.hf.test_gguf import write

    place = tmp_path_factory.mktemp("experiment")
    base, language = make_checkpoint(place / "base"), str(write(place / "tiny.gguf", "smollm2"))
    small = small_config()
    decoder = decoder_config(language, vocabulary=open_tokenizer(language).vocab_size)
    return ExperimentConfig(
        name="t",
        model=dataclasses.replace(small, streams={"optical": small.streams["optical"]}, decoder=decoder),
        data=(),
        tokenizer=language,
        chat_template=False,
        init_parts={part: str(base) for part in PARTS},
        init_decoder=language,
    )


def test_parts_of_a_checkpoint_and_a_language_model_make_one_model(config: ExperimentConfig) -> None:
    assert from_json(ExperimentConfig, to_json(config)) == config
    check_initial(config)
    before = create_state(make_build(config), optax.identity())
    old, new = model_arrays(before), model_arrays(with_initial_weights(config, before))
    base = read_tensors(Path(config.init_parts["encoder"]) / "model.safetensors")
    language, _ = decoder_tensors(str(config.init_decoder), config.model.decoder)
    for name, value in new.items():
        if name.startswith("decoder."):
            np.testing.assert_array_equal(value, language[name.removeprefix("decoder.")])
        elif any(name == part or name.startswith(part + ".") for part in PARTS):
            np.testing.assert_array_equal(value, base[name].astype(np.float32))
        else:
            np.testing.assert_array_equal(value, old[name])


def test_the_tokenizer_is_the_language_models_and_its_template_may_be_left_out(config: ExperimentConfig) -> None:
    own, plain = (make_processor(dataclasses.replace(config, chat_template=each)).text for each in (True, False))
    assert own.template == "{{ messages }}" and plain.template is None
    ids, learn = plain.chat([("ab", "a")])
    assert [plain.decode([index], keep_control=True) for index in ids[:2]] == ["<bos>", "<user>"]
    assert sum(learn) == 2  # the answer's token and the end


def test_a_checkpoint_without_the_part_is_refused(config: ExperimentConfig) -> None:
    base = config.init_parts["encoder"]
    wrong = dataclasses.replace(config, init_parts={"encodr": base}, init_decoder=None)
    state = create_state(make_build(config), optax.identity())
    with pytest.raises(UserError, match="init_parts: .* of encodr. Give the safetensors of that part"):
        with_initial_weights(wrong, state)
    with pytest.raises(UserError, match="init_parts: no file nowhere for encoder"):
        check_initial(dataclasses.replace(config, init_parts={"encoder": "nowhere"}))


def layers_apart(model: ModelConfig) -> ModelConfig:
    """The same model with each layer's parameters by themselves."""
    encoder, stack = model.encoder, model.decoder.transformer
    decoder = dataclasses.replace(model.decoder, transformer=dataclasses.replace(stack, stacked=False))
    return dataclasses.replace(model, encoder=dataclasses.replace(encoder, stacked=False), decoder=decoder)


def test_layers_apart_start_from_weights_of_stacked_ones_and_back(config: ExperimentConfig, tmp_path: Path) -> None:
    apart = dataclasses.replace(config, model=layers_apart(config.model))
    stacked_state, apart_state = (create_state(make_build(each), optax.identity()) for each in (config, apart))
    stacked, new = with_initial_weights(config, stacked_state), with_initial_weights(apart, apart_state)
    expected, found = model_arrays(stacked), model_arrays(new)
    assert (
        "encoder.transformer.blocks.0.mlp.up.kernel" in found and "decoder.transformer.blocks.0.mlp.up.kernel" in found
    )
    for part in ("encoder", "decoder"):
        name = f"{part}.transformer.blocks.{{}}mlp.up.kernel"
        np.testing.assert_array_equal(found[name.format("0.")], expected[name.format("")][0])
    save_weights(tmp_path / "model.safetensors", merge(new), dtype="float32")
    back = dataclasses.replace(config, init_from=str(tmp_path), init_parts={}, init_decoder=None)
    again, original = model_arrays(with_initial_weights(back, stacked_state)), model_arrays(stacked)
    for name in original:
        if name.startswith(("encoder.", "decoder.")):
            np.testing.assert_array_equal(again[name], original[name])
