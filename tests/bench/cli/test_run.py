import json

import msgspec
import pytest

from bench.cli import execute, hunt
from bench.cli.build import RunOptions, build_trial
from bench.errors import HarnessError
from bench.sweep.pools import Here
from bench.trial import Bias, Floor, Latency, Operations
from tests.bench.cli.conftest import HASH, outcome_of


class Board:
    """A pool that answers at once, by a function of the seed; ``order`` says which answers come first."""

    def __init__(self, answer, workers=1, latest_first=False):
        self.answer = answer
        self.workers = workers
        self.latest_first = latest_first
        self.waiting = []
        self.submitted = []
        self.closed = False

    def submit(self, tag, trial):
        self.waiting.append((tag, trial))
        self.submitted.append(tag)

    def collect(self, timeout_s):
        tag, _ = self.waiting.pop(-1 if self.latest_first else 0)
        decoded = build_trial(RunOptions(protocol="raft", mutant="double-vote", seed=tag, torture=True))
        answer = self.answer(tag, decoded)
        return [(tag, answer if isinstance(answer, str) else msgspec.json.encode(answer))]

    def close(self):
        self.closed = True


def test_a_run_is_summed_up(bench, runs):
    done = bench("run", "raft", "--seed", 7, "--nodes", 5)
    assert done.exit_code == 0
    for part in (
        "raft · 5 nodes · sim · seed 7 · 1s of load · 8 clients, closed loop",
        "1,234 ok, 1 fail, 2 info",
        "617 ops/s",
        "p50 1ms  p90 2ms  p99 15.3ms  p99.9 100ms  max 200ms",
        "350ms (resolution 12ms): detect 200ms, elect 10ms, commit 2ms",
        "0.081 between servers an operation (100 server, 200 client)",
        "linearizable valid  liveness valid",
        HASH,
        "VALID",
    ):
        assert part in done.stdout
    assert runs.calls[0].seed == 7


def test_it_is_kept(bench, runs, tmp_path):
    done = bench("run", "raft")
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"kept in        runs/{folder.name}" in done.stdout
    assert "-raft-" in folder.name
    assert sorted(file.name for file in folder.iterdir()) == ["history.parquet", "result.json", "trial.json"]
    assert json.loads((folder / "result.json").read_text())["history"] == "history.parquet"
    bench("run", "raft")
    assert len(list((tmp_path / "runs").iterdir())) == 2, "the same trial in the same second is kept beside it"


def test_it_is_not_kept_if_told_so(bench, runs, tmp_path):
    assert "kept in" not in bench("run", "raft", "--no-store").stdout
    assert list(tmp_path.iterdir()) == []


def test_json_to_a_file(bench, runs, tmp_path):
    bench("run", "raft", "--json", "out.json", "--no-store")
    text = (tmp_path / "out.json").read_text()
    written = json.loads(text)
    assert next(iter(written)) == "schema_version"
    assert written["operations"] == {"ok": 1234, "fail": 1, "info": 2}
    assert written["latency_s"]["p999"] == 0.1
    assert written["checks"]["liveness"] == "valid"


def test_json_to_standard_output_is_alone_there(bench, runs):
    done = bench("run", "raft", "--json", "-", "--no-store")
    assert json.loads(done.stdout)["protocol"] == "raft"
    assert "VALID" in done.stderr


def test_quiet_is_the_verdict_only(bench, runs):
    done = bench("run", "raft", "--quiet")
    assert (done.stdout, done.stderr) == ("VALID\n", "")


def test_progress_is_shown_on_standard_error(bench, runs):
    assert bench("run", "raft").stderr == "load\n"


@pytest.mark.parametrize(
    ("changes", "code", "line"),
    [
        ({}, 0, "VALID"),
        ({"verdict": "invalid"}, 1, "INVALID"),
        ({"verdict": "unknown"}, 3, "UNKNOWN: linearizable could not be decided; a larger --check-budget may"),
        (
            {"verdict": "unknown", "trial": "void", "void_reason": "too few operations"},
            3,
            "UNKNOWN, and the trial is void: too few operations",
        ),
        (
            {"verdict": "unknown", "checks": {"linearizable": "valid"}},
            3,
            "UNKNOWN: too little was acknowledged for anything to come out wrong",
        ),
        ({"verdict": "unknown", "error": "an actor died"}, 70, "HARNESS FAILED: an actor died"),
    ],
)
def test_exit_codes(bench, runs, changes, code, line):
    runs.answer = lambda trial: outcome_of(trial, **changes)
    done = bench("run", "raft", "--no-store")
    assert done.exit_code == code
    assert line in done.stdout.splitlines()


def test_what_is_beyond_what_was_observed_is_said_in_words(bench, runs):
    latency = Latency(p50=0.001, p90=0.002, censored=0.043)
    runs.answer = lambda trial: outcome_of(trial, latency_s=latency, unavailable_censored=True)
    shown = bench("run", "raft", "--no-store").stdout
    assert (
        "p50 1ms  p90 2ms; p99, p99.9, max beyond what was observed (4.30% of the operations were not acknowledged)"
        in shown
    )
    assert "350ms, and not over when the load ended (resolution 12ms)" in shown
    runs.answer = lambda trial: outcome_of(trial, latency_s=Latency(censored=1.0))
    assert "p50, p90, p99, p99.9, max beyond what was observed (100.00%" in bench("run", "raft", "--no-store").stdout


