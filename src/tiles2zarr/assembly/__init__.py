"""From tiles to images that are fit to be converted: filters, grouping, preflight, display ranges."""
