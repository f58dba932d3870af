"""Fractal init task: the tiles tables of single images become units of work, one for each image."""

from __future__ import annotations

from tiles2zarr.fractal import acquisition_forms, forms
from tiles2zarr.fractal.executable import run_task, task
from tiles2zarr.fractal.init_run import InitOutput, chosen_options, start_run
from tiles2zarr.models import Grouping, MissingTiles, OverwriteMode, SingleImage, TilingMode


@task
def convert_tiles_table_to_images_init(
    *,
    zarr_dir: forms.ZarrDir,
    acquisitions: acquisition_forms.ImageTables,
    overwrite_mode: forms.ExistingImages = OverwriteMode.NO_OVERWRITE,
    tiling_mode: forms.Tiling = TilingMode.AUTO,
    grouping: forms.Groups = Grouping.MOSAIC,
    missing_tiles: forms.Missing = MissingTiles.FAIL,
    ngff_version: forms.NgffVersion = "0.4",
    advanced: forms.TableAdvanced = forms.STANDARD_TABLE,
    options_file: forms.OptionsFile = None,
) -> InitOutput:
    """Plan the images of tables with the column ``image_path``, or of tables that are one image each."""
    options = chosen_options(tiling_mode, grouping, missing_tiles, ngff_version, advanced, options_file)
    return start_run("table", zarr_dir, acquisitions, overwrite_mode, options, advanced, SingleImage)


if __name__ == "__main__":
    run_task(convert_tiles_table_to_images_init)
