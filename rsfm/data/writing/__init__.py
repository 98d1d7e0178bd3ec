"""Writing what answers leave: rasters, shapes, pictures; each file whole or not at all."""
