# SPDX-License-Identifier: GPL-2.0-or-later
"""The ELF vmlinux inside a bzImage.

Layout from Documentation/arch/x86/boot.rst: the setup header begins at 0x1f1; from protocol 2.08
on, payload_offset (0x248) counts from the start of the protected-mode code and payload_length is
at 0x24c. The payload is one compressed stream, followed by its uncompressed size in four bytes.

The ELF has no symbol table, but it has kallsyms, ORC and .BTF: enough to build a module with BTF.
"""

import gzip
import lzma
import struct
import subprocess


def extract(vmlinuz):
    image = vmlinuz.read_bytes()
    if image[0x202:0x206] != b"HdrS":
        raise ValueError(f"{vmlinuz}: not a bzImage")
    setup_sects = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sects + 1) * 512 + offset
    payload = image[start:start + length]
    if payload[:6] == b"\xfd7zXZ\0":
        out = lzma.LZMADecompressor().decompress(payload)
    elif payload[:2] == b"\x1f\x8b":
        out = gzip.decompress(payload[:-4])
    elif payload[:4] == b"\x28\xb5\x2f\xfd":
        out = subprocess.run(["zstd", "-dcq"], input=payload[:-4], stdout=subprocess.PIPE,
                             check=True).stdout
    else:
        raise ValueError(f"{vmlinuz}: payload compressed in an unknown way ({payload[:6].hex()})")
    if out[:4] != b"\x7fELF":
        raise ValueError(f"{vmlinuz}: the payload is no ELF file")
    return out
