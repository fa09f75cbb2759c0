"""What measures: runtimes, network, faults, workloads, histories, checkers, sweeps and reports."""
