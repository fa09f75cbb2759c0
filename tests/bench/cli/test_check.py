"""``bench check`` on histories that others recorded. (On runs of our own: ``test_verbs``.)"""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from bench.checkers.registry import MODELS
from bench.history.readers import FORMATS

STALE = [
    {"type": "invoke", "process": 0, "f": "write", "value": 1},
    {"type": "ok", "process": 0, "f": "write", "value": 1},
    {"type": "invoke", "process": 1, "f": "write", "value": 2},
    {"type": "ok", "process": 1, "f": "write", "value": 2},
    {"type": "invoke", "process": 2, "f": "read", "value": None},
    {"type": "ok", "process": 2, "f": "read", "value": 1},
]
LOG = "INFO  jepsen.util - {}\t:{}\t:{}\t{}\n"
APPENDS = [
    {"type": "invoke", "process": 0, "f": "txn", "value": [["append", 1, 1], ["r", 2, None]]},
    {"type": "invoke", "process": 1, "f": "txn", "value": [["append", 2, 1], ["r", 1, None]]},
    {"type": "ok", "process": 0, "f": "txn", "value": [["append", 1, 1], ["r", 2, []]]},
    {"type": "ok", "process": 1, "f": "txn", "value": [["append", 2, 1], ["r", 1, []]]},
    {"type": "invoke", "process": 0, "f": "txn", "value": [["r", 1, None], ["r", 2, None]]},
    {"type": "ok", "process": 0, "f": "txn", "value": [["r", 1, [1]], ["r", 2, [1]]]},
]


