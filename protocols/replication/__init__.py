"""Replication: copies of data on several nodes, kept close to each other without agreeing on an order first."""
