"""The rows of a tiles table without files, for the programs that only plan."""

from __future__ import annotations


def table_rows(wells: int, fields: int, channels: int, planes: int) -> list[dict[str, object]]:
    """One row for each plane of at most 384 wells whose fields of view touch in three columns."""
    return [
        {
            "file_path": f"w{well}_f{field}_c{c}_z{z}.tif",
            "row": chr(65 + well // 24),
            "column": well % 24 + 1,
            "fov_name": f"FOV_{field}",
            "start_x": field % 3 * 702.0,
            "start_y": field // 3 * 702.0,
            "start_z": float(z),
            "start_c": c,
            "length_x": 2160,
            "length_y": 2160,
        }
        for well in range(wells)
        for field in range(fields)
        for c in range(channels)
        for z in range(planes)
    ]
