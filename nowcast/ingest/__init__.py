"""From radar files to the archive: readers, the Zarr store and the pipeline between them."""
