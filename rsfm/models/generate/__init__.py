"""Writing text with a model: one jitted loop, whole, streamed, or by beams."""

from rsfm.models.generate.beam import beam_search
from rsfm.models.generate.choose import Sampling, random_key
from rsfm.models.generate.loop import generate, prompt_sample, stream

__all__ = ["Sampling", "beam_search", "generate", "prompt_sample", "random_key", "stream"]
