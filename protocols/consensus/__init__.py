"""Consensus: replicas that agree on a sequence of commands although some of them crash."""
