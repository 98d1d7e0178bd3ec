"""Tokenizers: `tokenizer(observation) -> Tokens`, and `tokenizer.pixels(observation)` for dense heads."""

from typing import Any

from rsfm.tokenizers.coded import CodedConfig, CodedTokenizer
from rsfm.tokenizers.sar import SarConfig, SarTokenizer
from rsfm.tokenizers.spectral import SpectralConfig, SpectralTokenizer

# name -> (config, module)
TOKENIZERS: dict[str, tuple[type, Any]] = {
    "spectral": (SpectralConfig, SpectralTokenizer),
    "sar": (SarConfig, SarTokenizer),
    "coded": (CodedConfig, CodedTokenizer),
}
