"""Tests of :mod:`protocols.membership.lease`."""
