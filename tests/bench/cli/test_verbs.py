import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import click
import msgspec
import numpy as np
import pytest

from bench import errors
from bench.cli import VERBS, listing, main, store
from bench.errors import UsageError
from bench.faults.notation import FORMS, usage
from bench.history.storage import write_history
from bench.network.latency import parse_latency
from bench.trial import Trial
from protocols.registry import load
from tests.bench.cli.conftest import history, outcome_of


def keep(trial=None, **changes):
    """A kept run of the trial."""
    return store.keep(outcome_of(trial or Trial(protocol="raft"), **changes), history())[1]


class TestHelp:
    def test_no_verb_shows_the_help(self, bench):
        done = bench()
        assert done.exit_code == 2
        assert "bench run raft" in done.stdout

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_has_help_with_examples(self, bench, verb):
        done = bench(verb, "--help")
        assert done.exit_code == 0
        assert f"bench {verb}" in done.stdout.partition("Examples:")[2]
        assert VERBS[verb][1] in bench("--help").stdout

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_option_says_what_it_is_and_what_it_is_if_it_is_not_given(self, bench, verb):
        assert bench(verb, "--help").exit_code == 0
        command = main.get_command(click.Context(main), verb)
        options = [each for each in command.params if isinstance(each, click.Option)]
        assert [each.name for each in options if not each.help] == []
        # without one of these, what it would do is not done
        done = {"mutant", "zipf", "nemesis", "json_to", "baseline", "page", "html"}
        valued = [each for each in options if not (each.is_flag or each.multiple or each.name in done)]
        untold = [each.name for each in valued if not each.show_default and "[default: " not in each.help]
        assert untold == []

    def test_its_examples_of_sweeps_have_axes_that_are(self, bench):
        lines = [line.strip() for line in bench("--help").stdout.splitlines()]
        examples = [re.split("  +", line)[0].split()[1:] for line in lines if line.startswith("bench sweep ")]
        assert examples
        for words in examples:
            done = bench(*words, "--dry-run")
            assert done.exit_code == 0, done.stderr

    @pytest.mark.parametrize(
        ("stray", "meant"),
        [("seeds=9", "--param seeds=9"), ("client_latency=normal(2ms,1)", "--client-latency normal(2ms,1)")],
    )
    def test_a_parameter_without_its_option_is_told_how_it_is_given(self, bench, stray, meant):
        done = bench("run", "swim", stray)
        assert done.exit_code == 2
        assert f"({stray}): did you mean {meant}? (see '" in done.stderr
        assert "did you mean" not in bench("run", "swim", "raft").stderr

    def test_an_unknown_verb(self, bench):
        done = bench("rnu")
        assert done.exit_code == 2
        assert done.stderr.startswith("bench: unknown command 'rnu': did you mean 'run'?")

    def test_the_version(self, bench):
        assert bench("--version").stdout.startswith("bench 0.")

    def test_help_imports_nothing_heavy(self):
        code = (
            "import sys\n"
            "from bench.cli import main\n"
            "for verb in ([], ['run'], ['sweep'], ['tune'], ['compare'], ['floor']):\n"
            "    try:\n"
            "        main.main([*verb, '--help'])\n"
            "    except SystemExit:\n"
            "        pass\n"
            "heavy = {'ray', 'numpy', 'pandas', 'matplotlib', 'pyarrow', 'rich', 'msgspec'} & set(sys.modules)\n"
            "print('HEAVY', sorted(heavy))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "HEAVY []" in done.stdout

    def test_it_runs_as_a_module(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "bench", "run", "rfat"], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("bench: unknown protocol 'rfat'")

    def test_a_pipe_that_closes_is_no_error(self, tmp_path):
        shell = f"{sys.executable} -m bench list raft | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "0"


class TestList:
    def test_one_protocol(self, bench):
        shown = " ".join(bench("list", "raft").stdout.split())
        family = load("raft")
        assert family.summary in shown
        assert "election_timeout_s=0.15..0.3" in shown
        assert all(mutant.name in shown for mutant in family.mutants)

    def test_faults(self, bench):
        shown = " ".join(bench("list", "faults").stdout.split())
        for kind, form in FORMS.items():
            assert usage(kind) in shown
            assert form.help in shown

    def test_latencies_are_notation(self, bench):
        shown = bench("list", "latencies").stdout
        for example, _ in listing.LATENCIES:
            parse_latency(example)
            assert example in shown

    def test_workloads_and_sweeps(self, bench):
        assert "ycsb-a" in bench("list", "workloads").stdout
        assert bench("list", "sweeps").exit_code == 0

    def test_runs(self, bench):
        assert "none" in bench("list", "runs").stdout
        folder = keep()
        assert folder.name in bench("list", "runs").stdout
        for name, file in (("distance-1", "sweep.json"), ("election-1", "study.json")):
            (store.RUNS / name).mkdir()
            (store.RUNS / name / file).write_text("{}")
        shown = bench("list", "runs").stdout
        assert re.search(r"distance-1 +sweep\n", shown) and re.search(r"election-1 +study\n", shown)

    def test_something_else(self, bench):
        done = bench("list", "fautls")
        assert done.exit_code == 2
        assert "did you mean 'faults'?" in done.stderr


class TestCheck:
    def test_a_file_a_folder_and_part_of_a_name(self, bench):
        folder = keep()
        for name in (folder / "history.parquet", folder, folder.name[-8:]):
            done = bench("check", name)
            assert done.exit_code == 0, done.output
            assert done.stdout.splitlines()[0] == "1 operations, model register"
            assert done.stdout.splitlines()[-1] == "VALID"

    def test_a_violation(self, bench, tmp_path):
        good = history()
        columns = {name: np.repeat(column, 2) for name, column in good.columns().items()}
        columns["process"] = np.array([0, 1])
        columns["function"] = np.array([1, 0], dtype=np.int8)
        columns["argument"] = np.array([1, -2])
        columns["result"] = np.array([-2, -1])
        columns["invoked"] = columns["intended"] = np.array([0, 10])
        columns["completed"] = np.array([5, 15])
        write_history(type(good)(**columns), tmp_path / "stale.parquet")
        done = bench("check", "stale.parquet")
        assert done.exit_code == 1
        assert "linearizable: invalid: " in done.stdout
        assert json.loads(bench("check", "stale.parquet", "--json").stdout)["verdict"] == "invalid"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("missing.parquet",), "missing.parquet is missing"),
            (("x.parquet", "--model", "regster"), "unknown model 'regster': did you mean 'register'?"),
            (("x.parquet", "--budget", "0"), "--budget 0 is out of range"),
            (("nothing",), "there is no run 'nothing'"),
        ],
    )
    def test_wrong_input(self, bench, arguments, sentence):
        done = bench("check", *arguments)
        assert done.exit_code == 2
        assert sentence in done.stderr


