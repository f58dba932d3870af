"""Export an OME-TIFF with openreadout, which reads back what it wrote.

``openreadout_export.py OUT FILE COMPRESSION``
"""

from __future__ import annotations

import sys

import openreadout

out, source, compression = sys.argv[1:4]
openreadout.export(source, out, to="ome-zarr", compression=compression)
