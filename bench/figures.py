"""What a trial measured of the system under test: counts, latencies, outages and recoveries, failure detection."""

from __future__ import annotations

import msgspec


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by outcome, over the measured window."""

    ok: int = 0
    fail: int = 0
    info: int = 0


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles in seconds over all operations intended in the measured window.

    None where nothing completed, and where a quantile falls among those that were not acknowledged: it is beyond what
    was observed. ``max`` is so as soon as there is one.

    Attributes:
        censored: share of the operations that were not acknowledged (failed, perhaps happened, never answered, shed):
            of them it is only known that they were not served by the end.
    """

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    censored: float = 0.0


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of the first outage in which a fault unseated a leader, in seconds; None where it was not observed.

    ``detect``: fault to first suspicion; ``elect``: from there to a new leader; ``commit``: from there to the first
    commit of the new leader's term.
    """

    detect: float | None = None
    elect: float | None = None
    commit: float | None = None


class FaultRecovery(msgspec.Struct, frozen=True, kw_only=True):
    """What one fault did, in seconds; None where it was not observed.

    Attributes:
        kind: of the fault; ``at``: when it began; ``targets``: whom it hit.
        detect, elect, commit: as in :class:`Recovery`; None where it unseated no leader.
        p99_back: from its beginning until the 99th percentile of the response was back within 10% of what it was
            before the first fault; None if that did not happen before the next fault or the end of the load, or the
            baseline is not known.
    """

    kind: str
    at: float
    targets: tuple[str, ...] = ()
    detect: float | None = None
    elect: float | None = None
    commit: float | None = None
    p99_back: float | None = None


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """Messages sent between servers, and between clients and servers (either way), over the whole run.

    ``dropped`` (ray): those that the runtime or an injected fault lost; ``overflowed``: those of them for which there
    was no room in a buffer, because the receiver was too slow.
    """

    server: int = 0
    client: int = 0
    dropped: int = 0
    overflowed: int = 0


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """How well servers found out who is up, after Chen et al.; times in seconds, None where nothing was to measure.

    Attributes:
        detection_first: from a crash until the first server deemed the victim down, a crash each.
        detection: from a crash until a server that was up throughout deemed so for good, median over pairs.
        detection_max: of the same, the longest.
        undetected: pairs of a crash and an observer that never deemed so before the victim was back or the log ended.
        mistakes: times that a server that was up was deemed down.
        mistaken: the same by whom it was deemed of; without those never mistaken.
        observed: seconds over all pairs in which both were up.
        mistake_rate: mistakes a second and pair.
        mistake_length: mean.
        accuracy: share of ``observed`` in which the opinion was right: the answer to a query at a random time.
        spread: from a crash until everybody who was up deemed so, a crash each.
    """

    detection_first: tuple[float, ...] = ()
    detection: float | None = None
    detection_max: float | None = None
    undetected: int = 0
    mistakes: int = 0
    mistaken: dict[str, int] = {}
    observed: float = 0.0
    mistake_rate: float = 0.0
    mistake_length: float | None = None
    accuracy: float = 1.0
    spread: tuple[float, ...] = ()
