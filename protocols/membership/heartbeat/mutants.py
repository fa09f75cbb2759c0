"""Classic mistakes in heartbeat detectors, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="window-never-trimmed",
        why="Old gaps count for ever, so that the estimate no longer follows the network (Hayashibara et al., 4.1).",
        file="window",
        edits=(("if len(self.samples) > self.size:", "if self.size < 0:"),),
        caught_by=("window_bounded",),
        params={"detector": "phi-akka", "window": 10},
    ),
    Mutant(
        name="variance-of-one-sample",
        why="The first gap alone is taken for a distribution, whose deviation is nothing.",
        file="estimators",
        edits=(("for gap in (first - first // 4, first + first // 4):", "for gap in (first,):"),),
        caught_by=("two_samples",),
        params={"detector": "phi-normal"},
    ),
    Mutant(
        name="no-floor-of-sigma",
        why="On a steady network the deviation tends to nothing, and any hiccup is infinitely suspicious.",
        file="estimators",
        edits=(("deviation = max(self.window.sigma, self.config.floor)", "deviation = self.window.sigma"),),
        caught_by=("patient",),
        params={"detector": "phi-normal", "floor_s": 0.05},
    ),
    Mutant(
        name="late-heartbeat-counts",
        why="A heartbeat that was sent before the latest one is taken for news (Chen et al., section 4.1).",
        file="server",
        edits=(("if message.number <= peer.number or peer.estimator is None:", "if peer.estimator is None:"),),
        caught_by=("numbers_rise",),
    ),
    Mutant(
        name="never-trusted-again",
        why="A suspicion is not taken back when the suspect shows that it lives.",
        file="server",
        edits=(("        if peer.deadline > now:\n", "        if peer.up and peer.deadline > now:\n"),),
        caught_by=("opinions",),
    ),
    Mutant(
        name="lives-not-told-apart",
        why="After a restart numbers begin anew, and all of them are taken for late ones.",
        file="server",
        edits=(("if message.life != peer.life:", "if not peer.life:"),),
        caught_by=("opinions",),
        seed=9,
    ),
    Mutant(
        name="outages-count-as-gaps",
        why="A pause enters the window as if it were a gap like others, and the next crash is noticed ever so late.",
        file="estimators",
        edits=(("if self.last and now - self.last <= self.config.cap:", "if self.last:"),),
        caught_by=("timely",),
        seed=3,
        params={"detector": "phi-akka", "window": 10},
    ),
    Mutant(
        name="silent-from-the-start",
        why="A node that was never heard of is never suspected.",
        file="server",
        edits=(('            ctx.set_timer("expire", grace, name)\n', "            pass\n"),),
        caught_by=("opinions",),
        seed=2,
    ),
)
