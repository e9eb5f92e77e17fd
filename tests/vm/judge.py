# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare a verdict with scenarios.tsv and with the truth the module told.

Each check gives OK, WRONG with what was said instead, or UNKNOWN where the verdict has null for a
fact that was due. A holder that is none of the true ones is the worst answer there is, and is
marked on its own.
"""

import fnmatch
import re

OK, WRONG, UNKNOWN = "ok", "WRONG", "unknown"

# Locks that only the module's own tasks can wait for: whoever else is named was invented.
OWN_LOCKS = {"spinlock", "rwlock", "mutex", "rwsem"}


class Check:
    def __init__(self, column, result, detail=""):
        self.column = column
        self.result = result
        self.detail = detail

    def __str__(self):
        return f"{self.result}({self.detail})" if self.detail and self.result != OK else self.result


def function_name(name):
    """Without the tails that compilers add."""
    return re.sub(r"\.(constprop|isra|part|cold|llvm)(\.\d+)*", "", name) if name else name


def among(value, alternatives):
    """'-' among the alternatives stands for null."""
    if value is None:
        return "-" in alternatives
    return any(fnmatch.fnmatchcase(str(value), a) or
               fnmatch.fnmatchcase(function_name(str(value)), a) for a in alternatives)


def fact(column, value, alternatives):
    if not alternatives:
        alternatives = ["-"]
    if among(value, alternatives):
        return Check(column, OK)
    if value is None or value == "unknown":
        return Check(column, UNKNOWN, "|".join(alternatives))
    return Check(column, WRONG, str(value))


def identity(party):
    """Who: the pid, or the CPU of an idle task (all of them are pid 0)."""
    pid, cpu = party.get("pid"), party.get("cpu")
    if pid is None:
        return None
    return ("cpu", int(cpu)) if int(pid) == 0 else ("pid", int(pid))


class Truth:
    def __init__(self, lines):
        self.holders = [x for x in lines if x.get("role") in ("holder", "looper")]
        self.waiters = [x for x in lines if x.get("role") == "waiter"]

    @staticmethod
    def of_lock(parties, lock):
        """Those of one lock, or all where the verdict does not name a lock of the module."""
        name = (lock or {}).get("name")
        mine = [x for x in parties if name and x.get("lock") == name]
        return mine or parties


def check_lock(scenario, verdict, module_types=True):
    """@module_types: the kernel's modules carry BTF, without which `type.field` cannot be told."""
    lock = verdict.get("lock") or {}
    kind = fact("kind", lock.get("kind"), scenario.alternatives("lock_kind"))
    names = scenario.alternatives("lock_name")
    if not module_types and any("." in n for n in names):
        names = names + ["-"]
    name = fact("lock", lock.get("name"), names)
    for c in (kind, name):
        if c.result == WRONG:
            return Check("lock", WRONG, c.detail)
    for c in (kind, name):
        if c.result != OK:
            return Check("lock", c.result, c.detail)
    return Check("lock", OK)


def check_address(verdict, truth):
    """Where the truth has the lock's address, the verdict's must be that one."""
    lock = verdict.get("lock") or {}
    told = {int(x["address"], 16) for x in truth.of_lock(truth.holders + truth.waiters, lock)
            if int(x.get("address", "0"), 16)}
    if not told or lock.get("address") is None:
        return Check("address", OK if not told else UNKNOWN)
    if int(lock["address"], 16) in told:
        return Check("address", OK)
    return Check("address", WRONG, lock["address"])


def check_waiters(scenario, verdict, truth):
    functions = scenario.alternatives("waiter_function")
    waiters = verdict.get("waiters") or []
    for w in waiters:
        own = (verdict.get("lock") or {}).get("kind") in OWN_LOCKS
        true = [t for t in truth.waiters if identity(t) == identity(w)]
        if not true:
            if own and truth.waiters:
                return Check("waiters", WRONG, f"{w.get('comm')}/{w.get('pid')} does not wait")
            continue
        if w.get("function") is None:
            return Check("waiters", UNKNOWN, "function")
        if not among(w["function"], functions):
            return Check("waiters", WRONG, w["function"])
        if not any(function_name(w["function"]) == t["function"] for t in true):
            return Check("waiters", WRONG, f"{w['function']} of pid {w['pid']}")
    named = {identity(w) for w in waiters}
    missing = [t for t in truth.of_lock(truth.waiters, verdict.get("lock"))
               if identity(t) not in named]
    if missing and verdict.get("pattern") != "cycle":
        return Check("waiters", UNKNOWN, f"{len(missing)} of {len(truth.waiters)} not named")
    if not truth.waiters and waiters and scenario.notes().get("waiters") == "0":
        return Check("waiters", WRONG, f"{len(waiters)} invented")
    return Check("waiters", OK)


def holder_words(holder):
    return f"{holder.get('comm')}/{holder.get('pid')} on {holder.get('cpu')} in {holder.get('function')}"


def is_true_holder(holder, truth, lock):
    for t in truth.of_lock(truth.holders, lock):
        if identity(t) != identity(holder):
            continue
        if holder.get("cpu") is not None and int(holder["cpu"]) != int(t["cpu"]):
            continue
        return holder.get("comm") in (None, t["comm"])
    return False


