"""What is measured: distributed-systems protocols as deterministic state machines, without I/O."""