def test_a_live_run_shows_its_floor_and_what_could_bias_it(bench, runs):
    floor = Floor(link_rtt_s=7.5e-5, link_messages_s=140_000.0, null_messages_s=90_000.0, log_ops_s=50_000.0)
    runs.answer = lambda trial: outcome_of(
        trial, floor=floor, harness_bound=True, bias=Bias(generator_lateness_p99_s=0.004, shed=3, steal=0.25)
    )
    done = bench("run", "raft", "--runtime", "ray")
    assert "link round trip 75us, 140,000 messages/s" in done.stdout
    assert "the harness bounds this result" in done.stdout
    assert "generator CPU" in done.stdout, "a closed loop is never late"
    assert "3 shed" in done.stdout
    assert "steal 25.0%" in done.stdout
    (twice,) = (line for line in done.stdout.splitlines() if line.strip().startswith("look twice"))
    assert "the hypervisor took 25.0% of a machine's time" in twice
    assert "3 operations were not started" in twice
    assert "generator late p99 4ms" in bench("run", "raft", "--runtime", "ray", "--rate", 100).stdout


def test_a_violation_comes_with_its_sentence_and_commands(bench, runs, tmp_path):
    runs.answer = lambda trial: outcome_of(trial, "invalid")
    done = bench("run", "raft", "--seed", 3)
    (folder,) = (tmp_path / "runs").iterdir()
    assert "linearizable: k1: a read went back" in done.stdout
    assert f"replay with:    bench replay runs/{folder.name}" in done.stdout
    assert "run again with: bench run raft --runtime sim --duration 1 --seed 3" in done.stdout


def test_an_unserved_run(bench, runs):
    runs.answer = lambda trial: outcome_of(
        trial, operations=Operations(), unavailable_s=None, messages_per_operation=None, verdict="unknown"
    )
    done = bench("run", "raft")
    assert "0 ok, 0 fail, 0 info" in done.stdout
    assert "unavailable    -" in done.stdout


class TestNothingIsStarted:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("rfat",), "bench: unknown protocol 'rfat': did you mean 'raft'?"),
            (("raft", "--rate", "-1"), "bench: rate -1 is out of range"),
            (("raft", "--rate", "nan"), "bench: invalid value for '--rate': 'nan' is not a number"),
            (("raft", "--nodes", "x"), "bench: invalid value for '--nodes': 'x' is not a valid integer"),
            (("raft", "--nodez", "3"), "'--nodez'"),
            (("raft", "--json", "none/out.json"), "bench: none/out.json cannot be written: there is no folder none"),
            (("raft", "--json", "."), "bench: . is a folder: give the name of a file"),
            (("raft", "--address", "127.0.0.1:6379"), "bench: --address is of a live cluster: give --runtime ray too"),
            (("raft", "--runtime", "ray", "--address", "here"), "bench: address 'here' is malformed"),
            ((), "bench: missing argument 'PROTOCOL'"),
        ],
    )
    def test_wrong_input_ends_with_one_sentence(self, bench, runs, tmp_path, arguments, sentence):
        done = bench("run", *arguments)
        assert done.exit_code == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr
        assert runs.calls == []
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written(self, bench, runs, tmp_path):
        (tmp_path / "runs").write_text("a file")
        done = bench("run", "raft")
        assert done.exit_code == 2
        assert "runs/ cannot be written here: run in another folder, or give --no-store" in done.stderr
        assert runs.calls == []

    def test_no_cluster_answers(self, bench, runs, monkeypatch):
        def refuse(where, timeout):
            raise ConnectionRefusedError(111, "Connection refused")

        monkeypatch.setattr("bench.address.socket.create_connection", refuse)
        done = bench("run", "raft", "--runtime", "ray", "--address", "127.0.0.1:6379")
        assert done.exit_code == 2
        assert "no cluster answers at 127.0.0.1:6379 (Connection refused): start one with" in done.stderr
        assert runs.calls == []

    def test_a_cluster_that_answers_is_handed_on(self, bench, runs, monkeypatch):
        monkeypatch.setattr("bench.address.probe", lambda address: None)
        bench("run", "raft", "--runtime", "ray", "--address", "127.0.0.1:6379")
        assert runs.addresses == ["127.0.0.1:6379"]


