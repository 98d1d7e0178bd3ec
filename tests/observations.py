"""Observations made for tests: numbers from a seed, shapes and wavelengths as asked."""

import jax.numpy as jnp
import numpy as np

from rsfm.types import BAND_CODES, Observation

SENTINEL2_UM = (0.443, 0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 0.865, 0.945, 1.61, 2.19)


def make(
    *,
    b: int = 2,
    t: int = 1,
    size: int = 32,
    wavelength_um: tuple[float, ...] = SENTINEL2_UM,
    codes: tuple[str, ...] = (),
    gsd_m: float = 10.0,
    seed: int = 0,
) -> Observation:
    """A batch of normalized observations; `codes` makes them coded bands of the given wavelengths."""
    rng = np.random.default_rng(seed)
    c = len(codes) or len(wavelength_um)
    code = [BAND_CODES[name] for name in codes] or [0] * c
    return Observation(
        values=jnp.asarray(rng.normal(size=(b, t, size, size, c)), jnp.float32),
        valid=jnp.ones((b, t, size, size), bool),
        band_valid=jnp.ones((b, t, c), bool),
        wavelength_um=jnp.broadcast_to(jnp.asarray(wavelength_um[:c] if not codes else [0.0] * c, jnp.float32), (b, c)),
        bandwidth_um=jnp.full((b, c), 0.0 if codes else 0.03),
        band_code=jnp.broadcast_to(jnp.asarray(code, jnp.int32), (b, c)),
        time_days=jnp.asarray(rng.uniform(5000, 9000, size=(b, t)), jnp.float32),
        gsd_m=jnp.full((b,), gsd_m),
    )


def permute_bands(observation: Observation, order: np.ndarray) -> Observation:
    """The same bands in another order."""
    return Observation(
        values=observation.values[..., order],
        valid=observation.valid,
        band_valid=observation.band_valid[..., order],
        wavelength_um=observation.wavelength_um[:, order],
        bandwidth_um=observation.bandwidth_um[:, order],
        band_code=observation.band_code[:, order],
        time_days=observation.time_days,
        gsd_m=observation.gsd_m,
    )


def pad(observation: Observation, *, bands: int = 0, dates: int = 0, value: float = 99.0) -> Observation:
    """More bands and dates that are marked invalid and hold garbage."""
    c, t = (0, bands), (0, dates)
    none = (0, 0)
    return Observation(
        values=jnp.pad(observation.values, (none, t, none, none, c), constant_values=value),
        valid=jnp.pad(observation.valid, (none, t, none, none)),
        band_valid=jnp.pad(observation.band_valid, (none, t, c)),
        wavelength_um=jnp.pad(observation.wavelength_um, (none, c), constant_values=0.8),
        bandwidth_um=jnp.pad(observation.bandwidth_um, (none, c)),
        band_code=jnp.pad(observation.band_code, (none, c)),
        time_days=jnp.pad(observation.time_days, (none, t), constant_values=jnp.nan),
        gsd_m=observation.gsd_m,
    )
