import json
import shutil

import msgspec
import pytest

from bench.cli import store
from bench.sweep import SweepResult
from bench.trial import Latency, Trial
from tests.bench.cli.conftest import history, outcome_of

STUDY = '''"""A study of a formula."""
from bench.tune import Default, Objective, Real, Study, main

def cost(rtt_s, x, seed):
    return {"cost": (x - rtt_s) ** 2 + seed % 3 / 1000}

study = Study(
    name="formula", question="Where is the minimum?", parameters={"x": Real(0.0, 1.0)}, settings={"rtt_s": 0.5},
    function=cost, objectives=[Objective("cost", "cost", unit="")], defaults=[Default("half", {"x": 0.5})],
    candidates=24, looks=(2, 4), confirm=10,
)
if __name__ == "__main__":
    raise SystemExit(main(study))
'''


@pytest.fixture(name="script")
def fixture_script(tmp_path):
    path = tmp_path / "formula.py"
    path.write_text(STUDY)
    return path


class TestTune:
    def test_without_a_study_they_are_listed(self, bench):
        done = bench("tune")
        assert done.exit_code == 0 and "tune_election" in done.stdout
        assert "tune_election" in bench("list", "studies").stdout

    def test_a_study_runs_reports_and_is_rendered_again(self, bench, script, tmp_path):
        out = tmp_path / "out"
        done = bench("tune", str(script), "--out", str(out), "--jobs", "1", "--plain")
        assert done.exit_code == 0, done.stderr
        assert "Choose x " in done.stdout or "cannot tell the candidates apart" in done.stdout
        assert f"report: {out}/report.html" in done.stdout
        found = json.loads((out / "study.json").read_text())
        assert found["finished"] and found["schema_version"] == 1
        (out / "report.html").unlink()
        assert bench("report", str(out)).exit_code == 0 and (out / "report.html").is_file()

    def test_a_setting_changes_the_answer(self, bench, script, tmp_path):
        out = tmp_path / "out"
        bench("tune", str(script), "rtt_s=200ms", "--out", str(out), "--jobs", "1", "--plain")
        found = json.loads((out / "study.json").read_text())
        best = next(each for each in found["finalists"] if each["name"] == found["recommended"])
        assert abs(best["point"]["x"] - 0.2) < 0.1
        assert found["settings"] == {"rtt_s": 0.2}

    def test_a_dry_run_writes_nothing(self, bench, script, tmp_path):
        done = bench("tune", str(script), "--dry-run", "--out", str(tmp_path / "out"))
        assert done.exit_code == 0 and "24 candidates (tpe), 2 to 4 seeds each" in done.stdout
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["tune_electoin"], "did you mean"),
            (["SCRIPT", "rtt=1"], "unknown axis 'rtt': did you mean 'rtt_s'"),
            (["SCRIPT", "rtt_s=1,2"], "takes one value"),
            (["SCRIPT", "--candidates", "0"], "candidates 0 is out of range"),
            (["SCRIPT", "--sampler", "cmaes"], "unknown sampler 'cmaes'"),
            (["SCRIPT", "--jobs", "0"], "jobs 0 is out of range"),
            (["SCRIPT", "--address", "127.0.0.1:1"], "127.0.0.1:1"),
        ],
    )
    def test_bad_input_is_one_sentence(self, bench, script, arguments, words):
        done = bench("tune", *[str(script) if each == "SCRIPT" else each for each in arguments])
        assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1

    def test_a_script_without_a_study(self, bench, tmp_path):
        path = tmp_path / "nothing.py"
        path.write_text("sweep = 1\n")
        done = bench("tune", str(path))
        assert done.exit_code == 2 and "declares no study" in done.stderr


def keep(seed, p99=0.01, **changes):
    outcome = outcome_of(Trial(protocol="raft", seed=seed), **changes)
    latency = Latency(p50=p99 / 5, p90=p99 / 2, p99=p99, p999=p99 * 2, max=p99 * 3)
    return store.keep(msgspec.structs.replace(outcome, latency_s=latency), history())[1]


@pytest.fixture(name="runs")
def fixture_runs(bench, tmp_path):
    """Two folders of twelve runs each, the second with a p99 longer by a fifth."""
    for name, factor in (("before", 1.0), ("after", 1.2)):
        for seed in range(1, 13):
            folder = keep(seed, p99=0.01 * factor * (1 + seed % 4 / 100))
            shutil.move(folder, tmp_path / name / folder.name)
    return tmp_path / "before", tmp_path / "after"


