"""Losses in float32: each takes a mask and returns the mean over what the mask keeps."""
