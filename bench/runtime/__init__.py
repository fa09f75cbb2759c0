"""Runtimes: the two worlds in which the same protocol code runs."""
