"""What heads share to join the windows of a scene: the tiling, the canvas, blending, and whether the result fits in memory."""

from rsfm.heads.scene.blending import Strip, StripBlender, strips
from rsfm.heads.scene.canvas import Canvas, Window
from rsfm.heads.scene.tiling import Tiling, blend_weights, window_starts

__all__ = ["Canvas", "Strip", "StripBlender", "Tiling", "Window", "blend_weights", "strips", "window_starts"]
