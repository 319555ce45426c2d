"""The same lesion through time."""
