"""The peer's init on a table without pixels: ``peer_init.py OUT WELLS FIELDS CHANNELS PLANES``.

Prints the seconds from the data frame to the list of units.
"""

from __future__ import annotations

import json
import sys
import time

from ome_zarr_converters_tools import (
    AcquisitionDetails,
    ChannelInfo,
    ConverterOptions,
    OverwriteMode,
    setup_images_for_conversion,
    tiles_aggregation_pipeline,
)
from ome_zarr_converters_tools.core import hcs_images_from_dataframe
from rows import table_rows


def main() -> None:
    """Plan the plate."""
    import pandas as pd

    wells, fields, channels, planes = map(int, sys.argv[2:6])
    out = sys.argv[1]
    table = pd.DataFrame(table_rows(wells, fields, channels, planes))
    details = AcquisitionDetails(
        channels=[ChannelInfo(channel_label=f"C{c}") for c in range(channels)],
        xy_pixel_size=0.325,
        z_spacing=1.0,
        axes=["c", "z", "y", "x"],
        data_type="uint16",
    )
    options = ConverterOptions()
    started = time.monotonic()
    tiles = hcs_images_from_dataframe(tiles_table=table, acquisition_details=details, plate_name="P")
    images = tiles_aggregation_pipeline(tiles=tiles, converter_options=options, resource=None)
    units = setup_images_for_conversion(
        tiled_images=images,
        zarr_dir=out,
        collection_type="ImageInPlate",
        converter_options=options,
        overwrite_mode=OverwriteMode.OVERWRITE,
    )
    seconds = time.monotonic() - started
    print(json.dumps({"rows": len(table), "units": len(units), "seconds": seconds}))


main()
