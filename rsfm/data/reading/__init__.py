"""Reading what users and data sets bring: rasters, cubes, pictures, and whole scenes of them."""
