"""Weights of others in and out: Hugging Face folders, hub ids and GGUF files."""

from rsfm.models.hf.checkpoint import open_checkpoint
from rsfm.models.hf.decoder import decoder_config, decoder_tensors, load_decoder
from rsfm.models.hf.export import export_decoder
from rsfm.models.hf.folder import Checkpoint
from rsfm.models.hf.report import LoadReport

__all__ = [
    "Checkpoint",
    "LoadReport",
    "decoder_config",
    "decoder_tensors",
    "export_decoder",
    "load_decoder",
    "open_checkpoint",
]
