"""The stages of one case, each one function from values to values; :mod:`pipelines.follow_up` puts them in a line."""
