"""Templates of the report (a package, so that an installed copy carries them)."""
