#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""measure.py REPORT COMMAND...: run a command, write its status, seconds and peak KiB to REPORT.

A process of its own, because a child's peak memory begins at that of the process it was forked
from: here that is a bare interpreter of some 9 MiB.
"""

import os
import sys
import time

start = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as f:
    print(os.waitstatus_to_exitcode(status), time.monotonic() - start, usage.ru_maxrss, file=f)
