"""The research edge: NIfTI, NRRD and the JSON records of our values."""
