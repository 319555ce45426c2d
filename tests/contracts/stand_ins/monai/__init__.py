"""The calls of MONAI (1.6.1) that the bundle's adapter makes, with a threshold for a network."""
