#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares every page that our dump reader gives with what libkdumpfile gives.

    tests/tools/dump_oracle.py BUILD/tests/tools/dump_compare DUMP...

libkdumpfile before 0.5.2 does not open the flattened form: makedumpfile -R rearranges those first.
The last line is 'N passed, N failed, N skipped'; skipped is a dump that libkdumpfile cannot open.
"""

import subprocess
import sys
import tempfile
import zlib

PAGE = 4096
# What an ELF core leaves out libkdumpfile gives as zeros, and we as unknown.
ZERO_CRC = zlib.crc32(bytes(PAGE))


def oracle_pages(path, addresses):
    """{address: crc32 or None} by libkdumpfile."""
    import kdumpfile
    dump = kdumpfile.kdumpfile(path)
    pages = {}
    for address in addresses:
        try:
            data = dump.read(kdumpfile.KDUMP_MACHPHYSADDR, address, PAGE)
            pages[address] = zlib.crc32(data)
        except kdumpfile.exceptions.NoDataException:
            pages[address] = None
    return pages


def rearranged(path, scratch):
    with open(path, "rb", buffering=0) as f:
        if f.read(12) != b"makedumpfile":
            return path
        f.seek(0)
        out = scratch + "/rearranged"
        subprocess.run(["makedumpfile", "-R", out], stdin=f, check=True, capture_output=True)
    return out


def compare(program, path):
    """None when they agree, or what is wrong."""
    ours = {}
    text = subprocess.run([program, "--crc", path], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        address, crc = line.split(maxsplit=1)
        ours[int(address, 16)] = crc
    if not ours:
        return "not a single page"
    # Around each page that we have lie those that the oracle might have and we not.
    addresses = sorted({a + d for a in ours for d in (-PAGE, 0, PAGE) if a + d >= 0})
    with tempfile.TemporaryDirectory() as scratch:
        theirs = oracle_pages(rearranged(path, scratch), addresses)
    wrong = filled = 0
    for address in addresses:
        crc = theirs[address]
        want = None if crc is None else f"{crc:08x}"
        if address not in ours and crc == ZERO_CRC:
            filled += 1
        elif ours.get(address) != want:
            wrong += 1
            if wrong <= 10:
                print(f"{path}: page {address:#x}: {ours.get(address)}, libkdumpfile has {want}")
    print(f"{path}: {len(ours)} pages, {wrong} wrong, {filled} zeros there that we do not have")
    return f"{wrong} pages differ" if wrong else None


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        import kdumpfile
    except ImportError as e:
        print(f"skipped: {e} (python3-libkdumpfile)")
        print(f"0 passed, 0 failed, {len(sys.argv) - 2} skipped")
        return 0
    passed = failed = skipped = 0
    for path in sys.argv[2:]:
        try:
            error = compare(sys.argv[1], path)
        except kdumpfile.exceptions.NotImplementedException as e:
            print(f"{path}: skipped: {e}")
            skipped += 1
            continue
        if error:
            print(f"{path}: {error}")
        failed += error is not None
        passed += error is None
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
