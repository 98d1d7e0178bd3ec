"""Writing text with a model: one jitted loop, whole, streamed, or by beams."""

from rsfm.models.generate.beam import beam_search
from rsfm.models.generate.choose import Sampling, random_key
from rsfm.models.generate.loop import generate, prompt_sample, stream
from rsfm.models.generate.opened import generate_opened

__all__ = ["Sampling", "beam_search", "generate", "generate_opened", "prompt_sample", "random_key", "stream"]
