"""Tests of :mod:`protocols.membership.splitbrain`."""