class TestCompare:
    def test_a_regression_ends_in_4(self, bench, runs, tmp_path):
        before, after = map(str, runs)
        done = bench("compare", before, after, "--json", str(tmp_path / "c.json"))
        assert done.exit_code == 4, done.stderr
        assert "regression: raft, 3 nodes" in done.stdout and "p99" in done.stdout
        assert done.stdout.rstrip().endswith("REGRESSION")
        found = json.loads((tmp_path / "c.json").read_text())
        p99 = next(each for each in found["changes"] if each["metric"] == "p99_s")
        assert p99["regression"] and abs(p99["change"] - 0.2) < 0.01 and p99["low"] < 0.2 < p99["high"]
        assert bench("compare", after, before).exit_code == 0, "the other way round it is an improvement"
        assert bench("compare", before, before).exit_code == 0

    def test_a_tolerance(self, bench, runs):
        loose = ("--tolerate", "p99_s=30%", "--tolerate", "p50_s=0.3")
        done = bench("compare", *map(str, runs), *loose)
        assert done.exit_code == 0 and "worse, but tolerated (30%)" in done.stdout
        assert bench("compare", *map(str, runs), "--metric", "throughput_ops_s").exit_code == 0

    def test_other_machines_are_refused(self, bench, runs):
        before, after = runs
        for file in after.glob("*/result.json"):
            found = json.loads(file.read_text())
            found["provenance"]["machine"] = {"id": "other", "cpu": "a better one", "cores": 64, "kernel": "9"}
            file.write_text(json.dumps(found))
        for file in before.glob("*/result.json"):
            found = json.loads(file.read_text())
            found["provenance"]["machine"] = {"id": "one", "cpu": "an old one", "cores": 2, "kernel": "6"}
            file.write_text(json.dumps(found))
        done = bench("compare", str(before), str(after))
        assert done.exit_code == 2 and "the machines differ" in done.stderr and "a better one" in done.stderr
        assert bench("compare", str(before), str(after), "--force").exit_code == 4

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["nothing", "after"], "nothing"),
            (["BEFORE", "AFTER", "--metric", "p99"], "did you mean 'p99_s'"),
            (["BEFORE", "AFTER", "--tolerate", "p99_s"], "is malformed"),
            (["BEFORE", "AFTER", "--tolerate", "p99_s=-5%"], "out of range"),
            (["BEFORE", "AFTER", "--alpha", "7"], "alpha 7 is out of range"),
            (["BEFORE", "AFTER", "--json", "/nowhere/x.json"], "no folder"),
        ],
    )
    def test_bad_input_is_one_sentence(self, bench, runs, arguments, words):
        names = {"BEFORE": str(runs[0]), "AFTER": str(runs[1])}
        done = bench("compare", *[names.get(each, each) for each in arguments])
        assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1


FAST = ("--duration", "0.3", "--rate", "200", "--quiet", "--latency", "2ms")


class TestBaseline:
    def test_of_a_run(self, bench, tmp_path):
        bench("run", "raft", *FAST)
        base = next((tmp_path / "runs").iterdir())
        same = bench("run", "raft", *FAST, "--baseline", str(base))
        assert same.exit_code == 0 and same.stdout.rstrip().endswith("NO DIFFERENCE"), same.stderr
        other = bench("run", "raft", *FAST, "--seed", "2", "--baseline", str(base))
        assert other.exit_code == 3, "one trial against one tells nothing"
        tolerant = bench("run", "raft", *FAST, "--seed", "2", "--baseline", str(base), "--tolerate", "p99_s=500%")
        assert tolerant.exit_code == 0
        text = base / "result.json"
        found = json.loads(text.read_text())
        found["latency_s"]["p99"] /= 100
        text.write_text(json.dumps(found))
        worse = bench("run", "raft", *FAST, "--seed", "2", "--baseline", str(base), "--tolerate", "p99_s=500%")
        assert worse.exit_code == 4

    @pytest.mark.parametrize("option", [("--force",), ("--tolerate", "p99_s=5%")])
    def test_what_is_of_a_comparison_needs_a_baseline(self, bench, option):
        done = bench("run", "raft", *FAST, *option)
        assert done.exit_code == 2
        assert f"{option[0]} is of a comparison: give --baseline RUN too" in done.stderr

    def test_a_baseline_that_is_none_ends_before_the_run(self, bench, tmp_path):
        done = bench("run", "raft", "--baseline", "nothing")
        assert done.exit_code == 2 and not (tmp_path / "runs").exists()

    def test_of_a_sweep(self, bench, tmp_path):
        script = tmp_path / "speed.py"
        script.write_text(
            "from bench.sweep import Sweep, Threshold\n"
            "from bench.trial import Trial\n"
            "def trial(nodes):\n    return Trial(protocol='raft', nodes=nodes)\n"
            "sweep = Sweep(name='speed', question='?', grid={'nodes': [3]}, trial=trial, seeds=12,\n"
            "    thresholds=[Threshold('p99_s', worse_by=0.5)], entry='tests.bench.sweep.fake:run_trial')\n"
        )
        run = ("sweep", str(script), "--jobs", "1", "--plain", "--out")
        assert bench(*run, str(tmp_path / "a")).exit_code == 0
        done = bench(*run, str(tmp_path / "b"), "--baseline", str(tmp_path / "a"))
        assert done.exit_code == 0 and "no difference: 5 of 5" in done.stdout
        slow = SweepResult.load(tmp_path / "a")
        assert len(slow.rows) == 12
        other = bench(*run, str(tmp_path / "c"), "nodes=5", "--baseline", str(tmp_path / "a"))
        assert other.exit_code == 2 and "no cell in common" in other.stderr
