"""``bench shrink``, ``bench run --shrink`` and scenarios as scripts, as a user meets them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from bench.cli import store
from bench.faults.spec import Crash, FaultRecord
from bench.run import run_trial
from bench.scenario import Scenario, load_script, of_trial, script_of
from bench.torture import torture
from bench.trial import Trial
from bench.workload.spec import Call, Workload

MS = 1_000_000
SMALL = """
from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft", mutant="vote-not-persisted", fails="election_safety", params={"pre_vote": "false"},
    steps='''
        1 boot n1
        2 boot n2
        3 boot n3
        4 timer n2 election
        5 sync n2 #4
        6 deliver n2>n3 RequestVote #5
        7 sync n3 #6
        8 deliver n3>n2 Vote #7
        9 crash n3
       10 boot n3
       11 timer n1 election
       12 sync n1 #11
       13 deliver n1>n3 RequestVote #12
       14 deliver n3>n1 Vote #13
    ''',
)

if __name__ == "__main__":
    scenario.main()
"""


def kept(seed: int = 197, mutant: str = "leader-counts-unsynced") -> Path:
    """A kept run of a mutant that fails."""
    result, record = run_trial(torture("raft", seed, mutant))
    assert result.violations
    return store.keep(result, record.history)[1]


class TestShrink:
    def test_a_run_becomes_a_script_that_fails_likewise(self, bench, tmp_path):
        folder = kept()
        done = bench("shrink", folder)
        assert done.exit_code == 0, done.output
        assert "leader_completeness" in done.stdout
        assert "became 1 fault, 0 operations, 18 steps" in done.stdout
        script = tmp_path / folder / "scenario.py"
        again = bench("run", script)
        assert again.exit_code == 1
        assert "INVALID: leader_completeness" in again.stdout
        assert "crashes" in again.stdout
        by_python = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        assert by_python.returncode == 1, by_python.stderr
        assert by_python.stdout == again.stdout
        further = bench("shrink", script, "--out", "smaller.py")
        assert further.exit_code == 0
        assert load_script("smaller.py").steps == load_script(str(script)).steps

    def test_run_shrinks_at_once(self, bench):
        done = bench("run", "raft", "--torture", "--mutant", "leader-counts-unsynced", "--seed", "197", "--shrink")
        assert done.exit_code == 1
        assert "18 steps" in done.stdout
        assert list(Path("runs").glob("*/scenario.py"))

    def test_quiet_names_the_script(self, bench):
        folder = kept()
        assert bench("shrink", folder, "--quiet", "--out", "x.py").stdout.strip() == "x.py"

    def test_bad_input(self, bench):
        folder = kept()
        for arguments, says in (
            (("nowhere",), "unknown run 'nowhere'"),
            ((folder, "--check", "linearizabel"), "unknown failed check 'linearizabel'"),
            ((folder, "--budget", "0"), "--budget 0 is out of range"),
            ((folder, "--out", "no/such/folder/x.py"), "there is no folder"),
        ):
            done = bench("shrink", *arguments)
            assert done.exit_code == 2, done.output
            assert says in done.stderr

    def test_a_valid_run_has_nothing_to_shrink(self, bench):
        trial = Trial(protocol="raft", duration=200 * MS, workload=Workload(clients=2))
        result, record = run_trial(trial)
        done = bench("shrink", store.keep(result, record.history)[1])
        assert done.exit_code == 2
        assert "no violation" in done.stderr

    def test_a_live_failure_that_does_not_show_in_the_simulator(self, bench):
        """Its faults and operations are exported all the same."""
        trial = Trial(protocol="raft", duration=200 * MS, workload=Workload(clients=2), seed=4)
        result, record = run_trial(trial)
        crash = "crash leader at 8ms for 40ms"
        bad = msgspec.structs.replace(
            result,
            violations=(msgspec.convert({"name": "linearizable", "verdict": "invalid"}, type=type_of_verdict()),),
            verdict="invalid",
            runtime="ray",
            spec=msgspec.structs.replace(trial, runtime="ray"),
            faults=(FaultRecord(kind="crash", targets=("n2",), start=9 * MS, end=50 * MS, detail=crash),),
        )
        folder = store.keep(bad, record.history)[1]
        done = bench("shrink", folder)
        assert done.exit_code == 3, done.output
        assert "does not in the simulator" in done.stdout
        scenario = load_script(str(folder / "scenario.py"))
        assert scenario.faults == ["crash n2 at 9ms for 41ms"]
        assert len(scenario.operations) > 20
        assert bench("run", folder / "scenario.py").exit_code == 0

    def test_a_live_failure_that_shows_is_shrunk(self, bench):
        """A live run is recorded as this one is: faults that fired, and a history."""
        result, record = run_trial(torture("raft", 197, "leader-counts-unsynced"))
        live = msgspec.structs.replace(
            result, runtime="ray", spec=msgspec.structs.replace(result.spec, runtime="ray", liveness=100 * MS)
        )
        done = bench("shrink", store.keep(live, record.history)[1])
        assert done.exit_code in (0, 3), done.output
        if done.exit_code == 0:
            assert "became" in done.stdout

    def test_ctrl_c_keeps_the_smallest_so_far(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        folder = kept(12, "vote-not-persisted")
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", "shrink", str(folder)], stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "schedules tried" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        code = process.wait(60)
        if code == 0:
            pytest.skip("it was quicker than the signal")
        assert code == 130, "".join(seen) + rest
        assert "so far is in" in rest
        began = time.monotonic()
        assert load_script(str(folder / "scenario.py")).steps
        assert time.monotonic() - began < 30


def type_of_verdict():
    from bench.checkers.verdict import Verdict

    return Verdict


class TestScenario:
    def test_steps(self, bench):
        Path("s.py").write_text(SMALL)
        done = bench("run", "s.py")
        assert done.exit_code == 1
        assert "both leader in term 1" in done.stdout
        assert " 9. n3 crashes" in done.stdout
        assert "VIOLATION election_safety" in done.stdout

    def test_without_the_mistake_it_is_no_violation(self, bench):
        Path("s.py").write_text(SMALL.replace('mutant="vote-not-persisted", ', ""))
        done = bench("run", "s.py", "--quiet")
        assert done.exit_code == 0
        assert "VALID" in done.stdout

    def test_json(self, bench):
        Path("s.py").write_text(SMALL)
        done = bench("run", "s.py", "--json", "-")
        assert msgspec.json.decode(done.stdout)["verdict"] == "invalid"

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("timer n2 election", "tmier n2 election", "did you mean 'timer'"),
            ("#12", "x", "step 13, 'deliver n1>n3 RequestVote x', is malformed"),
            ("scenario = Scenario", "other = Scenario", "defines no 'scenario"),
            ("raft", "rfat", "did you mean 'raft'"),
            ("fails=", "fials=", "TypeError"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, bench, old, new, says):
        Path("s.py").write_text(SMALL.replace(old, new).replace("scenario.main", "pass #"))
        done = bench("run", "s.py")
        assert done.exit_code == 2
        assert says in done.stderr
        assert done.stderr.count("\n") == 1

    def test_other_options_are_refused(self, bench):
        Path("s.py").write_text(SMALL)
        done = bench("run", "s.py", "--nodes", "5")
        assert done.exit_code == 2
        assert "leave --nodes out" in done.stderr
        assert "there is no file no.py" in bench("run", "no.py").stderr

    def test_a_trial_as_a_script_is_the_same_trial(self, tmp_path):
        trial = torture("raft", 7, "vote-not-persisted")
        trial = msgspec.structs.replace(
            trial,
            nemesis=None,
            faults=(Crash(at=5 * MS, target="n1", down=3 * MS),),
            workload=Workload(clients=2, keys=3, script=(Call(at=MS, client=1, function="write", key=2, value=9),)),
        )
        path = tmp_path / "t.py"
        path.write_text(script_of(of_trial(trial, "liveness"), "t.py", "a trial"))
        assert msgspec.json.encode(load_script(str(path)).trial()) == msgspec.json.encode(trial)

    def test_a_scenario_that_cannot_be(self):
        with pytest.raises(Exception, match="operation 'c9 raed'"):
            Scenario(protocol="raft", fails="x", operations=["c9 raed"]).trial()