def check_holder(scenario, verdict, truth):
    """(the check, whether a wrong holder was named)"""
    holder = verdict.get("holder")
    functions = scenario.alternatives("holder_function")
    if holder is None:
        if not functions or "-" in functions:
            return Check("holder", OK), False
        return Check("holder", UNKNOWN), False
    if not functions:
        return Check("holder", WRONG, holder_words(holder)), True
    if not is_true_holder(holder, truth, verdict.get("lock")):
        return Check("holder", WRONG, holder_words(holder)), True
    if verdict.get("confidence", 0) < 0.5:
        return Check("holder", WRONG, f"named at confidence {verdict.get('confidence')}"), False
    if holder.get("function") is None:
        return Check("holder", UNKNOWN, "function"), False
    if not among(holder["function"], functions):
        return Check("holder", WRONG, f"function {holder['function']}"), False
    # A task that sleeps is on no CPU.
    asleep = verdict.get("event") == "hung-task" or "asleep" in scenario.notes()
    due = ["pid", "comm"] + ([] if asleep else ["cpu"])
    if any(holder.get(k) is None for k in due):
        return Check("holder", UNKNOWN, holder_words(holder)), False
    if not among(holder["comm"], scenario.alternatives("holder_comm")):
        return Check("holder", WRONG, f"comm {holder['comm']}"), False
    return Check("holder", OK), False


def check_acquired(scenario, verdict):
    """Where the table says who took the lock: null is no failure, another name is."""
    want, got = scenario.notes().get("acquired_in"), (verdict.get("holder") or {}).get("acquired_in")
    if want and got and function_name(got) != want:
        return Check("acquired_in", WRONG, got)
    return Check("acquired_in", OK)


def check_cycle(scenario, verdict, truth):
    want = int(scenario.notes().get("cycle", 0))
    edges = verdict.get("cycle") or []
    if not want:
        return Check("cycle", OK), False
    if len(edges) != want:
        return Check("cycle", UNKNOWN if not edges else WRONG, f"{len(edges)} edges"), False
    for edge in edges:
        holder = edge.get("holder") or {}
        if not is_true_holder(holder, truth, edge.get("lock")):
            return Check("cycle", WRONG, holder_words(holder)), True
    return Check("cycle", OK), False


def check_others(scenario, verdict, truth):
    """Independent lockups: each with its own lock and true holder."""
    want = int(scenario.notes().get("others", 0))
    others = verdict.get("others") or []
    wrong = False
    results = []
    for other in others:
        check, bad = check_holder(scenario, other, truth)
        wrong = wrong or bad
        results += [check, check_lock(scenario, other), check_waiters(scenario, other, truth)]
    if len(others) != want:
        return Check("others", WRONG, f"{len(others)}, not {want}"), wrong
    locks = [(v.get("lock") or {}).get("name") for v in [verdict, *others]]
    if want and len(set(locks)) != len(locks):
        return Check("others", WRONG, f"{locks[0]} twice"), wrong
    for c in results:
        if c.result != OK:
            return Check("others", c.result, f"{c.column} {c.detail}"), wrong
    return Check("others", OK), wrong


def judge(scenario, verdict, truth_lines, module_types=True):
    """(list of checks, number of wrong holders)"""
    truth = Truth(truth_lines)
    holder, wrong1 = check_holder(scenario, verdict, truth)
    cycle, wrong2 = check_cycle(scenario, verdict, truth)
    others, wrong3 = check_others(scenario, verdict, truth)
    address = check_address(verdict, truth)
    lock = check_lock(scenario, verdict, module_types)
    if lock.result == OK and address.result == WRONG:
        lock = Check("lock", WRONG, f"address {address.detail}")
    acquired = check_acquired(scenario, verdict)
    if holder.result == OK and acquired.result == WRONG:
        holder = Check("holder", WRONG, f"acquired in {acquired.detail}")
    checks = [
        fact("event", verdict.get("event"), scenario.alternatives("event")),
        fact("pattern", verdict.get("pattern"), scenario.alternatives("pattern")),
        lock,
        check_waiters(scenario, verdict, truth),
        holder,
    ]
    # Only some scenarios have them, so they share a column.
    more = [c for c in (cycle, others) if c.result != OK]
    checks.append(more[0] if more else Check("more", OK))
    checks[-1].column = "more"
    return checks, sum((wrong1, wrong2, wrong3))


def differences(verdict, other):
    """Where two verdicts on the same memory do not say the same, as sentences."""
    def parts(v):
        holder, lock = v.get("holder") or {}, v.get("lock") or {}
        yield "event", v.get("event")
        yield "pattern", v.get("pattern")
        for k in ("address", "kind", "name"):
            yield f"lock's {k}", lock.get(k)
        for k in ("cpu", "pid", "function", "acquired_in"):
            yield f"holder's {k}", holder.get(k)
        yield "waiters", sorted((w.get("cpu") is None, w.get("cpu") or 0, w.get("pid") or 0)
                                for w in v.get("waiters") or [])
        yield "signature", v.get("signature")
        yield "confidence", v.get("confidence")

    return [f"{name}: {mine!r}, not {theirs!r}"
            for (name, mine), (_, theirs) in zip(parts(verdict), parts(other)) if mine != theirs]
