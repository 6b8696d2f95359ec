"""The archive: one plain Zarr v3 store of a radar sequence: its layout, reading and writing."""
