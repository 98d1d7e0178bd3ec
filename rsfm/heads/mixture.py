"""Inside one kind of head, a router sends each span to its experts: `spans, aux = experts(spans, valid)`.

b batch · v spans · d width
"""

import dataclasses

from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.nn.moe import MoE, MoEConfig
from rsfm.nn.norm import RMSNorm


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExpertConfig:
    """Attributes:
    experts: of each kind of head; 0 = none, spans pass unchanged.
    top_k: experts a span is sent to.
    hidden: width of an expert.
    shared_hidden: width of the expert that every span passes; 0 = none.
    dispatch: "ragged" or "dense".
    """

    experts: int = 4
    top_k: int = 2
    hidden: int = 192
    shared_hidden: int = 192
    dispatch: str = "ragged"


class ExpertSpan(nnx.Module):
    """x + moe(norm(x)) over the spans of one kind (values, masks, ...): each kind has its own router and experts."""

    config_type = ExpertConfig

    def __init__(self, config: ExpertConfig, width: int, *, rngs: nnx.Rngs):
        self.norm = RMSNorm(width)
        moe = MoEConfig(
            width=width, hidden=config.hidden, experts=config.experts, top_k=min(config.top_k, config.experts),
            shared_hidden=config.shared_hidden, dispatch=config.dispatch,
        )  # fmt: skip
        self.moe = MoE(moe, rngs=rngs) if config.experts else None

    def __call__(
        self, spans: Float[Array, "b v d"], valid: Bool[Array, "b v"]
    ) -> tuple[Float[Array, "b v d"], dict[str, Array]]:
        """Spans after their experts, and the router's scalars. Invalid spans pass unchanged and count for nothing."""
        if self.moe is None:
            return spans, {}
        y, aux = self.moe(self.norm(spans), valid)
        return spans + y, aux
