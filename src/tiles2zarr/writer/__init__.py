"""Writing OME-Zarr: chunk arithmetic, the one-pass pyramid, metadata, tables, plates, commit."""
