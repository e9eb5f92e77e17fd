#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the lab with real guests: each way in which a run can go wrong must say so.

Takes a minute and a half. Ends in `N passed, N failed, N skipped`.
"""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import guest  # noqa: E402
import kernels  # noqa: E402
import lab  # noqa: E402
import scenarios  # noqa: E402


class Failures(unittest.TestCase):
    def expect(self, error, scenario, dumps, text="", **over):
        spec = lab.spec_for(kernels.DEFAULT_SERIES, scenarios.load()[scenario], dumps, **over)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            with self.assertRaises(error) as caught:
                guest.Guest(spec, out).run()
            self.assertIs(type(caught.exception), error)
            self.assertIn(text, str(caught.exception))
            self.assertIn("last lines of the console", str(caught.exception))
            self.assertEqual(list(out.glob("vmcore.*.part")), [])

    def test_no_boot(self):
        self.expect(guest.NoBoot, 16, ["kdump-lzo"], append="rdinit=/nowhere root=/dev/nowhere")

    def test_lost(self):
        self.expect(guest.GuestLost, 16, ["kdump-lzo"],
                    append="rdinit=/nowhere root=/dev/nowhere panic=-1")

    def test_setup(self):
        self.expect(guest.SetupFailed, 16, ["qmp-elf"], "insmod", params="scenario=99")

    def test_sysctl(self):
        self.expect(guest.SetupFailed, 16, ["qmp-elf"], "sysctl", sysctls="kernel.nonsense=1")

    def test_no_panic(self):
        self.expect(guest.Deadline, 15, ["qmp-elf"], "panic", trigger="none", deadline_s=25.0)

    def test_splat(self):
        self.expect(guest.UnexpectedSplat, 16, ["kdump-lzo"], "NULL pointer", event="none")

    def test_missing_dump(self):
        # The crash kernel has no such disk: one more dump than the guest was told of.
        self.expect(guest.SetupFailed, 16, ["kdump-lzo"], "vdb",
                    append="lab.dumps=kdump-lzo,kdump-plain")

    def test_no_crash_kernel(self):
        self.expect(guest.NoCrashKernel, 16, ["kdump-lzo"], append="lab.crash=rdinit=/nowhere")


if __name__ == "__main__":
    outcome = unittest.TextTestRunner(verbosity=2).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    bad = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun - bad} passed, {bad} failed, {len(outcome.skipped)} skipped")
    sys.exit(bool(bad))
