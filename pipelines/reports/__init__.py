"""Reports: one value in, bytes of each format out."""
