/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DUMP_DUMP_H
#define HOLDUP_DUMP_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "regs.h"

struct msgs;

/*
 * A memory dump as physical memory and notes, whatever its format. Formats: ELF core (kdump's
 * /proc/vmcore, makedumpfile -E, QEMU's dump-guest-memory), kdump-compressed (zlib, lzo, snappy,
 * zstd), and either in makedumpfile's flattened form, read in place. One thread at a time.
 */
struct dump;

enum dump_format {
	DUMP_ELF,
	DUMP_KDUMP, /* makedumpfile's and QEMU's kdump-compressed format, header "KDUMP   " */
};

/* Registers of one CPU as the dump's notes have them, in the notes' own order. */
struct dump_cpu {
	struct regs regs;    /* known == 0: the note is zero-filled or missing */
	uint32_t pid;	     /* pr_pid of NT_PRSTATUS; 0 for idle, or when not filled in */
	bool has_control;    /* the QEMU note below was there */
	uint64_t cr3;	     /* physical, with PCID bits as dumped */
	uint64_t gs_base;    /* kernel GS base (per-CPU area) where it can be told, else 0 */
};

struct dump_info {
	enum dump_format format;
	bool flattened;
	const char *format_name; /* for people: "kdump-compressed (zlib), flattened" */
	bool truncated;		 /* the file ends before what its headers promise */
	bool incomplete;	 /* makedumpfile says that it ran out of space */
	unsigned int compression; /* flag bits of the kdump header's status; 0 none, or ELF */
	uint64_t max_paddr;	 /* one past the highest physical address the dump speaks of */
	/* From the kdump header's utsname; empty strings where the format has none. */
	char release[65], version[65], nodename[65], machine[65];
	bool has_phys_base;
	uint64_t phys_base; /* from VMCOREINFO, or else the kdump sub-header if it is set there */
	const char *vmcoreinfo; /* NUL-ended copy of the note, or NULL */
	size_t vmcoreinfo_size;
	const struct dump_cpu *cpus; /* one per PRSTATUS note */
	size_t n_cpus;
	uint64_t pages_read; /* statistics: pages fetched (and decompressed) so far */
};

/*
 * Opens @path. 0, or -errno with a line in @msgs saying what and where: -EINVAL not a dump or
 * damaged beyond use, -ENOTSUP a dump of another architecture or of an unknown variant,
 * -errno of open() and read(). A truncated file opens as far as its headers are whole.
 */
int dump_open(struct msgs *msgs, const char *path, struct dump **ret_dump);
void dump_free(struct dump *dump);

const struct dump_info *dump_info(const struct dump *dump);

/*
 * Reads @len bytes at physical address @pa, over page borders. 0, -ENODATA a page was left out of
 * the dump (excluded by filter, or no memory there), -EIO its data is cut off or damaged; then
 * @buf is undefined. Quiet: the caller knows what the bytes were for.
 *
 * Pages of zeros: makedumpfile's ELF cores (-E) leave them out like other excluded pages, so
 * -ENODATA there may be zeros. The kdump-compressed format keeps them, whatever the dump level.
 */
int dump_read(struct dump *dump, uint64_t pa, void *buf, size_t len);

/*
 * A pointer to the whole page at @pa (page-aligned down), or NULL as above. Valid until the next
 * call that takes @dump.
 */
const void *dump_page(struct dump *dump, uint64_t pa);

/*
 * The physical ranges that the dump covers (before filtering), for scans: ascending, apart; end is
 * exclusive. Found out at the first call, and valid as long as @dump. Returns how many.
 */
struct dump_range {
	uint64_t start, end;
};
size_t dump_ranges(struct dump *dump, const struct dump_range **ret_ranges);

#endif
