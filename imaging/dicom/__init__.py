"""The DICOM edge: the only package that reads or writes DICOM."""
