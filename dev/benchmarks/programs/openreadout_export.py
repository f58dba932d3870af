"""Export an OME-TIFF with openreadout, which reads back what it wrote: ``openreadout_export.py FILE OUT``."""

from __future__ import annotations

import shutil
import sys

import openreadout

source, out = sys.argv[1:3]
shutil.rmtree(out, ignore_errors=True)
openreadout.export(source, out, to="ome-zarr")
