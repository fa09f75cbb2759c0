import enum
from typing import Literal

import msgspec
import pytest

from bench.errors import UsageError
from bench.params import build_configs, describe, format_value, parse_param, parse_params
from protocols.family import Family
from protocols.node import Node


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        timeout_s: range in seconds; drawn
            anew each time.
        low, high: bounds of something.
        strict: a switch.

    More words: not a parameter.
    """

    timeout_s: tuple[float, float] = (0.15, 0.3)
    low: float = 0.5
    high: float = 2.0
    strict: bool = True
    batch: int = 64
    mode: Literal["fast", "safe"] = "fast"
    level: Level = Level.LOW
    label: str = "x"
    limit: int | None = None
    weights: tuple[int, ...] = (1, 2, 3)
    retry_s: float = 0.1

    def validate(self, nodes):
        if self.batch > 100 * nodes:
            raise ValueError(f"batch {self.batch} is out of range: at most 100 a node")


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        patience_s: seconds.
    """

    patience_s: float = 5.0
    retry_s: float = 0.2

    def validate(self, nodes):
        if self.patience_s <= 0:
            raise ValueError(f"patience_s {self.patience_s:g} is out of range: above 0")


FAMILY = Family(
    name="toy",
    summary="",
    paper="",
    server=Node,
    client=Node,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=list,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("timeout_s=0.15..0.3", (0.15, 0.3)),
        ("timeout_s=150ms..300ms", (0.15, 0.3)),
        ("timeout_s= 150ms .. 0.3", (0.15, 0.3)),
        ("patience_s=1.5", 1.5),
        ("patience_s=20ms", 0.02),
        ("low=0.25", 0.25),
        ("strict=off", False),
        ("strict=Yes", True),
        ("batch=7", 7),
        ("mode=safe", "safe"),
        ("level=high", "high"),
        ("label=a=b", "a=b"),
        ("limit=none", None),
        ("limit=3", 3),
        ("weights=4,5", (4, 5)),
        ("weights=4..5", (4, 5)),
        ("weights=", ()),
    ],
)
def test_values_are_read_by_the_type_of_the_field(text, value):
    name, read = parse_param(FAMILY, text)
    assert (name, read) == (text.partition("=")[0], value)
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("timeout", "parameter 'timeout' is malformed: write name=value, as in"),
        ("=3", "parameter '=3' is malformed"),
        ("timeot_s=1..2", "unknown parameter of toy 'timeot_s': did you mean 'timeout_s'?"),
        ("patienc_s=1", "did you mean 'patience_s'?"),
        ("timeout_s=0.3", "parameter timeout_s='0.3' is not a range of seconds: write timeout_s=0.15..0.3"),
        ("timeout_s=1..2..3", "is not a range of seconds"),
        ("patience_s=5 parsecs", "parameter patience_s='5 parsecs' is not seconds: write patience_s=0.15 or 150ms"),
        ("patience_s=inf", "is not seconds"),
        ("low=1ms", "parameter low='1ms' is not a number"),
        ("low=nan", "is not a number"),
        ("strict=2", "parameter strict='2' is not true or false"),
        ("batch=1.5", "parameter batch='1.5' is not an integer"),
        ("mode=fsat", "unknown value of parameter mode 'fsat': did you mean 'fast'? (known: fast, safe)"),
        ("level=hihg", "did you mean 'high'?"),
        ("limit=many", "parameter limit='many' is not an integer or none"),
        ("weights=1,x", "parameter weights='1,x' is not a list (an integer)"),
    ],
)
def test_other_values_are_explained_in_one_sentence(text, sentence):
    with pytest.raises(UsageError) as caught:
        parse_param(FAMILY, text)
    assert sentence in str(caught.value)


def test_a_parameter_is_given_once():
    assert parse_params(FAMILY, ["batch=1", "low=2"]) == {"batch": 1, "low": 2.0}
    with pytest.raises(UsageError, match="parameter batch is given twice"):
        parse_params(FAMILY, ["batch=1", "batch=2"])


def test_configurations_hold_what_was_given_and_defaults():
    server, client = build_configs(FAMILY, {"timeout_s": [0.1, 0.2], "patience_s": 1.0, "level": "high"}, 3)
    assert server == ServerConfig(timeout_s=(0.1, 0.2), level=Level.HIGH)
    assert client == ClientConfig(patience_s=1.0)


def test_a_name_of_both_goes_to_both():
    server, client = build_configs(FAMILY, {"retry_s": 0.7}, 3)
    assert (server.retry_s, client.retry_s) == (0.7, 0.7)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"batc": 1}, "unknown parameter of toy 'batc': did you mean 'batch'?"),
        ({"batch": "7"}, "parameter batch='7' is not an integer"),
        ({"batch": True}, "parameter batch=True is not an integer"),
        ({"strict": 1}, "parameter strict=1 is not true or false"),
        ({"patience_s": "1"}, "parameter patience_s='1' is not seconds"),
        ({"patience_s": float("nan")}, "parameter patience_s=nan is not finite"),
        ({"timeout_s": [0.1, float("inf")]}, "is not finite"),
        ({"timeout_s": 0.1}, "parameter timeout_s=0.1 is not a range of seconds"),
        ({"mode": "slow"}, "unknown value of parameter mode 'slow'"),
        ({"batch": 301}, "parameter batch 301 is out of range: at most 100 a node"),
        ({"patience_s": -1.0}, "parameter patience_s -1 is out of range: above 0"),
    ],
)
def test_configurations_are_strict(params, sentence):
    with pytest.raises(UsageError) as caught:
        build_configs(FAMILY, params, 3)
    assert sentence in str(caught.value)


def test_the_range_depends_on_the_cluster():
    build_configs(FAMILY, {"batch": 301}, 4)


def test_the_family_itself_is_described():
    described = {each.name: each for each in describe(FAMILY)}
    assert list(described)[:2] == ["timeout_s", "low"], "in the order of declaration"
    assert described["timeout_s"].doc == "range in seconds; drawn anew each time."
    assert described["timeout_s"].default == "0.15..0.3"
    assert described["timeout_s"].type == "a range of seconds"
    assert described["low"].doc == described["high"].doc == "bounds of something."
    assert described["strict"].default == "true"
    assert described["mode"].type == "fast|safe"
    assert described["label"].doc == ""
    assert described["limit"].default == "none"
    assert [described[name].role for name in ("timeout_s", "patience_s", "retry_s")] == ["server", "client", "both"]


def test_what_help_shows_can_be_typed():
    for each in describe(FAMILY):
        name, value = parse_param(FAMILY, f"{each.name}={each.default}")
        default = getattr(ServerConfig() if each.role != "client" else ClientConfig(), name)
        assert value == (default.value if isinstance(default, enum.Enum) else default)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (0.25, "0.25"), (2.0, "2"), ((1.0, 2.5), "1..2.5"), ([1, 2, 3], "1,2,3")]
)
def test_values_are_written_as_they_are_read(value, text):
    assert format_value(value) == text


def test_servers_join_and_leave_only_where_the_protocol_can_do_that() -> None:
    from bench.faults.spec import Membership
    from bench.run import prepare
    from bench.trial import Trial

    fault = Membership(at=1, target="random", action="remove", node="n2")
    with pytest.raises(UsageError, match="servers of null cannot be added or removed while it runs"):
        prepare(Trial(protocol="null", faults=(fault,)))
    prepare(Trial(protocol="partitioned", faults=(fault,)))
