"""Transforms between exams, with the evidence on which they were accepted or rejected."""
