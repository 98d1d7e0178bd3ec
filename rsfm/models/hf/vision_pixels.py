"""A picture as CLIP's image processor hands it to the tower: shorter edge resized, middle cut out, normalised.  h w pixels"""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

# Of the pictures CLIP was trained on: openai/CLIP, MIT.
CLIP_MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
CLIP_DEVIATION = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def clip_pixels(rgb: UInt8[np.ndarray, "h w 3"], size: int) -> Float[np.ndarray, "{size} {size} 3"]:
    """The middle of a picture at the tower's size.

    Args:
        rgb: red, green, blue.
        size: edge in pixels that the tower was trained on.
    """
    height, width = rgb.shape[:2]
    shorter = min(height, width)
    resized = (int(size * width / shorter), int(size * height / shorter))  # PIL: width first
    picture = np.asarray(Image.fromarray(rgb).resize(resized, Image.Resampling.BICUBIC))
    top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
    middle = picture[top : top + size, left : left + size].astype(np.float32) / 255
    return (middle - CLIP_MEAN) / CLIP_DEVIATION
