"""Tiny protocols that exercise what the real ones do not use yet, and a workbench to drive any node by hand."""
