"""The live world: every server in a Ray actor of its own, TCP links between them, real disks, real signals."""
