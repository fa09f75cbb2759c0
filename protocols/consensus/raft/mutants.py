"""Classic mistakes in Raft, each as the smallest edit of the real source that makes it; a file a theme."""

from __future__ import annotations

from .mutants_core import CORE
from .mutants_membership import MEMBERSHIP
from .mutants_reads import READS
from .mutants_sessions import SESSIONS
from .mutants_snapshots import SNAPSHOTS

MUTANTS = CORE + MEMBERSHIP + SNAPSHOTS + READS + SESSIONS
