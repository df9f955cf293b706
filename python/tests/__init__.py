"""Tests of the Python package; they need nothing but `unittest`: `python -m unittest discover -s python/tests -t python`."""
