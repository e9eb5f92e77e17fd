# SPDX-License-Identifier: GPL-2.0-or-later
"""Small ELF files by hand: cores of any machine, and a vmlinux that has nothing but a build-id."""

import struct

ET_EXEC, ET_CORE = 2, 4
EM_386, EM_ARM, EM_PPC64, EM_S390, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 40, 21, 22, 62, 183, 243
PT_LOAD, PT_NOTE = 1, 4
NT_PRSTATUS, NT_AUXV, NT_GNU_BUILD_ID = 1, 6, 3


def note(name, kind, desc, order="<"):
    name = name.encode() + b"\0"
    out = struct.pack(order + "III", len(name), len(desc), kind) + name
    out += bytes(-len(out) % 4) + desc
    return out + bytes(-len(out) % 4)


def elf64(machine, kind, segments, big=False):
    """segments: (type, physical address, bytes)."""
    order = ">" if big else "<"
    at = 64 + 56 * len(segments)
    headers, body = b"", b""
    for p_type, paddr, data in segments:
        headers += struct.pack(order + "IIQQQQQQ", p_type, 4, at + len(body), paddr, paddr,
                               len(data), len(data), 4)
        body += data
    ident = b"\x7fELF" + bytes([2, 2 if big else 1, 1]) + bytes(9)
    head = struct.pack(order + "HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56,
                       len(segments), 0, 0, 0)
    return ident + head + headers + body


def core(machine, big=False):
    prstatus = note("CORE", NT_PRSTATUS, bytes(336), ">" if big else "<")
    return elf64(machine, ET_CORE, [(PT_NOTE, 0, prstatus), (PT_LOAD, 0, bytes(4096))], big)


def vmlinux(build_id):
    return elf64(EM_X86_64, ET_EXEC, [(PT_NOTE, 0, note("GNU", NT_GNU_BUILD_ID, build_id))])
