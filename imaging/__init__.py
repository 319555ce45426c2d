"""The library: images with a place in the patient, masks with an identity, measurements with an error.

Data flows one way, and every arrow is one function::

    folder → Index → Volume → Segmentation → Transform → Timeline → Measurements → Response

Patient space is DICOM LPS in millimetres everywhere (+x = the patient's left, +y = back, +z = head); arrays are
(slice, row, column). Only ``imaging.dicom`` and ``imaging.formats`` touch images on disk, and only
``imaging.segmentation.backends`` models, processes and servers, each named by the caller.
"""

__version__ = "0.1.0"
