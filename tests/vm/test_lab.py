#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the lab itself, without a guest: a judge that lets a wrong holder pass is no judge."""

import copy
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import crashkernel  # noqa: E402
import guest  # noqa: E402
import initramfs  # noqa: E402
import judge  # noqa: E402
import scenarios  # noqa: E402

LONG_HOLD = scenarios.Scenario({
    "id": "90", "name": "test", "cpus": "4", "mem": "512", "sysctls": "a=1 b=2",
    "trigger": "sysrq-c:7", "deadline_s": "60", "event": "soft-lockup", "pattern": "long-hold",
    "lock_kind": "rwlock", "lock_name": "set.lock", "primitive": "_raw_write_lock_bh",
    "waiter_function": "set_add", "holder_function": "set_expire|set_walk",
    "holder_comm": "ksoftirqd/*", "notes": "acquired_in=set_add splat=BUG:_so_so waiters=2; text"})
NO_LOCKUP = scenarios.Scenario({**LONG_HOLD.row, "event": "none", "pattern": "none|contention",
                                "lock_kind": "-", "lock_name": "-", "waiter_function": "-",
                                "holder_function": "-", "holder_comm": "-", "notes": "-"})

TRUTH = [
    {"role": "holder", "cpu": "0", "pid": "14", "comm": "ksoftirqd/0", "function": "set_expire",
     "lock": "set.lock", "address": "ffff888000001000"},
    {"role": "waiter", "cpu": "1", "pid": "50", "comm": "writer/1", "function": "set_add",
     "lock": "set.lock", "address": "ffff888000001000"},
    {"role": "waiter", "cpu": "2", "pid": "0", "comm": "swapper/2", "function": "set_add",
     "lock": "set.lock", "address": "ffff888000001000"},
]

RIGHT = {
    "event": "soft-lockup", "pattern": "long-hold", "confidence": 0.9,
    "lock": {"kind": "rwlock", "name": "set.lock", "address": "0xffff888000001000"},
    "waiters": [{"cpu": 1, "pid": 50, "comm": "writer/1", "function": "set_add"},
                {"cpu": 2, "pid": 0, "comm": "swapper/2", "function": "set_add.constprop.0"}],
    "holder": {"cpu": 0, "pid": 14, "comm": "ksoftirqd/0", "function": "set_expire",
               "acquired_in": "set_add"},
    "cycle": [], "others": [],
}


def judged(change=None, scenario=LONG_HOLD, truth=TRUTH):
    verdict = copy.deepcopy(RIGHT)
    if change:
        change(verdict)
    checks, wrong = judge.judge(scenario, verdict, truth)
    return {c.column: c.result for c in checks if c.result != judge.OK}, wrong


class Judge(unittest.TestCase):
    def test_right(self):
        self.assertEqual(judged(), ({}, 0))

    def test_holder_is_a_waiter(self):
        def change(v):
            v["holder"].update(pid=50, cpu=1, comm="writer/1")
        self.assertEqual(judged(change), ({"holder": "WRONG"}, 1))

    def test_holder_on_another_cpu(self):
        self.assertEqual(judged(lambda v: v["holder"].update(cpu=3)), ({"holder": "WRONG"}, 1))

    def test_holder_in_another_function(self):
        self.assertEqual(judged(lambda v: v["holder"].update(function="set_add")),
                         ({"holder": "WRONG"}, 0))

    def test_holder_unknown_is_not_wrong_and_not_right(self):
        self.assertEqual(judged(lambda v: v.update(holder=None)), ({"holder": "unknown"}, 0))

    def test_holder_on_no_cpu(self):
        self.assertEqual(judged(lambda v: v["holder"].update(cpu=None)), ({"holder": "unknown"}, 0))
        hung = scenarios.Scenario({**LONG_HOLD.row, "event": "hung-task"})

        def change(v):
            v["holder"].update(cpu=None)
            v["event"] = "hung-task"
        self.assertEqual(judged(change, hung), ({}, 0))

    def test_holder_without_confidence(self):
        self.assertEqual(judged(lambda v: v.update(confidence=0.4)), ({"holder": "WRONG"}, 0))

    def test_holder_where_there_is_no_lockup(self):
        bad, wrong = judged(scenario=NO_LOCKUP, truth=[])
        self.assertEqual((bad["holder"], wrong), ("WRONG", 1))

    def test_no_lockup(self):
        def change(v):
            v.update(event="none", pattern="none", lock=None, waiters=[], holder=None)
        self.assertEqual(judged(change, NO_LOCKUP, []), ({}, 0))

    def test_acquired_elsewhere(self):
        self.assertEqual(judged(lambda v: v["holder"].update(acquired_in="set_del")),
                         ({"holder": "WRONG"}, 0))

    def test_lock(self):
        self.assertEqual(judged(lambda v: v["lock"].update(name=None))[0], {"lock": "unknown"})
        self.assertEqual(judged(lambda v: v["lock"].update(name="x.lock"))[0], {"lock": "WRONG"})
        self.assertEqual(judged(lambda v: v["lock"].update(kind="mutex"))[0], {"lock": "WRONG"})
        self.assertEqual(judged(lambda v: v["lock"].update(address="0xffff888000002000"))[0],
                         {"lock": "WRONG"})

    def test_waiters(self):
        def invented(v):
            v["waiters"].append({"cpu": 3, "pid": 77, "comm": "x", "function": "set_add"})
        self.assertEqual(judged(invented)[0], {"waiters": "WRONG"})
        self.assertEqual(judged(lambda v: v["waiters"].pop())[0], {"waiters": "unknown"})
        self.assertEqual(judged(lambda v: v["waiters"][0].update(function="set_del"))[0],
                         {"waiters": "WRONG"})
        self.assertEqual(judged(lambda v: v["waiters"][1].update(cpu=3))[0],
                         {"waiters": "WRONG"})

    def test_event_and_pattern(self):
        self.assertEqual(judged(lambda v: v.update(event="oops", pattern="unknown"))[0],
                         {"event": "WRONG", "pattern": "unknown"})

    def test_other_lockup_invented(self):
        bad, wrong = judged(lambda v: v.update(others=[copy.deepcopy(RIGHT)]))
        self.assertEqual((bad, wrong), ({"more": "WRONG"}, 0))

    def test_other_lockup_with_wrong_holder(self):
        def change(v):
            other = copy.deepcopy(RIGHT)
            other["holder"]["pid"] = 99
            v["others"] = [other]
        self.assertEqual(judged(change)[1], 1)

    def test_cycle(self):
        cycle = scenarios.Scenario({**LONG_HOLD.row, "pattern": "cycle", "notes": "cycle=1"})
        edge = {"holder": RIGHT["holder"], "lock": RIGHT["lock"]}
        self.assertEqual(judged(lambda v: v.update(pattern="cycle", cycle=[edge]), cycle),
                         ({}, 0))
        self.assertEqual(judged(lambda v: v.update(pattern="cycle"), cycle)[0],
                         {"more": "unknown"})
        wrong = {"holder": {**RIGHT["holder"], "pid": 50}, "lock": RIGHT["lock"]}
        self.assertEqual(judged(lambda v: v.update(pattern="cycle", cycle=[wrong]), cycle),
                         ({"more": "WRONG"}, 1))

    def test_differences(self):
        self.assertEqual(judge.differences(RIGHT, copy.deepcopy(RIGHT)), [])
        turned = {**RIGHT, "waiters": RIGHT["waiters"][::-1]}
        self.assertEqual(judge.differences(RIGHT, turned), [])
        for change in ({"holder": {**RIGHT["holder"], "pid": 15}}, {"holder": None},
                       {"lock": {**RIGHT["lock"], "address": "0x1"}}, {"signature": "0"},
                       {"waiters": RIGHT["waiters"][:1]}, {"pattern": "cycle"}):
            self.assertTrue(judge.differences({**RIGHT, **change}, RIGHT), change)


