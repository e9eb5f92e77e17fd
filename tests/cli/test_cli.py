#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The real program, under ASan and UBSan, with wrong use, wrong files and damaged dumps.

Whatever it is given it must say what is wrong and where, keep what it could read, end with the exit
status that docs/verdict.md gives, and never crash or name a wrong holder.

Real dumps are those of scenario 1 that `make vmcheck` (or `make demo`) has left in the cache; tests
of them are skipped, and say so, where there are none. HOLDUP=PROGRAM tests another build. The last
line is 'N passed, N failed, N skipped'.
"""

import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE))
import elf_file  # noqa: E402
from kdump_file import PAGE, KdumpFile  # noqa: E402

HOLDUP = os.environ.get("HOLDUP") or str(TOP / "build-asan/holdup")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "holdup"
TIMEOUT_S = 60
SANITIZER_STATUS = 99
ENV = {**os.environ, "LC_ALL": "C",
       "ASAN_OPTIONS": f"exitcode={SANITIZER_STATUS}:allocator_may_return_null=1",
       "UBSAN_OPTIONS": f"exitcode={SANITIZER_STATUS}:print_stacktrace=1"}

COMPLETE, PARTIAL, UNREADABLE, USAGE = 0, 1, 2, 64
# What the lab's module does in scenario 1 (tests/vm/scenarios.tsv).
HOLDER, LOCK, CPUS = "labset_expire", "labset.lock", 8


class Dumps:
    """Links to the cached dumps: a make vmcheck beside us may replace the files at any moment."""

    def __init__(self):
        self.folder = None

    def open(self):
        (CACHE / "dumps").mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=".cli.", dir=CACHE / "dumps"))
        for path in (CACHE / "dumps").glob("*/s01/vmcore.kdump-*"):
            if path.suffix != ".part":
                (self.folder / path.parts[-3]).mkdir(exist_ok=True)
                os.link(path, self.folder / path.parts[-3] / path.name)

    def close(self):
        shutil.rmtree(self.folder)

    def of(self, series, variant="kdump-zlib"):
        return self.folder / series / f"vmcore.{variant}"


DUMPS = Dumps()


class Result:
    def __init__(self, p):
        self.status = p.returncode
        self.out = p.stdout.decode("utf-8", "replace") if p.stdout is not None else ""
        self.err = p.stderr.decode("utf-8", "replace")

    @property
    def verdict(self):
        return json.loads(self.out)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="holdup-cli."))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_holdup(self, *args, stdout=subprocess.PIPE, **kw):
        p = subprocess.run([HOLDUP, *map(str, args)], stdin=subprocess.DEVNULL, stdout=stdout,
                           stderr=subprocess.PIPE, env=ENV, timeout=TIMEOUT_S, check=False, **kw)
        r = Result(p)
        if p.returncode < 0 or p.returncode == SANITIZER_STATUS or "runtime error:" in r.err \
                or "Sanitizer" in r.err:
            self.fail(f"holdup {' '.join(map(str, args))} died ({p.returncode}):\n{r.err[-3000:]}")
        self.assertIn(r.status, (COMPLETE, PARTIAL, UNREADABLE, USAGE), r.err)
        return r

    def analyze(self, path, *options, **kw):
        return self.run_holdup("analyze", "--json", *options, path, **kw)

    def file(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def refused(self, path, *words, options=()):
        """Status 2, nothing on standard output, one message that names the file and the words."""
        r = self.analyze(path, *options)
        self.assertEqual(r.status, UNREADABLE, r.err)
        self.assertEqual(r.out, "")
        self.assertIn(str(path), r.err)
        for word in words:
            self.assertRegex(r.err, word)
        return r

    def real(self, series="6.1", variant="kdump-zlib"):
        path = DUMPS.of(series, variant)
        if not path.exists():
            self.skipTest(f"no dump {variant} of {series}, scenario 1, in {CACHE}: "
                          "make vmcheck makes it")
        return path

    def check_sound(self, r, path):
        """Any status but 64, and whatever was found out is not wrong."""
        if r.status == UNREADABLE:
            self.assertEqual(r.out, "")
            self.assertNotEqual(r.err, "")
            return None
        v = r.verdict
        self.assertEqual(r.status == PARTIAL, v["source"]["partial"], r.err)
        if r.status == PARTIAL:
            self.assertTrue(v["unknowns"] or r.err, "partial, and it does not say why")
        for part in [v, *v.get("others", [])]:
            if part["holder"] is not None:
                self.assertEqual(part["holder"]["cpu"], 0, part["summary"])
                self.assertIn(part["holder"]["function"], (HOLDER, None), part["summary"])
        return v


class Usage(Case):
    def test_help(self):
        for args in (["--help"], ["-h"], ["analyze", "--help"], ["analyze", "-h"]):
            r = self.run_holdup(*args)
            self.assertEqual((r.status, r.err), (COMPLETE, ""), args)
            self.assertTrue(r.out.startswith("Usage: holdup "), args)

    def test_help_names_every_option_of_analyze(self):
        text = self.run_holdup("analyze", "--help").out
        for option in ("--json", "--all-stacks", "--vmlinux", "--system-map", "--cpu", "--ps",
                       "--log", "--help"):
            self.assertIn(option, text)

    def test_version(self):
        r = self.run_holdup("--version")
        self.assertEqual((r.status, r.err), (COMPLETE, ""))
        self.assertRegex(r.out, r"\Aholdup \d+\.\d+\n\Z")

    def test_no_command(self):
        r = self.run_holdup()
        self.assertEqual((r.status, r.out), (USAGE, ""))
        self.assertIn("Usage: holdup ", r.err)

    def test_wrong_use(self):
        some = self.file("some", b"x")
        for args, word in (
                (["frobnicate"], "frobnicate"), (["--frobnicate"], "frobnicate"), ([""], "''"),
                (["analyze"], "SOURCE"), (["analyze", some, some], "one SOURCE"),
                (["analyze", "--frobnicate", some], "frobnicate"),
                (["analyze", "-x", some], "x"), (["analyze", "--json=1", some], "json"),
                (["analyze", "--vmlinux"], "vmlinux"), (["analyze", "--system-map"], "system-map"),
                (["analyze", "--cpu", "x", some], "'x'"), (["analyze", "--cpu", "-1", some], "-1"),
                (["analyze", "--cpu", "", some], "--cpu"),
                (["analyze", "--cpu", "99999999999999999999", some], "99999999999999999999"),
                (["analyze", "--json", "--ps", some], "--ps"),
                (["analyze", "--json", "--log", some], "--log"),
                (["analyze", "--json", "--cpu", "1", some], "--cpu")):
            with self.subTest(args=args):
                r = self.run_holdup(*args)
                self.assertEqual((r.status, r.out), (USAGE, ""), r.err)
                self.assertIn(word, r.err)

    def test_name_that_begins_like_an_option(self):
        r = self.run_holdup("analyze", "--", "--json", cwd=self.folder)
        self.assertEqual(r.status, UNREADABLE)
        self.assertIn("--json: No such file", r.err)


class NotADump(Case):
    def test_missing(self):
        self.refused(self.folder / "missing", "No such file or directory")

    def test_directory(self):
        self.refused(self.folder, "[Ii]s a directory")

    def test_no_permission(self):
        if os.geteuid() == 0:
            self.skipTest("root may read everything")
        path = self.file("secret", b"KDUMP   ")
        path.chmod(0)
        self.refused(path, "Permission denied")

    def test_empty(self):
        self.refused(self.file("empty", b""), "empty")
        self.refused("/dev/null", "empty")

    def test_text(self):
        self.refused(self.file("text", b"hello, this is neither\n" * 100),
                     "dump|no line of it is from a kernel's log")

    def test_random_bytes(self):
        rng = random.Random(1)
        for size in (1, 3, 7, 8, 16, 100, 5000, 100000):
            with self.subTest(size=size):
                self.refused(self.file("random", rng.randbytes(size)),
                             "dump|no line of it is from a kernel's log")

    def test_a_name_is_not_a_terminal_command(self):
        path = self.folder / "a\x1b[31mb"
        r = self.analyze(path)
        self.assertEqual(r.status, UNREADABLE)
        self.assertNotIn("\x1b", r.err)

    def test_compressed_or_foreign(self):
        for magic, word in ((b"\x1f\x8b\x08", "gzip"), (b"\xfd7zXZ\0", "xz"),
                            (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh91AY", "bzip2"),
                            (b"DISKDUMP", "diskdump"), (b"PAGEDU64", "Windows"),
                            (b"QEVM", "QEMU")):
            with self.subTest(word=word):
                self.refused(self.file("foreign", magic + bytes(5000)), word)

    def test_kdump_header_alone(self):
        for size in (8, 12, 463, 464, PAGE - 1, PAGE, PAGE + 103, 2 * PAGE):
            with self.subTest(size=size):
                self.refused(self.file("kdump", (b"KDUMP   " + bytes(2 * PAGE))[:size]),
                             "cut off|passes|bytes|block")

    def test_kdump_of_another_architecture(self):
        for machine in (b"aarch64", b"ppc64le", b"s390x"):
            with self.subTest(machine=machine):
                uts = b"".join(s.ljust(65, b"\0") for s in
                               (b"Linux", b"host", b"6.1.0", b"#1", machine, b"(none)"))
                head = b"KDUMP   " + struct.pack("<i", 6) + uts + bytes(6 + 16)
                head += struct.pack("<5I", 1, 65536, 1, 2, 1024)
                self.refused(self.file("kdump", head.ljust(65536 * 4, b"\0")),
                             "another architecture|machine", machine.decode())

    def test_flattened_header_alone(self):
        magic = b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)
        for size in (12, 16, 32, PAGE - 1, PAGE, PAGE + 15):
            with self.subTest(size=size):
                self.refused(self.file("flat", magic.ljust(2 * PAGE, b"\0")[:size]))


class ElfThatIsNoDump(Case):
    def test_another_architecture(self):
        for machine, big, name in ((elf_file.EM_AARCH64, False, "aarch64"),
                                   (elf_file.EM_PPC64, True, "ppc64"),
                                   (elf_file.EM_PPC64, False, "ppc64"),
                                   (elf_file.EM_S390, True, "s390x"),
                                   (elf_file.EM_RISCV, False, "riscv"), (0x1234, False, "4660")):
            with self.subTest(name=name, big=big):
                self.refused(self.file("core", elf_file.core(machine, big)), name, "x86.64")

    def test_32_bits(self):
        head = b"\x7fELF\x01\x01\x01" + bytes(9)
        head += struct.pack("<HHIIIIIHHHHHH", elf_file.ET_CORE, elf_file.EM_386, 1, 0, 52, 0, 0,
                            52, 32, 0, 0, 0, 0)
        self.refused(self.file("core", head + bytes(4096)), "32|i386")

    def test_program(self):
        self.refused("/bin/true", "core|executable|dump")

    def test_core_of_a_process(self):
        notes = elf_file.note("CORE", elf_file.NT_PRSTATUS, bytes(336)) \
            + elf_file.note("CORE", elf_file.NT_AUXV, bytes(320))
        data = elf_file.elf64(elf_file.EM_X86_64, elf_file.ET_CORE,
                              [(elf_file.PT_NOTE, 0, notes), (elf_file.PT_LOAD, 0, bytes(4096))])
        self.refused(self.file("core", data), "process")

    def test_cut_off_at_every_byte_of_its_headers(self):
        whole = elf_file.core(elf_file.EM_X86_64)
        for size in range(4, 64 + 2 * 56 + 400):
            r = self.analyze(self.file("core", whole[:size]))
            self.assertEqual((r.status, r.out), (UNREADABLE, ""), f"{size} bytes: {r.err}")
            self.assertIn(str(self.folder), r.err)

    def test_empty_memory(self):
        r = self.analyze(self.file("core", elf_file.core(elf_file.EM_X86_64)))
        self.assertEqual((r.status, r.out), (UNREADABLE, ""))
        self.assertIn("no page table of an x86-64 kernel found", r.err)


class Output(Case):
    def test_full_device(self):
        dump = self.real()
        for args in (["analyze", dump], ["analyze", "--json", dump], ["analyze", "--log", dump],
                     ["analyze", "--ps", dump], ["analyze", "--cpu", "0", dump], ["--help"],
                     ["analyze", "--help"], ["--version"]):
            with self.subTest(args=args), open("/dev/full", "w") as full:
                r = self.run_holdup(*args, stdout=full)
                self.assertEqual(r.status, UNREADABLE)
                self.assertIn("No space left on device", r.err)

    def test_closed_output(self):
        dump = self.real()
        before = dump.stat()
        for args in (["analyze", dump], ["analyze", "--json", dump]):
            # The dump must not become descriptor 1.
            p = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", HOLDUP, *map(str, args)],
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=ENV,
                               timeout=TIMEOUT_S, check=False)
            r = Result(p)
            self.assertEqual(r.status, UNREADABLE, r.err)
            self.assertIn("could not be written", r.err)
        self.assertEqual((before.st_size, before.st_mtime), (dump.stat().st_size,
                                                             dump.stat().st_mtime))

    def test_reader_that_goes_away(self):
        dump = self.real()
        for options in ([], ["--json"], ["--log"], ["--ps"], ["--all-stacks"]):
            with self.subTest(options=options):
                read, write = os.pipe()
                os.close(read)
                try:
                    r = self.run_holdup("analyze", *options, dump, stdout=write)
                finally:
                    os.close(write)
                self.assertEqual((r.status, r.err), (COMPLETE, ""))


class RealDump(Case):
    def check_right(self, r):
        self.assertEqual((r.status, r.err), (COMPLETE, ""))
        v = r.verdict
        self.assertEqual((v["holder"]["function"], v["holder"]["cpu"]), (HOLDER, 0))
        self.assertEqual((v["event"], v["pattern"]), ("soft-lockup", "long-hold"))
        self.assertFalse(v["source"]["partial"])
        return v

    def test_whole(self):
        v = self.check_right(self.analyze(self.real()))
        self.assertEqual(len(v["waiters"]), CPUS - 1)

    def test_every_form_says_the_same(self):
        first = self.analyze(self.real()).verdict
        forms = sorted(self.real().parent.glob("vmcore.kdump-*"))
        if len(forms) < 2:
            self.skipTest("one form only in the cache: make vmcheck makes the others")
        for path in forms:
            with self.subTest(path=path.name):
                v = self.analyze(path).verdict
                v["source"]["path"] = first["source"]["path"]
                # The ELF form comes from the same crash, but may hold what makedumpfile dropped.
                self.assertEqual(v, first)

    def test_views(self):
        dump = self.real()
        for options, word in ((["--log"], "watchdog: BUG: soft lockup"), (["--ps"], "ksoftirqd/0"),
                              (["--cpu", "0"], HOLDER), (["--all-stacks"], "schedule")):
            with self.subTest(options=options):
                r = self.run_holdup("analyze", *options, dump)
                self.assertEqual((r.status, r.err), (COMPLETE, ""))
                self.assertIn(word, r.out)

    def test_cpu_that_is_not_there(self):
        r = self.run_holdup("analyze", "--cpu", "77", self.real())
        self.assertEqual(r.status, PARTIAL)
        self.assertIn("CPU 77", r.err)


class SymbolFiles(Case):
    def test_missing(self):
        dump = self.real()
        for option in ("--vmlinux", "--system-map"):
            with self.subTest(option=option):
                r = self.analyze(dump, option, self.folder / "missing")
                self.assertIn(f"{self.folder}/missing: No such file", r.err)
                self.check_sound(r, dump)

    def test_vmlinux_of_another_build(self):
        other = bytes(range(20))
        path = self.file("vmlinux", elf_file.vmlinux(other))
        dumps = [d for d in map(DUMPS.of, ("6.1", "5.10", "6.12")) if d.exists()]
        if not dumps:
            self.real()
        for dump in dumps:
            with self.subTest(dump=str(dump)):
                r = self.analyze(dump, "--vmlinux", path)
                self.assertIn(str(path), r.err)
                self.assertIn(other.hex(), r.err)
                ids = set(re.findall(r"\b[0-9a-f]{40}\b", r.err)) - {other.hex()}
                self.assertEqual(len(ids), 1, f"the dump's own build-id is not told: {r.err}")
                v = self.check_sound(r, dump)
                self.assertEqual(ids, {v["source"]["build_id"]})
                self.assertEqual(v["holder"]["function"], HOLDER)

    def test_vmlinux_that_is_none(self):
        dump = self.real()
        for name, data, word in (("text", b"no vmlinux\n", "ELF"), ("empty", b"", "ELF|empty"),
                                 ("arm", elf_file.core(elf_file.EM_AARCH64), "183|aarch64"),
                                 ("cut", elf_file.vmlinux(bytes(20))[:60], "ELF")):
            with self.subTest(name=name):
                r = self.analyze(dump, "--vmlinux", self.file(name, data))
                self.assertIn(f"{self.folder}/{name}", r.err)
                self.assertRegex(r.err, word)
                self.check_sound(r, dump)

    def test_system_map_that_is_none(self):
        dump = self.real()
        stub = b"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n"
        for name, data, word in (("stub", stub, "placeholder"), ("text", b"hello\n" * 9, "System.map"),
                                 ("empty", b"", "System.map"),
                                 ("zeros", b"0000000000000000 T _text\n" * 3, "zero")):
            with self.subTest(name=name):
                r = self.analyze(dump, "--system-map", self.file(name, data))
                self.assertIn(f"{self.folder}/{name}", r.err)
                self.assertRegex(r.err, word)
                self.check_sound(r, dump)


class Truncated(Case):
    def sizes(self, dump, whole):
        """Around each boundary of the format, then all over the pages."""
        k = KdumpFile(dump) if dump.suffix == ".kdump-zlib" else None
        marks = {0, 8, 464, PAGE, 2 * PAGE}
        if k:
            marks |= {k.sub + 104, k.notes, k.notes + 12, k.notes + k.notes_size, k.bitmap,
                      k.bitmap + PAGE, k.descs, k.descs + 24, k.first_page, k.first_page + PAGE}
        sizes = {m + d for m in marks for d in (-1, 0, 1)}
        sizes |= {whole * i // 24 for i in range(1, 24)} | {whole - 1, whole - 100, whole - PAGE}
        return sorted(s for s in sizes if 0 <= s < whole)

    def check(self, variant):
        dump = self.real(variant=variant)
        whole = dump.stat().st_size
        copy = self.folder / "vmcore"
        shutil.copyfile(dump, copy)
        read = 0
        for size in reversed(self.sizes(dump, whole)):
            os.truncate(copy, size)
            with self.subTest(variant=variant, size=size):
                r = self.analyze(copy)
                self.assertIn(r.status, (PARTIAL, UNREADABLE), "taken for a whole dump")
                v = self.check_sound(r, copy)
                # What is shorter than the signatures looks like text.
                if size > 16:
                    self.assertRegex(r.err, "cut off|pass(es)? the end")
                read += bool(v and v["holder"])
        self.assertGreater(read, 0, "no truncated dump gave a holder: is this the right dump?")

    def test_zlib(self):
        self.check("kdump-zlib")

    def test_zlib_flattened(self):
        self.check("kdump-zlib-flat")

    def test_lzo_flattened(self):
        self.check("kdump-lzo-flat")

    def test_elf(self):
        self.check("kdump-elf")


class CrashNotes(Case):
    """The CPUs' registers: notes in the file, and the kernel's own copies of them in memory."""

    def setUp(self):
        super().setUp()
        self.dump = KdumpFile(self.real())
        self.copy = self.folder / "vmcore"

    def verdict(self, expected=(COMPLETE, PARTIAL)):
        self.dump.write(self.copy)
        r = self.analyze(self.copy)
        self.assertIn(r.status, expected, r.err)
        return self.check_sound(r, self.copy), r

    def test_unchanged_copy(self):
        v, _ = self.verdict((COMPLETE,))
        self.assertEqual(v["holder"]["function"], HOLDER)

    def test_zero_filled_notes(self):
        """As some kexec paths leave them; the per-CPU copies are still there."""
        notes = self.dump.prstatus()
        self.assertEqual(len(notes), CPUS)
        for offset, size in notes:
            self.dump.zero(offset, size)
        v, _ = self.verdict()
        self.assertEqual(v["holder"]["function"], HOLDER)

    def test_one_cpu_without_registers(self):
        for cpu in range(CPUS):
            with self.subTest(cpu=cpu):
                self.dump = KdumpFile(self.real())
                places = self.dump.crash_notes()
                self.assertNotIn(None, places)
                self.dump.clear_crash_note(places[cpu])
                self.dump.zero(*self.dump.prstatus()[cpu])
                v, _ = self.verdict()
                self.assertEqual(len(v["cpus"]), CPUS)
                told = [u for u in v["unknowns"] if re.search(rf"\bCPU {cpu}\b.*registers", u)]
                self.assertEqual(len(told), 1, v["unknowns"])
                others = [u for u in v["unknowns"] if "registers" in u and u not in told]
                self.assertEqual(others, [], "registers went to the wrong CPU")

    def test_a_note_that_is_left_out(self):
        """The kdump kernel drops an empty note: all after it move up, and must not be shifted."""
        places = self.dump.crash_notes()
        notes = self.dump.prstatus()
        for cpu in range(CPUS):
            self.dump.clear_crash_note(places[cpu])
        # Only the file's notes are left, and CPU 2's is gone: each moves to the place before it.
        for (to, size), (at, _) in zip(notes[2:], notes[3:]):
            self.dump.data[to:to + size] = self.dump.data[at:at + size]
        self.dump.zero(*notes[-1])
        v, _ = self.verdict()
        told = [u for u in v["unknowns"] if re.search(r"\bCPU \d+\b.*registers", u)]
        self.assertEqual([re.search(r"CPU (\d+)", u)[1] for u in told], ["2"], v["unknowns"])

    def test_no_registers_at_all(self):
        for place in self.dump.crash_notes():
            self.dump.clear_crash_note(place)
        for note in self.dump.prstatus():
            self.dump.zero(*note)
        v, _ = self.verdict()
        told = {re.search(r"CPU (\d+)", u)[1] for u in v["unknowns"] if "registers" in u}
        self.assertEqual(told, {str(cpu) for cpu in range(CPUS)})

    def test_note_sizes_that_lie(self):
        at = self.dump.prstatus()[0][0] - 20
        for name_size, size in ((0xffffffff, 336), (5, 0xffffffff), (5, 0), (0, 336), (5, 335),
                                (5, 1 << 20)):
            with self.subTest(name_size=name_size, size=size):
                struct.pack_into("<II", self.dump.data, at, name_size, size)
                v, r = self.verdict()
                self.assertTrue("note 0" in r.err or v["unknowns"] or v["holder"], r.err)

    def test_notes_beyond_the_file(self):
        struct.pack_into("<QQ", self.dump.data, self.dump.sub + 48, 1 << 60, 4096)
        v, r = self.verdict()
        self.assertIn("notes of 4096 bytes", r.err)
        self.assertIsNotNone(v)


class Damaged(Case):
    def test_flipped_bytes(self):
        """Header, sub-header, notes, VMCOREINFO, bitmaps, descriptors and pages, in turn."""
        whole = KdumpFile(self.real())
        copy = self.folder / "vmcore"
        areas = [(0, PAGE), (PAGE, PAGE + 104), (whole.notes, whole.notes + whole.notes_size),
                 (whole.notes + whole.notes_size, whole.bitmap), (whole.bitmap, whole.descs),
                 (whole.descs, whole.first_page), (whole.first_page, len(whole.data))]
        rng = random.Random(2)
        copy.write_bytes(whole.data)
        with open(copy, "r+b") as f:
            for i in range(70):
                begin, end = areas[i % len(areas)]
                places = [rng.randrange(begin, end) for _ in range(20 if i % 2 else 1)]
                with self.subTest(places=places[:3]):
                    for at in places:
                        f.seek(at)
                        f.write(bytes([rng.randrange(256)]))
                    f.flush()
                    self.check_sound(self.analyze(copy), copy)
                for at in places:
                    f.seek(at)
                    f.write(whole.data[at:at + 1])
                f.flush()

    def test_pages_that_are_gone(self):
        """Every n-th page has no data, as after a full disk."""
        for step in (2, 3, 7, 31):
            with self.subTest(step=step):
                k = KdumpFile(self.real())
                for pfn in k.pfns[step - 1::step]:
                    struct.pack_into("<QI", k.data, k.desc(pfn), 0, 0)
                k.write(self.folder / "vmcore")
                self.check_sound(self.analyze(self.folder / "vmcore"), self.folder / "vmcore")


    def stack_pages(self, whole, verdict):
        """Pages in which three or more of the return addresses on the CPUs' stacks occur."""
        words = {struct.pack("<Q", int(f["address"], 16))
                 for cpu in verdict["cpus"] for f in cpu["stack"] or []}
        any_of = re.compile(b"|".join(map(re.escape, words)))
        return [pfn for pfn in whole.pfns
                if len({m[0] for m in any_of.finditer(whole.page(pfn)) if m.start() % 8 == 0}) > 2]

    def test_stack_page_that_is_gone(self):
        """Who is interrupted is not seen then, and the interrupt must not take the blame for it."""
        whole = KdumpFile(self.real())
        pages = self.stack_pages(whole, self.analyze(self.real()).verdict)
        self.assertGreaterEqual(len(pages), CPUS)
        copy, partial = self.folder / "vmcore", 0
        copy.write_bytes(whole.data)
        with open(copy, "r+b", buffering=0) as f:
            for pfn in pages:
                with self.subTest(pfn=pfn):
                    desc = whole.desc(pfn)
                    f.seek(desc)
                    f.write(bytes(12))
                    r = self.analyze(copy)
                    v = self.check_sound(r, copy)
                    if r.status == PARTIAL:
                        partial += 1
                        self.assertIn("cut off", str(v["unknowns"]))
                    f.seek(desc)
                    f.write(whole.data[desc:desc + 12])
        self.assertGreater(partial, 0)


class Text(unittest.TextTestResult):
    """Counts tests, not subtests."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.bad = set()

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad.add(test.id())

    def addError(self, test, err):
        super().addError(test, err)
        self.bad.add(test.id())

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.bad.add(test.id())


def main():
    if "HOLDUP" not in os.environ:
        subprocess.run(["make", f"-j{os.cpu_count()}", "-s", "SANITIZE=1", "build-asan/holdup"],
                       cwd=TOP, check=True)
    loader = unittest.defaultTestLoader
    module = sys.modules[__name__]
    names = sys.argv[1:]
    tests = loader.loadTestsFromNames(names, module) if names else \
        loader.loadTestsFromModule(module)
    DUMPS.open()
    try:
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Text).run(tests)
    finally:
        DUMPS.close()
    skipped = len({test.id() for test, _ in result.skipped})
    failed = len(result.bad)
    passed = result.testsRun - failed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
