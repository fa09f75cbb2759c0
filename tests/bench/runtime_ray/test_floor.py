"""The yardstick: independent of what it measures, the same bytes, and figures that can be believed."""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bench.faults.spec import Crash
from bench.run import floor_of, run_trial
from bench.runtime.ray import bare, bare_log, codec, precision
from bench.runtime.ray.bare import Answer, Ask, LinkOrder, Stream, Write, connect, encode
from bench.runtime.ray.bare_log import ClientsOrder, LogOrder
from bench.runtime.ray.floor import DELAYS, WINDOWS, measure
from bench.runtime.ray.precision import DelayOrder, TimerOrder
from bench.trial import Trial
from bench.workload.spec import PRESETS, Workload
from protocols import requests
from protocols.null import nodes

if TYPE_CHECKING:
    from bench.runtime.ray.session import RaySession

HERE = "127.0.0.1"
decode = msgspec.msgpack.decode


def imports(file: str) -> set[str]:
    """What a module imports, anywhere in it; relative ones with their dots."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or "").partition(".")[0] if node.level else str(node.module))
    return {name.partition(".")[0] if not name.startswith(".") else name for name in found}


@pytest.mark.parametrize(("module", "own"), [(bare, {".listen"}), (bare_log, {".bare"})])
def test_the_yardstick_uses_nothing_of_the_runtime(module: Any, own: set[str]) -> None:
    """Choosing a port and its own stream aside, it knows the standard library and msgspec only."""
    foreign = imports(module.__file__) - set(sys.stdlib_module_names) - {"__future__", "msgspec"}
    assert foreign == own


def test_its_bytes_are_those_of_the_runtime() -> None:
    """And those of the null protocol: what is compared with it is the same messages."""
    asks = [(0, 1, Ask(number, Write("k1", bytes(16)))) for number in range(3)]
    entries: list[Any] = [*asks, (1, 0, Answer(7, None))]
    kind, body = codec.encode_entries(list(entries))
    assert body == encode(entries)
    theirs = [(0, 1, nodes.Ask(number, requests.Write("k1", bytes(16)))) for number in range(3)]
    assert codec.encode_entries([*theirs, (1, 0, nodes.Answer(7, None))])[1] == body
    assert bare.HEADER.format == codec.HEADER.format
    assert bare.frame(77, 5, 123, body) == codec.frame(77, kind, 1, 5, 123, body)


@pytest.fixture(name="run")
def fixture_run() -> Any:
    """Runs a coroutine, and lets go of everything."""

    def run(coroutine: Any) -> Any:
        async def whole() -> Any:
            try:
                return await asyncio.wait_for(coroutine, 20)
            finally:
                await precision.stop(HERE, b"")
                await bare.stop(HERE, b"")

        return asyncio.run(whole())

    return run


def test_messages_go_back_and_forth(run: Any) -> None:
    async def volley() -> list[tuple[float, float]]:
        port = decode(await bare.echo(HERE, b""))
        return [decode(await bare.link(HERE, encode(LinkOrder(HERE, port, window, 0.05)))) for window in (1, 64)]

    (rtt, alone), (none, together) = run(volley())
    assert 0 < rtt < 0.05 and none == 0
    assert together > alone > 1 / 0.05


def test_a_damaged_frame_ends_the_stream(run: Any) -> None:
    async def damage() -> None:
        broken: list[Any] = []
        ended = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: broken.append(context.get("exception")))
        port = decode(await bare.echo(HERE, b""))
        stream = await connect(HERE, port, lambda *_: None)
        stream.connection_lost = lambda error: ended.set()  # type: ignore[method-assign]
        data = bytearray(bare.frame(0, 1, 0, encode([(0, 1, Ask(1, Write("k", b"")))])))
        data[-1] ^= 1
        stream.transport.write(bytes(data))
        await asyncio.wait_for(ended.wait(), 5)
        assert broken and "damaged" in str(broken[0])

    run(damage())


def test_the_log_answers_what_a_majority_has_on_disk(run: Any, tmp_path: Path) -> None:
    async def measured() -> tuple[float, tuple[float, float]]:
        ports = [
            decode(await bare_log.follower(HERE, encode(LogOrder(str(tmp_path / "f" / str(i)))))) for i in range(2)
        ]
        followers = tuple((HERE, port) for port in ports)
        port = decode(await bare_log.leader(HERE, encode(LogOrder(str(tmp_path / "l" / "log"), followers))))
        rate = decode(await bare_log.clients(HERE, encode(ClientsOrder(HERE, port, 4, 0.05, 0.2))))
        return rate, decode(await bare_log.sync_times(HERE, b""))

    rate, (p50, p99) = run(measured())
    assert rate > 4
    assert 0 < p50 <= p99
    sizes = [(tmp_path / name).stat().st_size for name in ("f/0", "f/1", "l/log")]
    assert min(sizes) >= 0.2 * rate * 16, "all three have the values"


def test_no_majority_no_answer(run: Any, tmp_path: Path) -> None:
    """A leader whose followers do not sync acknowledges nothing."""

    async def measured() -> float:
        async def dumb(ip: str) -> int:
            return await bare.serve(ip, lambda stream, stamp, body: None)

        followers = ((HERE, await dumb(HERE)), (HERE, await dumb(HERE)))
        port = decode(await bare_log.leader(HERE, encode(LogOrder(str(tmp_path / "l" / "log"), followers))))
        rate: float = decode(await bare_log.clients(HERE, encode(ClientsOrder(HERE, port, 4, 0.0, 0.1))))
        return rate

    assert run(measured()) == 0


def test_delays_are_measured_from_the_stamp_to_the_handler(run: Any) -> None:
    async def measured() -> dict[int, tuple[float, float]]:
        port = decode(await precision.delay_receive(HERE, b""))
        order = DelayOrder(HERE, port, (300_000, 2_500_000, 20_000_000), 0.1)
        sent = decode(await precision.delay_send(HERE, encode(order)))
        assert sent >= 30
        found: dict[int, tuple[float, float]] = decode(await precision.delay_errors(HERE, b""), strict=False)
        return found

    found = run(measured())
    assert sorted(found) == [300_000, 2_500_000, 20_000_000]
    for p50, p99 in found.values():
        assert 0 <= p50 <= p99, "nothing arrives early"
        assert p50 < 0.02, "the delay itself is not part of the error, loosely: the machine may be busy"


def test_a_process_is_pinned_for_as_long_as_asked(run: Any) -> None:
    """All its threads may run anywhere again afterwards, also one that was started meanwhile, which is born pinned."""
    allowed = os.sched_getaffinity(0)

    async def pinned() -> tuple[int, set[int], set[int]]:
        core = decode(await bare.pin(HERE, encode(len(allowed) + 1)))  # as many cores as there are, and cyclically
        here = os.sched_getaffinity(0)
        born = await asyncio.get_running_loop().run_in_executor(None, os.sched_getaffinity, 0)
        await bare.pin(HERE, encode(0))
        await bare.unpin(HERE, b"")
        await bare.unpin(HERE, b"")
        return core, here, born

    core, here, born = run(pinned())
    assert core == sorted(allowed)[1 % len(allowed)]
    assert here == born == {core}
    threads = [os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")]
    assert all(cores == allowed for cores in threads)


def test_busy_processes_end_with_the_measurement(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    spin = precision._spin

    async def watched(length_s: float) -> Any:
        started.extend(await spin(length_s))
        assert all(process.poll() is None for process in started)
        cores = [os.sched_getaffinity(process.pid) for process in started]
        assert cores == [{core} for core in sorted(os.sched_getaffinity(0))], "one on each"
        return list(started)

    monkeypatch.setattr(precision, "_spin", watched)
    p50, p99 = run(_timers())
    assert 0 <= p50 <= p99
    assert started and all(process.poll() is not None for process in started)


async def _timers() -> Any:
    return decode(await precision.timers(HERE, encode(TimerOrder(0.1, busy=True))))


@pytest.mark.live
def test_the_floor_of_a_trial_has_everything(ray_session: RaySession) -> None:
    known = ray_session.floor(8)
    said: list[str] = []
    floor = measure(ray_session, 4, known=known, progress=said.append)
    assert floor.clients == 4
    assert [window for window, _ in floor.link_windows] == list(WINDOWS)
    assert floor.link_messages_s == max(rate for _, rate in floor.link_windows)
    assert floor.null_peak_messages_s >= known.null_peak_messages_s >= known.null_messages_s
    assert floor.log_clients == ((4, floor.log_ops_s),)
    assert 0 < floor.fsync_p50_s <= floor.fsync_p99_s
    assert [round(each.asked_s * 1e9) for each in floor.delays] == list(DELAYS)
    assert all(0 <= each.p50_s <= each.p99_s for each in floor.delays)
    assert floor.timer_idle_p99_s > 0 and floor.timer_busy_p99_s > 0
    assert floor.ray_link_messages_s == floor.ray_null_messages_s == 0, "only where the whole floor is asked for"
    allowed = sorted(os.sched_getaffinity(0))
    assert floor.pinned == tuple(allowed[place % len(allowed)] for place in range(4))
    assert (0.5 < floor.two_cores < 2.5) if len(allowed) > 1 else floor.two_cores == 0
    for seat in ray_session.pool.take(4):
        tasks = [os.sched_getaffinity(int(task)) for task in os.listdir(f"/proc/{seat.pid}/task")]
        assert all(cores == set(allowed) for cores in tasks), "nothing is pinned any more"
        ray_session.pool.give_back([seat])
    assert "the null protocol, 4 clients" in said and "the null protocol, 64 clients" not in said


def test_streams_are_told_apart_by_their_sequence() -> None:
    frames: list[int] = []
    stream = Stream(lambda stream, stamp, body: frames.append(stamp))
    one, two = (bare.frame(bare._KEY, sequence, sequence * 10, b"\x90") for sequence in (1, 2))
    stream.data_received(one[:10])
    stream.data_received(one[10:] + two[:3])
    assert frames == [10]
    stream.data_received(two[3:])
    assert frames == [10, 20]
    with pytest.raises(RuntimeError, match="as number 1"):
        stream.data_received(one)


@pytest.mark.live
def test_what_an_operation_costs_is_counted_during_the_load_over_all_lives(ray_session: RaySession) -> None:
    trial = Trial(
        protocol="raft",
        runtime="ray",
        duration=1_500_000_000,
        seed=7,
        workload=Workload(clients=4),
        params={"election_timeout_s": (0.1, 0.2)},
        faults=(Crash(at=500_000_000, target="leader", down=200_000_000),),
    )
    result, record = run_trial(trial, session=ray_session)
    assert result.trial == "complete", result.void_reason
    assert sorted(record.costs) == ["n1", "n2", "n3"]
    for cost in record.costs.values():
        assert cost.cpu_per_operation_s and cost.load_cpu and cost.fsyncs_per_operation
        assert 0 < cost.load_cpu < 1.2
        assert cost.load_cpu * 1.5 < cost.cpu_s, "booting and the liveness phase are not part of the load"
        assert cost.fsyncs_per_operation * result.operations.ok < cost.fsyncs
    assert result.projection is not None and result.projection.node in record.costs
    assert result.projection.cpu_ops_s > result.throughput_ops_s, "one node is never busier than its core"
    bias = record.bias
    assert bias is not None
    assert 0 <= bias.timer_lateness_p50_s <= bias.timer_lateness_p99_s <= bias.timer_lateness_max_s
    assert bias.gc_pause_max_s <= bias.gc_pause_total_s or bias.gc_pause_max_s == 0
    (machine,) = bias.machines
    assert machine.nodes == ("g1", "n1", "n2", "n3"), "a node that was restarted is among them"
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.file_system and machine.device
    assert machine.steal is None or machine.steal == bias.steal


@pytest.mark.live
def test_a_trial_over_actor_calls_gets_the_null_protocol_over_actor_calls(ray_session: RaySession) -> None:
    trial = Trial(protocol="null", runtime="ray", link="ray", workload=Workload(clients=8))
    plain = ray_session.floor(8)
    floor = floor_of(ray_session, trial)
    assert floor.null_over("ray") > 0 and floor.null_over("tcp") == plain.null_messages_s
    assert floor.null_over("ray") < floor.null_over("tcp"), "several times slower: Ray's calls are no data plane"
    assert floor_of(ray_session, trial) == floor, "measured once"
    assert floor_of(ray_session, msgspec.structs.replace(trial, link="tcp")) is plain


@pytest.mark.live
def test_the_null_protocol_is_bounded_by_the_harness(ray_session: RaySession) -> None:
    """Like with like: at the same number of clients its own rate is that of the floor, but for noise."""
    floor = ray_session.floor(8)
    load = Workload(clients=8, mix=PRESETS["write-only"])
    trial = Trial(protocol="null", runtime="ray", nodes=1, duration=800_000_000, workload=load)
    result, _ = run_trial(trial, session=ray_session)
    assert result.floor == floor, "a session knows the floor it has measured"
    messages = (result.messages.server + result.messages.client) / result.operations.ok
    assert 1.9 < messages < 2.2
    assert 0.5 < 2 * result.throughput_ops_s / floor.null_messages_s < 2, "loosely: the machine may be busy"