class TestEndings:
    def test_ctrl_c(self, bench, monkeypatch, tmp_path):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(execute, "run_trial", interrupted)
        done = bench("run", "raft")
        assert done.exit_code == 130
        assert done.stderr.splitlines()[-1] == "bench: interrupted: the trial was not finished, nothing was kept"
        assert list(tmp_path.iterdir()) == []

    def test_the_harness_fails(self, bench, monkeypatch):
        def fails(*_, **__):
            raise HarnessError("node n2 did not start within 20 s")

        monkeypatch.setattr(execute, "run_trial", fails)
        done = bench("run", "raft")
        assert (done.exit_code, done.stderr) == (70, "bench: node n2 did not start within 20 s\n")

    def test_a_defect_is_not_a_violation(self, bench, monkeypatch):
        def breaks(*_, **__):
            raise ZeroDivisionError("oops")

        monkeypatch.setattr(execute, "run_trial", breaks)
        done = bench("run", "raft")
        assert done.exit_code == 70
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1] == "bench: the harness failed: ZeroDivisionError: oops"


class TestHunt:
    OPTIONS = RunOptions(protocol="raft", mutant="double-vote")

    @pytest.fixture(autouse=True)
    def no_seed_is_noted(self, monkeypatch):
        """Which one is noted with a mutant changes with the protocol; the search is the same."""
        monkeypatch.setattr(hunt, "_known_seed", lambda options: 1)

    def hunt(self, board, options=OPTIONS, budget_s=5.0):
        return hunt.hunt(options, lambda text: None, budget_s=budget_s, make_pool=lambda: board)

    def test_the_first_violating_seed_ends_it(self):
        board = Board(lambda seed, trial: outcome_of(trial, "invalid" if seed == 4 else "valid"))
        found = self.hunt(board)
        assert found.trial.seed == 4
        assert [result.seed for result in found.results] == [1, 2, 3, 4]
        assert board.closed

    def test_of_several_the_lowest_seed_counts_whichever_comes_first(self):
        board = Board(
            lambda seed, trial: outcome_of(trial, "invalid" if seed in (2, 3) else "valid"), 3, latest_first=True
        )
        found = self.hunt(board)
        assert found.trial.seed == 2
        assert [result.seed for result in found.results] == [1, 2]

    def test_it_ends_when_the_time_is_up(self):
        board = Board(lambda seed, trial: outcome_of(trial))
        found = self.hunt(board, budget_s=0.0)
        assert board.submitted == [1], "one is always tried"
        assert found.trial.seed == 1

    def test_a_bare_mutant_meets_the_full_nemesis(self):
        found = self.hunt(Board(lambda seed, trial: outcome_of(trial, "invalid")))
        assert found.trial == build_trial(RunOptions(protocol="raft", mutant="double-vote", torture=True, seed=1))

    def test_other_options_keep_their_trial(self):
        options = RunOptions(protocol="raft", mutant="double-vote", rate=50.0)
        trial = self.hunt(Board(lambda seed, trial: outcome_of(trial, "invalid")), options).trial
        assert (trial.workload.rate, trial.nodes) == (50.0, 3)
        assert trial.nemesis is not None

    @pytest.mark.parametrize("answer", ["its worker process died", None])
    def test_a_trial_that_fails_is_the_harness_failing(self, answer):
        board = Board(lambda seed, trial: answer or outcome_of(trial, "unknown", error="no space left"))
        with pytest.raises(HarnessError, match=r"seed 1: (its worker process died|no space left)"):
            self.hunt(board)
        assert board.closed

    def test_when_it_is_wanted(self):
        assert hunt.wanted(self.OPTIONS)
        assert not hunt.wanted(RunOptions(protocol="raft", mutant="double-vote", seed=1))
        assert not hunt.wanted(RunOptions(protocol="raft", mutant="double-vote", runtime="ray"))
        assert not hunt.wanted(RunOptions(protocol="raft"))

    def test_the_command_says_how_many_seeds_it_took(self, bench, runs):
        runs.answer = lambda trial: outcome_of(trial, "invalid" if trial.seed == 3 else "valid")
        done = bench("run", "raft", "--mutant", "double-vote")
        assert done.exit_code == 1
        assert "found in 3 seeds" in done.stdout
        assert "run again with: bench run raft --torture --mutant double-vote --seed 3" in done.stdout

    def test_the_command_says_that_it_found_nothing(self, bench, runs, monkeypatch):
        monkeypatch.setattr(hunt.hunt, "__kwdefaults__", {"budget_s": 0.0, "make_pool": Here})
        done = bench("run", "raft", "--mutant", "double-vote")
        assert done.exit_code == 0
        assert "no violation in 1 seed: try others (--seed) or other faults" in done.stdout


def test_a_real_simulation_ends_in_a_verdict(bench):
    done = bench("run", "raft", "--duration", "200ms", "--clients", 2)
    assert done.exit_code == 0, done.output
    assert "VALID" in done.stdout


def test_a_real_mutant_ends_in_a_violation_that_replays(bench):
    done = bench("run", "raft", "--mutant", "double-vote")
    assert done.exit_code == 1, done.output
    assert "election_safety" in done.stdout
    assert "VIOLATION" in done.stdout, "the space-time diagram"
    replayed = bench("replay", next(line for line in done.stdout.splitlines() if "replay with" in line).split()[-1])
    assert replayed.exit_code == 1
    assert "identical: trace hash" in replayed.stdout
