"""Spectral tokens with a published picture tower's features added: CLIP, SigLIP or DINO looks at the true-colour rendering.

b batch · h w pixels · i j rows and columns of patches · f features
"""

import dataclasses

from einops import rearrange
from flax import nnx
from jaxtyping import Array, Float

from rsfm.errors import UserError
from rsfm.models.published.towers import PictureConfig, PictureTower
from rsfm.nn.linear import Linear
from rsfm.tokenizers.spectral import SpectralConfig, SpectralTokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToweredConfig(SpectralConfig):
    """Fields of SpectralConfig (`pyramid_frozen` holds for the tower) and:

    Attributes:
        tower: of the published checkpoint, as `load_towers` reads it.
        gain: the tower's pixel is ours * gain + offset; ours has mean 0 and deviation 1 over land, as ImageNet's pictures
            have in the units of towers trained on them.
        offset: see gain.
    """

    tower: PictureConfig
    gain: float = 1.0
    offset: float = 0.0


class ToweredTokenizer(SpectralTokenizer):
    """Like the spectral tokenizer with its pyramid, the tower in the pyramid's place.

    A published tower's weights come in by `init_towers={"tokenizers.optical.pyramid.tower": name}` of an experiment.
    """

    def __init__(self, config: ToweredConfig, width: int, *, rngs: nnx.Rngs):
        if config.pyramid:
            raise UserError("A stream has a tower or a pyramid: leave out pyramid=true, or use tokenizer 'spectral'.")
        super().__init__(config, width, rngs=rngs)
        enter = Linear(config.tower.transformer.width, width, axes=(None, "embed"), rngs=rngs)
        # nnx holds what was None for a constant unless told otherwise.
        self.pyramid = nnx.data(TowerFeatures(config, rngs=rngs))  # type: ignore[assignment]
        self.from_pyramid = nnx.data(enter)


class TowerFeatures(nnx.Module):
    """Picture -> features of its patches; a picture is cut at the tower's last whole patch."""

    def __init__(self, config: ToweredConfig, *, rngs: nnx.Rngs):
        self.gain, self.offset = config.gain, config.offset
        self.tower = PictureTower(config.tower, rngs=rngs)

    def __call__(self, picture: Float[Array, "b h w 3"]) -> Float[Array, "b i j f"]:
        p = self.tower.config.patch
        rows, columns = picture.shape[1] // p, picture.shape[2] // p
        tokens, _ = self.tower(picture[:, : rows * p, : columns * p] * self.gain + self.offset)
        return rearrange(tokens[:, -rows * columns :], "b (i j) f -> b i j f", i=rows)