def jsonl(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def drawings(html):
    """The drawings on a page, which must need nothing from elsewhere."""
    assert "<script" not in html
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", html)
    assert not re.search(r"url\((?!#)|@import", html)
    found = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    for svg in found:
        ElementTree.fromstring(svg)
    return found


class TestVerdicts:
    def test_a_violation(self, bench, tmp_path):
        done = bench("check", jsonl(tmp_path / "stale.jsonl", STALE))
        assert done.exit_code == 1, done.output
        lines = done.stdout.splitlines()
        assert lines[0] == "3 operations, format jsonl, model register (told by its content)"
        assert lines[1].startswith("linearizable: invalid: ")
        assert "line 5" in lines[1]
        assert lines[-1] == "INVALID"

    def test_the_initial_value(self, bench, tmp_path):
        file = jsonl(tmp_path / "history.jsonl", STALE[4:])
        assert bench("check", file).exit_code == 1, "0 in the beginning, and nobody wrote 1"
        assert bench("check", file, "--initial", "1").exit_code == 0
        assert bench("check", file, "--initial", "nil").exit_code == 1

    def test_what_a_failed_swap_says(self, bench, tmp_path):
        swap = [{"type": kind, "process": 0, "f": "cas", "value": [0, 1]} for kind in ("invoke", "fail")]
        file = jsonl(tmp_path / "history.jsonl", swap)
        assert bench("check", file).exit_code == 0, "it may have failed for any reason"
        assert bench("check", file, "--failed-cas", "unequal").exit_code == 1, "there was nothing but 0"
        (tmp_path / "x.log").write_text(
            LOG.format(0, "invoke", "cas", "[nil 1]") + LOG.format(0, "fail", "cas", "[nil 1]")
        )
        assert bench("check", "x.log").exit_code == 1, "in such a log it saw another value"
        assert bench("check", "x.log", "--failed-cas", "unknown").exit_code == 0

    def test_reads_of_nil(self, bench, tmp_path):
        read = [{"type": "invoke", "process": 2, "f": "read"}, {"type": "ok", "process": 2, "f": "read", "value": None}]
        file = jsonl(tmp_path / "history.jsonl", STALE[:2] + read)
        assert bench("check", file).exit_code == 0
        assert bench("check", file, "--nil-reads", "value", "--initial", "nil").exit_code == 1

    def test_models_that_disagree(self, bench, tmp_path):
        file = jsonl(tmp_path / "stale.jsonl", STALE)
        for model, code in (("sequential", 0), ("causal", 0), ("cas-register", 1), ("serializable", 0), ("none", 0)):
            done = bench("check", file, "--model", model)
            assert done.exit_code == code, (model, done.output)

    def test_levels(self, bench, tmp_path):
        file = jsonl(tmp_path / "skew.jsonl", APPENDS)
        done = bench("check", file)
        assert done.exit_code == 1
        assert "3 operations, format jsonl, model list-append" in done.stdout
        assert "  G2-item (write skew): " in done.stdout
        assert "  violated: repeatable-read" in done.stdout
        assert bench("check", file, "--level", "snapshot-isolation", "--model", "list-append").exit_code == 0
        assert bench("check", file, "--model", "snapshot-isolation").exit_code == 0
        assert bench("check", file, "--model", "serializable").exit_code == 1

    def test_unknown_is_3(self, bench, tmp_path):
        file = jsonl(tmp_path / "set.jsonl", [{"type": "invoke", "process": 0, "f": "add", "value": 1}])
        done = bench("check", file, "--model", "set-final")
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (3, "UNKNOWN")

    def test_json(self, bench, tmp_path):
        done = bench("check", jsonl(tmp_path / "stale.jsonl", STALE), "--json")
        report = json.loads(done.stdout)
        assert (report["operations"], report["model"], report["format"]) == (3, "register", "jsonl")
        assert report["verdict"] == "invalid"
        assert report["checks"][0]["rows"]

    def test_staleness(self, bench, tmp_path):
        lines = [{**line, "time": 1_000_000 * number} for number, line in enumerate(STALE)]
        file = jsonl(tmp_path / "stale.jsonl", lines)
        assert bench("check", file, "--model", "bounded-staleness").exit_code == 0, "only measured"
        assert bench("check", file, "--model", "bounded-staleness", "--stale-s", "0.0001").exit_code == 1
        assert bench("check", file, "--model", "bounded-staleness", "--stale-s", "1").exit_code == 0
        assert bench("check", file, "--model", "bounded-staleness", "--stale-k", "1").exit_code == 1
        assert bench("check", file, "--model", "convergence").exit_code in (0, 1, 3)

    def test_keys_in_values(self, bench, tmp_path):
        """Jepsen's independent tests write ``[key, value]``."""
        lines = [{**line, "value": [7, line["value"]]} for line in STALE]
        assert bench("check", jsonl(tmp_path / "one.jsonl", lines)).exit_code == 1
        lines = [{**line, "value": [line["process"] % 2, line["value"]]} for line in STALE]
        assert bench("check", jsonl(tmp_path / "two.jsonl", lines)).exit_code == 0


class TestPages:
    def test_operations(self, bench, tmp_path):
        done = bench("check", jsonl(tmp_path / "stale.jsonl", STALE), "--html", "page.html")
        assert done.exit_code == 1
        assert "drawn in page.html" in done.stdout
        html = (tmp_path / "page.html").read_text()
        (timeline,) = drawings(html)
        for words in ("p0", "p1", "p2", "write 1", "write 2", "read → 1", "process 2: read → 1 (ok, line 5)"):
            assert words in timeline
        assert "<td>line 5</td>" in html
        assert "INVALID" in html

    def test_transactions(self, bench, tmp_path):
        assert bench("check", jsonl(tmp_path / "skew.jsonl", APPENDS), "--html", "page.html").exit_code == 1
        html = (tmp_path / "page.html").read_text()
        found = drawings(html)
        assert any("append 1 1, r 2 []" in svg for svg in found)
        assert len(found) == 2, "with the cycle"
        assert "weakest violated" in html

    def test_sessions_without_a_clock(self, bench, tmp_path):
        (tmp_path / "fork.txt").write_text("w 0 1\n=====\nr 0 1\n-----\nr 0 2\n=====\nw 0 2\n")
        done = bench("check", "fork.txt", "--model", "sequential", "--html", "page.html")
        assert done.exit_code == 0, done.output
        (tmp_path / "fork.txt").write_text(
            "w 0 1\n=====\nr 0 2\n-----\nr 0 1\n=====\nr 0 1\n-----\nr 0 2\n=====\nw 0 2"
        )
        done = bench("check", "fork.txt", "--model", "sequential", "--html", "page.html")
        assert done.exit_code == 1, done.output
        (timeline,) = drawings((tmp_path / "page.html").read_text())
        assert "they have no clock in common" in timeline

    def test_the_lattice_of_models(self, bench, tmp_path):
        done = bench("check", jsonl(tmp_path / "x.jsonl", STALE), "--model", "models", "--html", "page.html")
        assert done.exit_code == 0, done.output
        assert "  satisfied: sequential" in done.stdout
        assert "  violated: linearizable" in done.stdout
        found = drawings((tmp_path / "page.html").read_text())
        assert any("causal-memory" in svg for svg in found)

    def test_a_valid_one_has_nothing_to_draw(self, bench, tmp_path):
        assert bench("check", jsonl(tmp_path / "good.jsonl", STALE[:4]), "--html", "page.html").exit_code == 0
        html = (tmp_path / "page.html").read_text()
        assert not drawings(html)
        assert "VALID" in html

    def test_words_are_escaped(self, bench, tmp_path):
        lines = [{**line, "value": "<script>" if line["value"] == 1 else line["value"]} for line in STALE]
        assert bench("check", jsonl(tmp_path / "x.jsonl", lines), "--html", "page.html").exit_code == 1
        drawings((tmp_path / "page.html").read_text())

    def test_no_place_for_it(self, bench, tmp_path):
        done = bench("check", jsonl(tmp_path / "x.jsonl", STALE), "--html", "nowhere/page.html")
        assert done.exit_code == 2
        assert "there is no folder nowhere" in done.stderr


class TestWrongInput:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--model", "regster"), "unknown model 'regster': did you mean 'register'?"),
            (("--format", "jsnl"), "unknown format 'jsnl': did you mean 'jsonl'?"),
            (("--format", "awdit"), "line 1: "),
            (("--model", "queue"), "line 1: unknown function 'write' for model queue (allowed: enqueue, dequeue)"),
            (("--model", "list-append"), "line 1: 'write' with 1 is not a transaction"),
            (("--model", "queue", "--initial", "1"), "--initial says nothing to model queue (it does to register"),
            (("--nil-reads", "maybe"), "unknown --nil-reads 'maybe'"),
            (("--lease", "-1"), "--lease -1 is out of range"),
            (("--model", "rw-register", "--level", "seriazable"), "line 1: "),
        ],
    )
    def test_options(self, bench, tmp_path, arguments, sentence):
        done = bench("check", jsonl(tmp_path / "x.jsonl", STALE), *arguments)
        assert done.exit_code == 2
        assert sentence in done.stderr
        assert done.stderr.startswith("bench: ") and done.stderr.count("\n") == 1

    def test_level(self, bench, tmp_path):
        done = bench("check", jsonl(tmp_path / "x.jsonl", APPENDS), "--level", "seriazable")
        assert done.exit_code == 2
        assert "did you mean 'serializable'" in done.stderr

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ('{"type": "ok", "process": 0, "f": "read", "value": 1}', "line 1: ok of process 0, 'read', without"),
            ('{"type": "invoke", "process": 0, "f": "fly"}', "line 1: unknown function 'fly'; give --model"),
            ('{"type": "invoke", "process": 0, "f": "cas", "value": 7}', "line 1: cas needs a pair: [expected, new]"),
            ('{"type": "invoke", "process": 0, "value": ' + "[" * 100_000, "line 1: it is nested too deeply"),
            ("w 1 2\nr 1", "line 2: "),
            ("", "line 1: the file is empty"),
        ],
    )  # fmt: skip
    def test_malformed(self, bench, tmp_path, text, sentence):
        (tmp_path / "history").write_text(text)
        done = bench("check", "history")
        assert done.exit_code == 2
        assert f"bench: history, {sentence}" in done.stderr

    def test_no_model_is_told_by_the_content(self, bench, tmp_path):
        lines = [{"type": "invoke", "process": n, "f": f, "value": 1} for n, f in enumerate(("enqueue", "push"))]
        done = bench("check", jsonl(tmp_path / "x.jsonl", lines))
        assert done.exit_code == 2
        assert "the model cannot be told from its functions (enqueue, push): give --model" in done.stderr


def test_help_lists_models_and_formats(bench):
    words = " ".join(bench("check", "--help").stdout.split())
    for name in (*MODELS, *FORMATS):
        assert f" {name} " in words
    for model in MODELS.values():
        assert model.about in words