class TestReplay:
    TRIAL = Trial(protocol="raft", params={"election_timeout_s": (0.1, 0.2)})

    def test_identical(self, bench, runs):
        folder = keep(self.TRIAL)
        done = bench("replay", folder)
        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1].startswith("identical: trace hash")
        assert runs.calls[0].params == {"election_timeout_s": [0.1, 0.2]}

    def test_a_violation_that_shows_again_is_still_one(self, bench, runs):
        runs.answer = lambda trial: outcome_of(trial, "invalid")
        done = bench("replay", keep(self.TRIAL, verdict="invalid"), "--quiet")
        assert done.exit_code == 1
        assert done.stdout.startswith("identical")

    def test_different(self, bench, runs):
        folder = keep(self.TRIAL, trace_hash="0123", provenance={"code_version": "of-old"})
        done = bench("replay", folder / "result.json")
        assert done.exit_code == 70
        assert "different: trace hash 5eed" in done.stdout
        assert "the code has changed since: it was version of-old" in done.stdout

    def test_a_trial_alone_has_nothing_to_compare_with(self, bench, runs, tmp_path):
        (tmp_path / "trial.json").write_bytes(msgspec.json.encode(self.TRIAL))
        done = bench("replay", "trial.json")
        assert done.exit_code == 0
        assert "holds none to compare with" in done.stdout

    def test_live_runs_cannot_be_replayed(self, bench, runs):
        done = bench("replay", keep(Trial(protocol="raft", runtime="ray")))
        assert done.exit_code == 2
        assert "is a live run: only simulated ones can be replayed" in done.stderr
        assert runs.calls == []

    def test_a_page_of_a_part(self, bench):
        from bench.run import run_trial

        trial = Trial(protocol="raft", duration=600_000_000)
        result, _ = run_trial(trial)
        folder = keep(trial, trace_hash=result.trace_hash)
        done = bench("replay", folder, "--page", "run.html", "--from", "100ms", "--until", "200ms")
        assert done.exit_code == 0
        assert "steps, 0.1" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("identical")
        assert "raft, seed 1" in Path("run.html").read_text()

    def test_parts_of_no_page(self, bench, runs):
        folder = keep(self.TRIAL)
        done = bench("replay", folder, "--from", "1s")
        assert (done.exit_code, runs.calls) == (2, [])
        assert "give --page FILE, too" in done.stderr
        done = bench("replay", folder, "--page", "run.html", "--from", "2s", "--until", "1s")
        assert done.exit_code == 2
        assert "--from 2s is not before --until 1s" in done.stderr

    def test_ctrl_c(self, bench, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("bench.run.run_trial", interrupted)
        done = bench("replay", keep(self.TRIAL), "--quiet")
        assert (done.exit_code, done.stderr) == (130, "bench: interrupted: the recorded run is untouched\n")


class TestFindingRuns:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("nothing", "there is no run 'nothing': give the folder of a run, or part of its name in runs/"),
            ("some/path.json", "there is no run 'some/path.json'"),
        ],
    )
    def test_none_are_there(self, name, sentence):
        with pytest.raises(UsageError, match=sentence):
            store.load(name)

    def test_the_nearest_is_named(self):
        folder = keep()
        near = folder.name[:-1] + "x"
        with pytest.raises(UsageError, match=f"did you mean '{folder.name}'"):
            store.load(near)

    def test_several(self):
        keep()
        keep()
        with pytest.raises(UsageError, match="'raft' could be any of 2 runs"):
            store.load("raft")

    def test_an_empty_folder(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(UsageError, match=r"empty holds no result\.json"):
            store.load("empty")

    @pytest.mark.parametrize("text", [b"", b"{", b'{"spec": 1}', b'{"protocol": 3}', b"\xff\xfe", b'{"spec": "\xff"}'])
    def test_damaged_files(self, tmp_path, text):
        (tmp_path / "x.json").write_bytes(text)
        with pytest.raises(UsageError, match=r"x\.json is not the JSON of a run"):
            store.load("x.json")

    def test_another_schema(self, tmp_path):
        result = outcome_of(Trial(protocol="raft"), schema_version=99)
        (tmp_path / "x.json").write_bytes(store.encode(result))
        with pytest.raises(UsageError, match="has schema version 99, this is 1"):
            store.load("x.json")

    def test_what_is_kept_reads_back(self):
        result = outcome_of(Trial(protocol="raft", seed=5))
        kept, folder = store.keep(result, history())
        assert store.load(str(folder)).result == msgspec.json.decode(store.encode(kept), type=type(kept))
        assert store.load(str(folder)).trial.seed == 5

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_file_that_may_not_be_written(self, tmp_path):
        target = tmp_path / "out.json"
        target.touch(mode=0o400)
        with pytest.raises(UsageError, match="permission denied"):
            store.check_writable(target)


class TestSweep:
    def test_without_a_script_they_are_listed(self, bench):
        done = bench("sweep")
        assert done.exit_code == 0
        assert done.stdout.startswith("Sweeps")

    def test_a_script_is_handed_over_with_its_options(self, bench, monkeypatch):
        seen = []
        monkeypatch.setattr("bench.sweep.cli_run", lambda *arguments: seen.append(arguments) or 4)
        done = bench("sweep", "timeout", "nodes=3,5", "--seeds", 9, "--no-live", "--budget", 30, "--dry-run")
        assert done.exit_code == 4
        ((script, overrides, options),) = seen
        assert (script, overrides) == ("timeout", ("nodes=3,5",))
        assert (options.seeds, options.live, options.budget_s, options.dry_run) == (9, 0, 30.0, True)
        assert options.plain is None

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("timeout", "--jobs", "0"), "--jobs 0 is out of range: at least 1"),
            (("timeout", "--seeds", "-1"), "--seeds -1 is out of range: at least 0"),
            (("timeout", "--budget", "-3"), "--budget -3 is out of range"),
            (("timeout", "--live", "2", "--no-live"), "give --live or --no-live, not both"),
            (("timeout", "--address", "nowhere"), "address 'nowhere' is malformed"),
            (("no_such_script",), "unknown sweep script 'no_such_script'"),
        ],
    )
    def test_wrong_input(self, bench, arguments, sentence):
        done = bench("sweep", *arguments)
        assert done.exit_code == 2
        assert sentence in done.stderr


