"""Images: samples on a grid, with their meaning."""

from imaging.volume.volume import Modality, Volume

__all__ = ["Modality", "Volume"]
