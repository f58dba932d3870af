"""Convert a folder with the peer, in its own environment: ``peer_convert.py OUT SOURCE NGFF CHUNK SHARD``.

``pip install ome-zarr-converters-tools==1.1.1 fractal-uzh-converters==0.8.0b2 zarrs``. CHUNK: its edge in px, 0: as a
field of view. SHARD: chunks along X and Y, 0: none. The mode is its fastest: fields of view through Dask, zarrs codecs.
"""

from __future__ import annotations

import sys

from fractal_uzh_converters.custom_tiff._utils import HcsTiffAcquisitionModel
from fractal_uzh_converters.custom_tiff.api import convert_hcs_tiff
from ome_zarr_converters_tools import ConverterOptions, OverwriteMode

out, source, ngff, chunk, shard = sys.argv[1:6]
chunks = {"mode": "Fixed Size", "xy_chunk": int(chunk)} if int(chunk) else {"mode": "Same as FOV"}
shards = {"mode": "Multiple of Chunks", "xy_factor": int(shard)} if int(shard) else {"mode": "None"}
options = ConverterOptions.model_validate(
    {
        "writer_mode": "By FOV (Using Dask)",
        "omezarr_options": {"chunks": chunks, "shards": shards, "ngff_version": ngff},
        "runtime_settings": {"use_zarrs_codec": True},
    }
)
convert_hcs_tiff(
    zarr_dir=out,
    acquisitions=[HcsTiffAcquisitionModel(path=source, plate_name="P")],
    converter_options=options,
    overwrite=OverwriteMode.OVERWRITE,
)
