"""Numbers from masks: volume, surface, diameters, intensities, change — each with unit, method and error."""

from imaging.measurement.quantity import Quantity

__all__ = ["Quantity"]