class TestReport:
    def test_it_is_written_beside_the_run_or_where_told(self, bench, tmp_path):
        folder = keep()
        assert bench("report", folder.name[-8:]).stdout == f"runs/{folder.name}/report.html\n"
        assert bench("report", folder, "--out", "mine.html").stdout == "mine.html\n"
        assert Path("mine.html").read_text() == (folder / "report.html").read_text()
        Path("out.json").write_bytes((folder / "result.json").read_bytes())
        assert bench("report", "out.json", "--out", "its.html").stdout == "its.html\n"

    def test_with_markdown_and_its_figures(self, bench):
        folder = keep()
        done = bench("report", folder, "--markdown")
        assert done.stdout == f"runs/{folder.name}/report.html\nruns/{folder.name}/report.md\n"
        assert "## One trial of raft on 3 nodes" in (folder / "report.md").read_text()

    def test_the_index_over_all(self, bench):
        folder = keep()
        bench("report", folder)
        assert bench("report", "--index").stdout == "runs/index.html\n"
        assert f"{folder.name}/report.html" in Path("runs/index.html").read_text()

    def test_wrong_input(self, bench):
        assert "there is no folder runs" in bench("report", "--index").stderr
        assert "there is no run 'x'" in bench("report", "x").stderr
        keep()
        keep()
        assert "'raft' could be any of 2 runs" in bench("report", "raft").stderr
        assert "there is no folder none" in bench("report", keep(), "--out", "none/r.html").stderr
        assert "which RUN?" in bench("report").stderr
        assert "--index goes alone" in bench("report", "x", "--index").stderr
        Path("no.json").write_text("{}")
        assert "neither the folder of a sweep nor the JSON of a result" in bench("report", "no.json").stderr


