"""Signatures between live nodes."""

from __future__ import annotations

from bench.runtime.ray.trust import Trust, make_keys


def test_a_signature_is_of_one_node_and_one_payload() -> None:
    secret, public = make_keys(("n1", "n2"))
    one, two = Trust(secret["n1"], public), Trust(secret["n2"], public)
    signature = one.sign(b"text")
    assert len(signature) == 64
    assert one.verify("n1", b"text", signature) and two.verify("n1", b"text", signature)
    assert not two.verify("n1", b"other", signature)
    assert not two.verify("n2", b"text", signature), "n1 cannot speak for n2"
    assert not two.verify("n1", b"text", b"short")
    assert not two.verify("n9", b"text", signature), "nobody of this trial"


def test_keys_are_of_one_trial() -> None:
    secret, public = make_keys(("n1",))
    _, others = make_keys(("n1",))
    assert not Trust(secret["n1"], others).verify("n1", b"text", Trust(secret["n1"], public).sign(b"text"))
