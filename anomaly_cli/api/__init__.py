"""The Python API: verbs that take and give values, and results that show themselves."""
