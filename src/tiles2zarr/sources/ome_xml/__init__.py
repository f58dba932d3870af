"""Reads OME-XML into columns, and columns into planes: what formats share whose metadata are OME-XML."""

from __future__ import annotations

from tiles2zarr.sources.ome_xml.document import (
    OmeImage,
    OmePlate,
    OmeSample,
    OmeXml,
)
from tiles2zarr.sources.ome_xml.pages import Pages, pages_of
from tiles2zarr.sources.ome_xml.parts import Layout, parts_of
from tiles2zarr.sources.ome_xml.reading import is_ome_xml, parse_ome_xml, plain_uuid, read_ome_xml
from tiles2zarr.sources.ome_xml.stage import stage_of

__all__ = [
    "Layout",
    "OmeImage",
    "OmePlate",
    "OmeSample",
    "OmeXml",
    "Pages",
    "is_ome_xml",
    "pages_of",
    "parse_ome_xml",
    "parts_of",
    "plain_uuid",
    "read_ome_xml",
    "stage_of",
]
