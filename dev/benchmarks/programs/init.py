"""Init on a table without pixels: ``init.py OUT WELLS FIELDS CHANNELS PLANES``; what `peer_init` does with the peer.

Prints the seconds from the data frame to the list of units.
"""

from __future__ import annotations

import json
import sys
import time

from rows import table_rows

from tiles2zarr import (
    AcquisitionDetails,
    ChannelInfo,
    ConverterOptions,
    OverwriteMode,
    hcs_images_from_dataframe,
    setup_images_for_conversion,
    tiles_aggregation_pipeline,
)
from tiles2zarr.models import DataTypeEnum


def main() -> None:
    """Plan the plate."""
    import pandas as pd

    wells, fields, channels, planes = map(int, sys.argv[2:6])
    out = sys.argv[1]
    table = pd.DataFrame(table_rows(wells, fields, channels, planes))
    details = AcquisitionDetails(
        channels=tuple(ChannelInfo(channel_label=f"C{c}") for c in range(channels)),
        pixelsize=0.325,
        data_type=DataTypeEnum.UINT16,
    )
    options = ConverterOptions()
    started = time.monotonic()
    tiles = hcs_images_from_dataframe(tiles_table=table, acquisition_details=details, plate_name="P")
    images = tiles_aggregation_pipeline(tiles=tiles, converter_options=options, resource=None)
    units = setup_images_for_conversion(
        images,
        zarr_dir=out,
        collection_type="ImageInPlate",
        converter_options=options,
        overwrite_mode=OverwriteMode.OVERWRITE,
    )
    seconds = time.monotonic() - started
    print(json.dumps({"rows": len(table), "units": len(units), "seconds": seconds}))


main()
