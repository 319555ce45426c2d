"""What a reader does to a mask: pure functions from a mask and a stroke to another mask, on any grid.

========  =====================================================================================
stroke    paint and erase with a ball in millimetres, everywhere or in a range of samples
between   the slices between two drawn ones, by contour interpolation
pieces    islands dropped, one kept, holes filled
outline   smoothed at constant volume, grown and shrunk in millimetres
parts     two sides of a plane, the union, what is left without the material
correct   one click or stroke that the image carries as far as it goes, and no farther
========  =====================================================================================

No function changes its arguments, and none reaches beyond what it names: undo is the mask before.
"""
