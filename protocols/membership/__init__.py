"""Who is up, who belongs, who leads: failure detectors, membership by gossip and by agreement, leases."""
