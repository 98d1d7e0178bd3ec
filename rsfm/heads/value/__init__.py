"""The value head: a number with its distribution at each <value> token."""

from rsfm.heads.value.band import value_band, value_quantiles
from rsfm.heads.value.head import VALUE_HEADS, ValueConfig, ValueHead
from rsfm.heads.value.losses import VALUE_LOSSES
from rsfm.heads.value.numbers import distribution

__all__ = ["VALUE_HEADS", "VALUE_LOSSES", "ValueConfig", "ValueHead", "distribution", "value_band", "value_quantiles"]
