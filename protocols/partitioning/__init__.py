"""Partitioning: which of many nodes keeps which key."""
