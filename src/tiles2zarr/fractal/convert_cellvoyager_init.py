"""Fractal init task: measurements of a CellVoyager become units of work."""

from __future__ import annotations

from tiles2zarr.fractal import acquisition_forms, forms
from tiles2zarr.fractal.executable import run_task, task
from tiles2zarr.fractal.init_run import InitOutput, chosen_options, start_run
from tiles2zarr.models import Grouping, MissingTiles, OverwriteMode, TilingMode


@task
def convert_cellvoyager_init(
    *,
    zarr_dir: forms.ZarrDir,
    acquisitions: acquisition_forms.PlateAcquisitions,
    overwrite_mode: forms.ExistingImages = OverwriteMode.NO_OVERWRITE,
    tiling_mode: forms.Tiling = TilingMode.AUTO,
    grouping: forms.Groups = Grouping.MOSAIC,
    missing_tiles: forms.Missing = MissingTiles.FAIL,
    ngff_version: forms.NgffVersion = "0.4",
    advanced: forms.Advanced = forms.STANDARD,
    options_file: forms.OptionsFile = None,
) -> InitOutput:
    """Plan the images of CellVoyager measurements (CV7000, CV8000)."""
    options = chosen_options(tiling_mode, grouping, missing_tiles, ngff_version, advanced, options_file)
    return start_run("cellvoyager", zarr_dir, acquisitions, overwrite_mode, options, advanced)


if __name__ == "__main__":
    run_task(convert_cellvoyager_init)
