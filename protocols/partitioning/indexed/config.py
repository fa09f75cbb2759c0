"""The parameters of the indexed table, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND


class TableConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        index: where the entries of the secondary index are. ``local``: with their records, so that whoever looks
            something up has to ask everybody. ``sync``: with all entries of the same attribute, written before the
            record is. ``async``: there too, but after the write was acknowledged.
        attributes: values that the indexed attribute may have; a record's is the number in its value, mod that.
        partitions: of the table and of a global index; dealt out to the servers in turns, for ever.
        placement: of records: ``hash`` of the key mod P, or ``range``: keys k0, k1 ... ``span`` - 1 in P equal parts.
        span: how many keys a ranged table is cut for.
        flush_s: (async) seconds for which changes gather before they are sent to the index.
        batch: changes of the index a message.
        retry_s: seconds without an answer after which they are sent again.
    """

    index: Literal["local", "sync", "async"] = "sync"
    attributes: int = 4
    partitions: int = 64
    placement: Literal["hash", "range"] = "hash"
    span: int = 64
    flush_s: float = 0.0
    batch: int = 64
    retry_s: float = 0.2

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        check_table(self)
        if not nodes <= self.partitions <= 65536:
            raise ValueError(f"partitions {self.partitions} is out of range: the number of servers, {nodes}, to 65536")
        if self.batch < 1:
            raise ValueError(f"batch {self.batch} is out of range: at least 1")
        if not 0 <= self.flush_s <= 3600:
            raise ValueError(f"flush_s {self.flush_s:g} is out of range: 0 to 3600 seconds")
        if not 0.001 <= self.retry_s <= 3600:
            raise ValueError(f"retry_s {self.retry_s:g} is out of range: 0.001 to 3600 seconds")

    @property
    def retry(self) -> int:
        """In ns."""
        return round(self.retry_s * SECOND)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        reads: what the read of a key is. ``primary``: of the record. ``index``: the record is read, then looked up by
            its attribute, until the index has it; what was found there is the answer. ``query``: all records that
            have the attribute of the key's number, mod the attributes; the answer is how many there are. ``scan``: all
            records whose keys are among the next ``width``; likewise.
        index, attributes, partitions, placement, span: as the servers'.
        width: keys of a scan.
        salts: pieces that a key is cut into; a write goes to one of them, a read asks all of them and takes what
            was written last by its writer's clock.
        hot: only the keys k0 to k(hot - 1) are cut; 0: all.
        cache_ttl_s: seconds for which what was read of a record is remembered and believed; 0: not at all.
        operation_timeout_s: seconds after which a client gives an operation up.
        ask_again_s: seconds without an answer after which it asks again whoever has not answered.
        backoff_s: seconds (with jitter) before it looks again for what the index does not have yet.
    """

    reads: Literal["primary", "index", "query", "scan"] = "index"
    index: Literal["local", "sync", "async"] = "sync"
    attributes: int = 4
    partitions: int = 64
    placement: Literal["hash", "range"] = "hash"
    span: int = 64
    width: int = 16
    salts: int = 1
    hot: int = 0
    cache_ttl_s: float = 0.0
    operation_timeout_s: float = 5.0
    ask_again_s: float = 0.2
    backoff_s: float = 0.005

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        check_table(self)
        if self.reads not in ("primary", "index", "query", "scan"):
            raise ValueError(f"reads {self.reads!r} is unknown: primary, index, query or scan")
        for name in ("width", "salts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is out of range: at least 1")
        if (self.salts > 1 or self.cache_ttl_s) and self.reads != "primary":
            raise ValueError("salts and cache_ttl_s are of reads 'primary' only")
        if self.hot < 0:
            raise ValueError(f"hot {self.hot} is out of range: at least 0")
        if not 0 <= self.cache_ttl_s <= 3600:
            raise ValueError(f"cache_ttl_s {self.cache_ttl_s:g} is out of range: 0 to 3600 seconds")
        for name in ("operation_timeout_s", "ask_again_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")


def check_table(config: TableConfig | ClientConfig) -> None:
    """Raise ``ValueError`` if what clients and servers must agree on cannot be."""
    if config.index not in ("local", "sync", "async"):
        raise ValueError(f"index {config.index!r} is unknown: local, sync or async")
    if config.placement not in ("hash", "range"):
        raise ValueError(f"placement {config.placement!r} is unknown: hash or range")
    for name in ("attributes", "span", "partitions"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} {getattr(config, name)} is out of range: at least 1")
