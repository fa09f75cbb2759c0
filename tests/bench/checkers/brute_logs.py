"""Locks, commitment, views and opinions by their definitions: loops over pairs of rows, no shared code."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations, product
from statistics import median

FOREVER = 2**62

Hold = tuple[int, int, int, int, int, int, int]
"""(lock, holder, token, asked, granted, released, expires)"""
Commit = tuple[int, int, str, int]
"""(transaction, node, what, at)"""
View = tuple[int, str, int]
"""(node, "view", "send" or "deliver", which)"""
Opinion = tuple[int, str, int, int]
"""(at, "down", "up", "-" (deems down) or "+" (deems up), node, subject)"""


def overlap(one: Hold, two: Hold, slack: int) -> int:
    """For how long both are held by two holders of one lock."""
    if one[0] != two[0] or one[1] == two[1]:
        return 0
    begins, ends = [each[4] + slack for each in (one, two)], [min(each[5:]) for each in (one, two)]
    ends = [end if end == FOREVER else end - slack for end in ends]
    if any(end <= begin for begin, end in zip(begins, ends, strict=True)):
        return 0
    return max(0, min(ends) - max(begins))


def token_order(one: Hold, two: Hold, slack: int) -> bool:
    """Whether ``two`` came surely later and has a smaller token."""
    return one[0] == two[0] and one[4] + slack < two[3] - slack and one[2] > two[2]


def token_repeated(one: Hold, two: Hold) -> bool:
    return one[0] == two[0] and one[1] != two[1] and one[2] == two[2]


def stale(accesses: list[tuple[int, int, bool, int]]) -> bool:
    """Whether a resource accepted a token smaller than an earlier one."""
    return any(a[0] == b[0] and a[2] and b[2] and a[1] > b[1] for a, b in combinations(accesses, 2))


def commitment(log: list[Commit], crashed: list[bool], comparable: bool, nonblocking: bool) -> set[str]:
    """The properties that a settled log violates."""
    violated = set()
    for transaction in {each[0] for each in log if each[0] >= 0}:
        own = [each for each in log if each[0] == transaction]
        members = {node for _, node, what, _ in own if what in ("member", "yes", "no")}
        decided: dict[int, list[str]] = {}
        for _, node, what, _ in own:
            if what in ("commit", "abort"):
                decided.setdefault(node, []).append(what)
        if len({each[0] for each in decided.values()}) > 1:
            violated.add("agreement")
        if any(len(set(each)) > 1 for each in decided.values()):
            violated.add("no-reversal")
        for node in members:
            votes = [(at, place) for place, (_, who, what, at) in enumerate(own) if who == node and what == "yes"]
            against = any(who == node and what == "no" for _, who, what, _ in own)
            if votes and against:
                violated.add("single-vote")
            for place, (_, who, what, at) in enumerate(own):
                if what == "commit":
                    good = votes and not against
                    good = good and (not comparable or votes[0][0] <= at)
                    good = good and (who != node or votes[0][1] < place)
                    if not good:
                        violated.add("commit-validity")
            if node not in decided and not crashed[node] and (nonblocking or not any(crashed)):
                violated.add("termination")
        for _, _, what, at in own:
            if what == "abort":
                causes = [each for each in log if each[0] in (transaction, -1) and each[2] == "failure"]
                causes += [each for each in own if each[2] == "no"]
                if not any(not comparable or each[3] <= at for each in causes):
                    violated.add("abort-validity")
    return violated


def views(log: list[View], identifiers: list[int], members: list[frozenset[int]]) -> set[str]:
    """The properties of views that the log violates."""
    violated = set()
    nodes = sorted({each[0] for each in log})
    chain: dict[int, list[int]] = {node: [] for node in nodes}
    inside: list[tuple[int, int, str, int, int | None]] = []  # (node, place of the view, what, message, view)
    for node, what, which in log:
        if what == "view":
            if node not in members[which]:
                violated.add("self-inclusion")
            chain[node].append(identifiers[which])
        else:
            if not chain[node]:
                violated.add("initial-view")
            inside.append((node, len(chain[node]) - 1, what, which, chain[node][-1] if chain[node] else None))
    installed = [(identifiers[which], members[which]) for _, what, which in log if what == "view"]
    if any(a == b and m != n for (a, m), (b, n) in combinations(installed, 2)):
        violated.add("view-agreement")
    if any(len(set(own)) < len(own) for own in chain.values()):
        violated.add("view-order")
    for p, q in combinations(nodes, 2):
        ours, theirs = (list(dict.fromkeys(chain[node])) for node in (p, q))
        common = [each for each in ours if each in theirs]
        if common != [each for each in theirs if each in ours]:
            violated.add("view-order")
    for (_, _, what, m, view), (_, _, other, n, another) in permutations(inside, 2):
        if m == n and view is not None and another is not None and view != another:
            if what == other == "deliver":
                violated.add("same-view-delivery")
            if (what, other) == ("send", "deliver"):
                violated.add("sending-view-delivery")
    said: dict[tuple[int, int], dict[int, set[int]]] = {}
    for node, own in chain.items():
        for place in range(len(own) - 1):
            had = {m for n, at, what, m, _ in inside if (n, at, what) == (node, place, "deliver")}
            said.setdefault((own[place], own[place + 1]), {}).setdefault(node, set()).update(had)
    if any(one != other for each in said.values() for one, other in combinations(each.values(), 2)):
        violated.add("virtual-synchrony")
    there = sorted({view for view, _ in installed})
    if any(pair not in said for pair in pairwise(there)):
        violated.add("primary-component")
    return violated


def opinions(log: list[Opinion], up: list[bool], ends: int) -> tuple[set[str], dict[str, float]]:
    """The properties that a settled log violates, and some figures: each by looking at whole states again and again."""
    nodes = range(len(up))
    states = [(list(up), {(o, s): up[s] for o, s in product(nodes, nodes)})]
    for _, what, node, subject in log:
        alive, deems = list(states[-1][0]), dict(states[-1][1])
        if what in ("down", "up"):
            alive[subject] = what == "up"
        else:
            deems[node, subject] = what == "+"
        states.append((alive, deems))

    def right(state: tuple[list[bool], dict[tuple[int, int], bool]], subject: int) -> bool:
        alive, deems = state
        return all(deems[o, subject] == alive[subject] for o in nodes if o != subject and alive[o])

    violated = set()
    alive, deems = states[-1]
    for o, s in permutations(nodes, 2):
        if alive[o] and deems[o, s] != alive[s]:
            violated.add("eventual-accuracy" if alive[s] else "strong-completeness")
    converged, detected, mistakes = [], [], []
    unconverged = undetected = 0
    for row, (at, what, node, subject) in enumerate(log):
        (was, thought), (now, _) = states[row], states[row + 1]
        changed = [
            later for later in range(row + 1, len(log)) if states[later][0][subject] != states[later + 1][0][subject]
        ]
        stop = changed[0] if changed else len(log)
        if was[subject] != now[subject]:
            good = [later for later in range(row, stop) if right(states[later + 1], subject)]
            converged += [log[good[0]][0] - at] if good else []
            unconverged += not good
        if was[subject] and not now[subject]:
            for o in nodes:
                if o == subject or not now[o]:
                    continue
                gone = [later for later in range(row, stop) if not states[later + 1][0][o]]
                known = [later for later in range(row, stop) if not states[later + 1][1][o, subject]]
                if known and (not gone or known[0] < gone[0]):
                    detected.append(log[known[0]][0] - at)
                elif not gone:
                    undetected += 1
        if what == "-" and node != subject and thought[node, subject] and now[node] and now[subject]:
            violated.add("strong-accuracy")
            over = [
                log[later][0]
                for later in range(row + 1, len(log))
                if not (states[later + 1][0][node] and states[later + 1][0][subject])
                or states[later + 1][1][node, subject]
            ]
            mistakes.append((over[0] if over else ends) - at)
    middle = {
        name: float(median(some)) / 1e9 for name, some in (("convergence", converged), ("detection", detected)) if some
    }
    return violated, {
        "convergence_p50_s": middle.get("convergence", 0.0),
        "detection_p50_s": middle.get("detection", 0.0),
        "convergence_max_s": max(converged, default=0) / 1e9,
        "unconverged": float(unconverged),
        "detection_max_s": max(detected, default=0) / 1e9,
        "undetected": float(undetected),
        "false_positives": float(len(mistakes)),
        "mistake_max_s": max(mistakes, default=0) / 1e9,
    }
