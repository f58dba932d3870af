"""Instruments that write folders as the real ones do, and know what is in them."""

from __future__ import annotations
