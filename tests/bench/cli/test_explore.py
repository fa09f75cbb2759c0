"""``bench explore``, as a user meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

ELECTION = ("explore", "raft", "--operations", "0", "--param", "pre_vote=false")


def test_a_small_scope_is_seen_whole(bench):
    done = bench(*ELECTION)
    assert done.exit_code == 0, done.output
    assert "943 states, 2,400 steps between them, 12 where nothing can follow; up to 14 steps deep" in done.stdout
    assert "VALID within these bounds: every state was seen" in done.stdout
    assert not Path("runs").exists()


def test_a_mutant_is_listed_drawn_and_kept_as_a_script(bench):
    done = bench(*ELECTION, "--mutant", "double-vote", "--timeouts", "2")
    assert done.exit_code == 1, done.output
    assert "12. n3 gets Vote of step 10 from n2" in done.stdout
    assert "VIOLATION election_safety" in done.stdout
    assert done.stdout.count("INVALID: election_safety: n1 and n3 were both leader in term 1") == 1
    (script,) = Path("runs").glob("*/scenario.py")
    again = bench("run", script)
    assert again.exit_code == 1
    assert "INVALID: election_safety" in again.stdout
    real = Path("real.py")
    real.write_text(script.read_text().replace('mutant="double-vote",', ""))
    assert bench("run", real).exit_code == 0


def test_quiet_and_json(bench):
    mutant = ("--mutant", "half-is-a-majority", "--timeouts", 2)
    done = bench(*ELECTION, *mutant, "--quiet", "--json", "x.json", "--no-store")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == ["INVALID: election_safety: n1 and n2 were both leader in term 1"]
    report = msgspec.json.decode(Path("x.json").read_bytes())
    assert (report["verdict"], report["steps"]) == ("invalid", 7)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--states", "300"), "the budget of states was spent"),
        (("--depth", "4"), "steps beyond --depth were not taken"),
        (("--budget", "0.001"), "the time was up"),
    ],
)
def test_what_is_not_seen_whole_is_unknown(bench, arguments, says):
    done = bench(*ELECTION, "--timeouts", "2", *arguments)
    assert done.exit_code == 3
    assert f"UNKNOWN: no violation in what was seen, but {says}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("explore", "rfat"), "did you mean 'raft'"),
        (("explore", "raft", "--nodes", "0"), "--nodes 0 is out of range: 1 to 9"),
        (("explore", "raft", "--operations", "2", "--clients", "0"), "operations need a client"),
        (("explore", "raft", "--mutant", "x"), "unknown mutant of raft 'x'"),
        (("explore", "raft", "--param", "pre_vot=1"), "did you mean 'pre_vote'"),
        (("explore", "raft", "--budget", "0"), "--budget 0 is out of range"),
    ],
)
def test_bad_input(bench, arguments, says):
    done = bench(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_says_how_far_it_got(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *ELECTION, "--timeouts", "3"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "UNKNOWN: no violation in what was seen, but it was interrupted" in out