class CrashKernel(unittest.TestCase):
    def test_cost(self):
        text = "free 102400\nunit {} 14356\njson 0 1.50 {}\ntext 1 0.25 40960\n"
        cost = crashkernel.Cost(text.format(57424, 81920))
        self.assertEqual(cost.runs["json"], (0, 1.5, 20.0))
        self.assertEqual(cost.runs["text"][0], 1)
        self.assertEqual(crashkernel.Cost(text.format(14400, 20480)).runs["json"][2], 20.0)

    def test_nothing_came_back(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            crashkernel.Analyze().make_disks(out)
            crashkernel.Analyze().collect(out)
            verdict, cost, words = crashkernel.read(out)
            self.assertEqual((verdict, cost), (None, None))
            self.assertTrue(words)


class Table(unittest.TestCase):
    def test_fields(self):
        self.assertEqual((LONG_HOLD.trigger, LONG_HOLD.wait_s), ("sysrq-c", 7.0))
        self.assertEqual(LONG_HOLD.sysctls, "a=1,b=2")
        self.assertEqual(LONG_HOLD.notes()["waiters"], "2")
        self.assertEqual(LONG_HOLD.splats(), ["BUG: so so"])

    def test_real_table(self):
        table = scenarios.load()
        usual = [i for i, s in table.items() if not s.extra]
        self.assertEqual(usual, list(range(1, 18)))
        self.assertEqual(list(table), usual + list(range(21, 67)))
        for s in table.values():
            self.assertIn(s.trigger, guest.TRIGGERS)

    def test_truth(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "truth.log"
            path.write_text("noise\nHOLDUP-TRUTH role=holder cpu=1 comm=a b c pid=7\r\n"
                            "HOLDUP-TRUTH role=waiter cpu=2 pi")
            self.assertEqual(scenarios.read_truth(path),
                             [{"role": "holder", "cpu": "1", "comm": "a b c", "pid": "7"}])


class Console(unittest.TestCase):
    def test_splats(self):
        lockup = "watchdog: BUG: soft lockup - CPU#1 stuck for 5s! [x:1]\n"
        self.assertEqual(guest.unexpected_splats(lockup, "soft-lockup"), [])
        self.assertEqual(guest.unexpected_splats(lockup, "none"), [lockup.strip()])
        warn = "[ 1.0] WARNING: CPU: 1 PID: 1 at kernel/x.c:1 f+0x1/0x2"
        self.assertEqual(guest.unexpected_splats(warn, "soft-lockup"), [warn])
        self.assertEqual(guest.unexpected_splats(warn, "soft-lockup", ["kernel/x.c"]), [])
        oops = "BUG: kernel NULL pointer dereference, address: 0"
        self.assertEqual(guest.unexpected_splats(oops, "soft-lockup"), [oops])
        self.assertEqual(guest.unexpected_splats(oops, "oops"), [])


class Archive(unittest.TestCase):
    def test_cpio(self):
        cpio = initramfs.Cpio()
        cpio.add("a/b", b"12345", 0o644)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.cpio")
            pathlib.Path(path).write_bytes(cpio.bytes())
            busybox = initramfs.which("busybox")
            os.system(f"cd {folder} && {busybox} cpio -id < x.cpio 2>/dev/null")
            self.assertEqual(pathlib.Path(folder, "a/b").read_bytes(), b"12345")


if __name__ == "__main__":
    unittest.main()
