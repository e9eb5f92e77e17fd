#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""drgn_stacks.py VMCORE VMLINUX: the stack of each CPU's running task, by drgn.

What a person would write to see what all CPUs did. Debian's python3-drgn belongs to Debian's own
python3, whatever python3 comes first in PATH. Modules' debug files are not given: their frames are
bare addresses.
"""

import sys

import drgn
from drgn.helpers.linux.cpumask import for_each_online_cpu
from drgn.helpers.linux.percpu import per_cpu

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
try:
    prog.load_debug_info(sys.argv[2:])
except drgn.MissingDebugInfoError:
    pass
for cpu in for_each_online_cpu(prog):
    print(f"CPU {cpu}")
    print(prog.stack_trace(per_cpu(prog["runqueues"], cpu).curr))