class TestServe:
    def test_wrong_input(self, bench, tmp_path):
        folder = keep()
        for arguments, sentence in (
            (("nowhere",), "there is no folder nowhere: give a folder with runs in it"),
            ((folder,), f"{folder} is one run: give the folder it is in, runs"),
            (("--port", "70000"), "--port 70000 is out of range: 0 to 65535"),
        ):
            done = bench("serve", *arguments)
            assert done.exit_code == 2
            assert sentence in done.stderr

    def test_it_says_where_serves_and_ends_with_ctrl_c(self, tmp_path):
        (tmp_path / "runs").mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", "serve", str(tmp_path / "runs"), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = process.stdout.readline()
            assert line.endswith("(Ctrl-C ends)\n")
            address = line.split(" at ")[1].split()[0]
            with urllib.request.urlopen(address, timeout=30) as page:
                assert "There are no runs yet." in page.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


class TestFloor:
    def test_it_is_printed(self, bench, monkeypatch):
        from types import ModuleType

        from bench.trial import DelayError, Floor

        fake = ModuleType("bench.runtime.ray.floor")
        fake.measure = lambda address, clients, *, whole, progress: Floor(
            clients=clients,
            link_rtt_s=7.5e-5,
            link_messages_s=140_000.0,
            link_windows=((16, 90_000.0), (256, 140_000.0)),
            null_messages_s=9e4,
            null_peak_messages_s=1e5,
            log_ops_s=1000.0 * clients,
            log_clients=((1, 900.0), (clients, 1000.0 * clients)),
            fsync_p50_s=4e-4,
            delays=(DelayError(asked_s=0.0014, p50_s=8e-5, p99_s=2e-4),),
            timer_idle_p99_s=1e-4,
            pinned=(0, 1, 0, 1),
            two_cores=1.056,
            ray_null_messages_s=9e3,
        )
        monkeypatch.setitem(sys.modules, "bench.runtime.ray.floor", fake)
        done = bench("floor", "--clients", 64)
        assert done.exit_code == 0
        printed = [" ".join(line.split()) for line in done.stdout.splitlines()]
        for line in (
            "two busy ones together 1.06 x one alone 2: whole cores; 1: two threads of one core",
            "tcp, round trip 75us one message under way",
            "tcp, 256 under way 140,000 messages/s the peak",
            "64 clients 64,000 operations/s",
            "tcp, saturated 100,000 messages/s",
            "actor calls, 64 clients 9,000 messages/s tcp: 10.0 x as many",
            "Bare replicated log: leader, two followers, group commit, fdatasync; pinned to cores 0, 1",
            "1.4ms p50 80us, p99 200us p50 5.7% more",
            "CPU a message 10us default 15us",
        ):
            assert line in printed, printed
        assert "actor calls, peak" not in done.stdout
        assert json.loads(bench("floor", "--json").stdout)["log_ops_s"] == 8000.0

    def test_what_is_saved_calibrates_a_simulation(self, bench, monkeypatch, tmp_path):
        from types import ModuleType

        from bench.cli.build import RunOptions, build_trial
        from bench.trial import Floor, ServiceTimes

        monkeypatch.chdir(tmp_path)
        refused = bench("run", "raft", "--service", "calibrated")
        assert refused.exit_code == errors.EXIT_USAGE
        assert "run bench floor --save first" in refused.stderr
        fake = ModuleType("bench.runtime.ray.floor")
        fake.measure = lambda address, clients, *, whole, progress: Floor(
            link_rtt_s=1e-4, link_messages_s=1e6, null_messages_s=2e4, log_ops_s=9.0, fsync_p50_s=3e-4
        )
        monkeypatch.setitem(sys.modules, "bench.runtime.ray.floor", fake)
        assert "kept in results/local/floor.json" in bench("floor", "--save").stdout
        trial = build_trial(RunOptions(protocol="raft", service="calibrated"))
        assert trial.service == ServiceTimes(message=50_000, wakeup=0, fsync=300_000)
        assert trial.key("code") != build_trial(RunOptions(protocol="raft", service="default")).key("code")
        live = bench("run", "raft", "--runtime", "ray", "--service", "calibrated")
        assert live.exit_code == errors.EXIT_USAGE
        assert "--service is of simulated trials" in live.stderr
        assert "unknown service 'x'" in bench("run", "raft", "--service", "x").stderr

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--clients", "0"), "--clients 0 is out of range"),
            (("--address", "x"), "address 'x' is malformed"),
            (("--save", "--address", "1.2.3.4:6379"), "leave --address out"),
        ],
    )
    def test_wrong_input(self, bench, arguments, sentence):
        done = bench("floor", *arguments)
        assert done.exit_code == errors.EXIT_USAGE
        assert sentence in done.stderr


def test_the_console_script_is_the_group():
    assert callable(main)
    assert list(main.list_commands(None)) == list(VERBS)
