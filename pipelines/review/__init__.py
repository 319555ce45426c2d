"""The review: a reader looks at every outline of a case, mends it, and says yes or no. Needs the extra ``review``.

::

    case folder, study → views → sheets (native voxels) → stage (napari) + panel (Qt) → revisions → recomputation

A *view* is one series of one exam with what was outlined on it. A *sheet* is a view's masks as one array of labels, on
the native voxels. The *stage* shows up to four views side by side, turned to the patient's axes as array views, never
resampled: what a reader paints is painted on the voxels that are measured.

Decision, November 2026. One napari viewer in grid mode holds all panes, each shifted so that the current lesion's
centre lies at the origin. So panes scroll together in millimetres, napari's own brush, undo and layer list work in all
of them, and comparison does not rest on a registration. Several viewers in one window would have independent sliders,
but neither the brush nor the layer list of the second one. The price: an oblique series is seen in its own planes.

Only this package knows napari and Qt; :mod:`~pipelines.review.views`, :mod:`~pipelines.review.sheet` and
:mod:`~pipelines.review.session` need neither.
"""
