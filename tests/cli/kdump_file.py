# SPDX-License-Identifier: GPL-2.0-or-later
"""A kdump-compressed file (zlib) that tests may change: its notes, and pages of its memory.

Layout as in analyze/dump/diskdump.c, written down a second time on purpose. Changed pages are
appended uncompressed, and their descriptors led to them.
"""

import struct
import zlib

PAGE = 4096
DESC = struct.Struct("<QIIQ")  # offset, size, flags, page flags
ZLIB = 1


class KdumpFile:
    def __init__(self, path):
        self.data = bytearray(path.read_bytes())
        if self.data[:8] != b"KDUMP   ":
            raise ValueError(f"{path}: not a kdump-compressed file")
        # 8 signature, 4 version, 6 utsname fields of 65, 6 padding, 16 time; then 5 words of 4.
        _, block, sub_blocks, bitmap_blocks, _ = struct.unpack_from("<5I", self.data, 424)
        if block != PAGE:
            raise ValueError(f"{path}: blocks of {block} bytes")
        self.sub = PAGE
        half = bitmap_blocks * PAGE // 2
        self.bitmap = (1 + sub_blocks) * PAGE + half
        self.descs = self.bitmap + half
        self.pfns = [8 * i + bit for i, byte in enumerate(self.data[self.bitmap:self.descs])
                     if byte for bit in range(8) if byte >> bit & 1]
        self.ranks = {pfn: rank for rank, pfn in enumerate(self.pfns)}
        (self.notes, self.notes_size) = struct.unpack_from("<QQ", self.data, self.sub + 48)
        self.first_page = self.descs + len(self.pfns) * DESC.size

    def page(self, pfn):
        offset, size, flags, _ = DESC.unpack_from(self.data, self.desc(pfn))
        raw = bytes(self.data[offset:offset + size])
        return zlib.decompress(raw) if flags & ZLIB else raw

    def desc(self, pfn):
        return self.descs + self.ranks[pfn] * DESC.size

    def set_page(self, pfn, page):
        DESC.pack_into(self.data, self.desc(pfn), len(self.data), PAGE, 0, 0)
        self.data += page

    def prstatus(self):
        """Where the descriptors of the NT_PRSTATUS notes are: a list of (offset, size)."""
        found, at, end = [], self.notes, self.notes + self.notes_size
        while at + 12 <= end:
            name_size, size, kind = struct.unpack_from("<3I", self.data, at)
            at += 12
            name = bytes(self.data[at:at + name_size])
            at += (name_size + 3) & ~3
            if name == b"CORE\0" and kind == 1:
                found.append((at, size))
            at += (size + 3) & ~3
        return found

    def zero(self, offset, size):
        self.data[offset:offset + size] = bytes(size)

    def crash_notes(self):
        """The kernel's own per-CPU copies of the notes: a list of (pfn, offset in page), in the
        order of prstatus(); None where there is no copy."""
        wanted = {bytes(self.data[at:at + size]): i for i, (at, size) in enumerate(self.prstatus())}
        found = [None] * len(wanted)
        for pfn in self.pfns:
            page = self.page(pfn)
            at = page.find(b"CORE\0\0\0\0")
            while at >= 0:
                i = wanted.get(page[at + 8:at + 8 + 336])
                if i is not None:
                    found[i] = (pfn, at - 12)
                at = page.find(b"CORE\0\0\0\0", at + 8)
        return found

    def clear_crash_note(self, place):
        pfn, at = place
        page = bytearray(self.page(pfn))
        page[at:at + 12 + 8 + 336] = bytes(12 + 8 + 336)
        self.set_page(pfn, page)

    def write(self, path):
        path.write_bytes(self.data)
