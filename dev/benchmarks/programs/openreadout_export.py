"""Export an OME-TIFF with openreadout, which reads back what it wrote: ``openreadout_export.py OUT FILE``."""

from __future__ import annotations

import sys

import openreadout

out, source = sys.argv[1:3]
openreadout.export(source, out, to="ome-zarr")
