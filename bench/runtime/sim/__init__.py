"""The simulated world: virtual time, one event heap, everything seeded."""
