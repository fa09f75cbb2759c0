"""Tests of :mod:`bench.systems`."""
