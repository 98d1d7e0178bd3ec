"""Observations of any size in the fixed shape of a stream: shrunk where larger, padded where smaller.

t acquisitions · h w pixels · c bands · i j pixels of the window
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from rsfm.data.resample import averaged
from rsfm.errors import UserError
from rsfm.types import Observation, StreamSpec


def padded_times(times: int, spec: StreamSpec) -> int:
    """Dates of a stream once a record's are padded: those of the spec, or the next power of two."""
    return spec.times if times <= spec.times else 1 << (times - 1).bit_length()


def fit(observation: Observation, spec: StreamSpec, sensor: str) -> Observation:
    """Shrinks to the window where larger, pads with invalid pixels, dates and bands where smaller."""
    t, h, w, c = np.shape(observation.values)
    if c > spec.bands:
        raise UserError(
            f"{sensor}: {c} bands, this checkpoint's stream takes at most {spec.bands}. Choose a subset with bands=."
        )
    shrink = max(h, w) / spec.size
    if shrink > 1:
        observation = _shrink(observation, max(1, round(h / shrink)), max(1, round(w / shrink)), shrink)
        t, h, w, c = np.shape(observation.values)
    times = padded_times(t, spec)
    pad_t, pad_c = (0, times - t), (0, spec.bands - c)
    pad_h, pad_w = (0, spec.size - h), (0, spec.size - w)
    return Observation(
        values=np.pad(np.asarray(observation.values, np.float32), (pad_t, pad_h, pad_w, pad_c)),
        valid=np.pad(observation.valid, (pad_t, pad_h, pad_w)),
        band_valid=np.pad(observation.band_valid, (pad_t, pad_c)),
        wavelength_um=np.pad(observation.wavelength_um, pad_c).astype(np.float32),
        bandwidth_um=np.pad(observation.bandwidth_um, pad_c).astype(np.float32),
        band_code=np.pad(observation.band_code, pad_c).astype(np.int32),
        time_days=np.pad(observation.time_days, pad_t, constant_values=np.nan).astype(np.float32),
        gsd_m=np.asarray(observation.gsd_m, np.float32),
    )


def _shrink(observation: Observation, height: int, width: int, factor: float) -> Observation:
    """Area averages over valid pixels, band by band where some lack bands."""
    valid = np.asarray(observation.valid, np.float32)
    kept = np.stack([averaged(v, height, width) for v in valid]) > 0.01
    lacking = valid[..., None].astype(bool) & np.isnan(observation.values)
    weights = np.where(lacking, np.float32(0), valid[..., None])
    values = np.where(weights > 0, observation.values, np.float32(0))
    weight, total = (_boxes(each, height, width) for each in (weights if lacking.any() else valid[..., None], values))
    mean = np.where(weight > 0.01, total / np.maximum(weight, 1e-6), np.float32(np.nan))
    return dataclasses.replace(
        observation,
        values=np.where(kept[..., None], mean, 0.0).astype(np.float32),
        valid=kept,
        gsd_m=np.asarray(observation.gsd_m * factor, np.float32),
    )


def _boxes(values: Float[np.ndarray, "t h w c"], height: int, width: int) -> Float[np.ndarray, "t i j c"]:
    return np.stack([np.stack([averaged(v[..., c], height, width) for c in range(v.shape[-1])], -1) for v in values])
