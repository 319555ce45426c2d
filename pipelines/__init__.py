"""The applications: one case from folder to report, batches of cases, review, and the command line."""
