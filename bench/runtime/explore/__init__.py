"""The untimed world: nothing happens but what a schedule of steps, or an exhaustive search over all of them, says."""
