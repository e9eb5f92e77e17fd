// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kdump-compressed format of makedumpfile and QEMU, in blocks of a page: a header, a
 * sub-header of sub_hdr_size blocks, two bitmaps of bitmap_blocks blocks together (pages that
 * exist; pages that were dumped), then one descriptor of 24 bytes for each bit set in the second
 * bitmap, in order, which tells where the page's data are. VMCOREINFO and the notes lie where the
 * sub-header says. Facts: makedumpfile's IMPLEMENTATION and diskdump_mod.h, QEMU's
 * include/sysemu/dump.h.
 *
 * The descriptor's number is the page's rank in the bitmap. Ranks are counted a group of bits at
 * a time, and only as far up as a page was asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump/internal.h"
#include "util/cursor.h"
#include "util/msgs.h"

#define HEADER_SIZE 464
#define UTSNAME_LEN 65
#define SUB_HEADER_SIZE 104
#define DESC_SIZE 24
#define MAX_VERSION 6

#define STATUS_INCOMPLETE 0x8
#define GROUP_SIZE 512 /* bytes of bitmap to a rank; divides the page, where bitmaps begin */
#define GROUP_BITS (GROUP_SIZE * 8)
/* 256 TB: more than any machine has, and a bound on what a forged header can make us read. */
#define MAX_MAPNR (1ULL << (48 - DUMP_PAGE_SHIFT))
/*
 * The end of the file is checked against all descriptors for guests of up to 128 GB: that reads
 * the bitmap, 1 byte for each 32 KB of memory.
 */
#define CHECK_MAX_MAPNR (1ULL << (37 - DUMP_PAGE_SHIFT))
#define CHECK_DESCS 682 /* descriptors at the end that are looked at; one cached block */

struct kdump_header {
	int32_t version;
	uint32_t status, block_size, sub_hdr_size, bitmap_blocks, max_mapnr;
};

struct kdump_sub_header {
	uint64_t phys_base;
	uint32_t split;
	uint64_t start_pfn, end_pfn;
	uint64_t vmcoreinfo, vmcoreinfo_size, note, note_size;
	uint64_t max_mapnr;
};

struct page_desc {
	uint64_t off;
	uint32_t size, flags;
};

static int arch_check(struct dump *dump, int32_t version)
{
	const char *machine = dump->info.machine;

	if (machine[0] && strcmp(machine, "x86_64") != 0) {
		file_msg(&dump->file,
			 "a kdump-compressed dump of another architecture: %s;"
			 " only x86_64 is read",
			 machine);
		return -ENOTSUP;
	}
	if (version < 0 || version > MAX_VERSION) {
		file_msg(&dump->file,
			 "kdump-compressed header of version %" PRId32 ", where 0 to %d are known",
			 version, MAX_VERSION);
		return -ENOTSUP;
	}
	return 0;
}

/* An utsname field, with what does not print replaced. */
static void uts_get(struct cursor *c, char *ret_field)
{
	char field[UTSNAME_LEN];

	cursor_get(c, field, sizeof(field));
	field[sizeof(field) - 1] = '\0';
	for (char *p = field; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	strcpy(ret_field, field);
}

static int header_read(struct dump *dump, struct kdump_header *ret_header)
{
	uint8_t raw[HEADER_SIZE];
	struct cursor c = cursor_make(raw, sizeof(raw));
	struct kdump_header h;
	char skipped[UTSNAME_LEN];
	int r;

	r = file_read(&dump->file, 0, raw, sizeof(raw));
	if (r < 0) {
		file_msg(&dump->file,
			 "is cut off inside the kdump-compressed header (%" PRIu64 " of %d bytes)",
			 dump->file.size, HEADER_SIZE);
		return -EINVAL;
	}
	cursor_skip(&c, 8);
	h.version = (int32_t)cursor_u32(&c);
	uts_get(&c, skipped); /* sysname */
	uts_get(&c, dump->info.nodename);
	uts_get(&c, dump->info.release);
	uts_get(&c, dump->info.version);
	uts_get(&c, dump->info.machine);
	uts_get(&c, skipped);	 /* domainname */
	cursor_skip(&c, 6 + 16); /* padding, timestamp */
	h.status = cursor_u32(&c);
	h.block_size = cursor_u32(&c);
	h.sub_hdr_size = cursor_u32(&c);
	h.bitmap_blocks = cursor_u32(&c);
	h.max_mapnr = cursor_u32(&c);
	r = arch_check(dump, h.version);
	if (r < 0)
		return r;
	if (h.block_size != DUMP_PAGE_SIZE) {
		file_msg(&dump->file, "block size of %" PRIu32 " bytes, where x86_64 has %lu",
			 h.block_size, DUMP_PAGE_SIZE);
		return -EINVAL;
	}
	*ret_header = h;
	return 0;
}

/* Fields that the header's version has not are 0. */
static int sub_header_read(struct dump *dump, const struct kdump_header *h,
			   struct kdump_sub_header *ret_sub)
{
	uint8_t raw[SUB_HEADER_SIZE] = { 0 };
	struct cursor c = cursor_make(raw, sizeof(raw));
	static const uint8_t sizes[MAX_VERSION + 1] = { 8, 12, 32, 48, 64, 80, SUB_HEADER_SIZE };
	struct kdump_sub_header sub;
	uint64_t start_pfn_64, end_pfn_64;

	if (!h->sub_hdr_size || file_read(&dump->file, h->block_size, raw, sizes[h->version]) < 0) {
		file_msg(&dump->file,
			 "the kdump-compressed sub-header of %" PRIu32 " blocks at offset %" PRIu32
			 " passes the end of the file (%" PRIu64 " bytes)",
			 h->sub_hdr_size, h->block_size, dump->file.size);
		return -EINVAL;
	}
	sub.phys_base = cursor_u64(&c);
	cursor_skip(&c, 4); /* dump_level */
	sub.split = cursor_u32(&c);
	sub.start_pfn = cursor_u64(&c);
	sub.end_pfn = cursor_u64(&c);
	sub.vmcoreinfo = cursor_u64(&c);
	sub.vmcoreinfo_size = cursor_u64(&c);
	sub.note = cursor_u64(&c);
	sub.note_size = cursor_u64(&c);
	cursor_skip(&c, 16); /* eraseinfo */
	start_pfn_64 = cursor_u64(&c);
	end_pfn_64 = cursor_u64(&c);
	sub.max_mapnr = cursor_u64(&c);
	if (h->version >= 6) {
		sub.start_pfn = start_pfn_64;
		sub.end_pfn = end_pfn_64;
	} else {
		sub.max_mapnr = h->max_mapnr;
	}
	if (sub.split) {
		file_msg(&dump->file,
			 "is one part of a split dump, pages %" PRIu64 " to %" PRIu64
			 "; join the parts with makedumpfile --reassemble",
			 sub.start_pfn, sub.end_pfn);
		return -ENOTSUP;
	}
	*ret_sub = sub;
	return 0;
}

/* Where bitmaps and descriptors are; what passes the file's end is told, and stays unreadable. */
static int layout_set(struct dump *dump, const struct kdump_header *h,
		      const struct kdump_sub_header *sub)
{
	struct dump_kdump *kd = dump->kdump;
	uint64_t bitmaps = (uint64_t)h->bitmap_blocks * h->block_size, half = bitmaps / 2;

	kd->max_mapnr = sub->max_mapnr;
	kd->bitmap1 = (1 + (uint64_t)h->sub_hdr_size) * h->block_size;
	kd->bitmap2 = kd->bitmap1 + half;
	kd->descs = kd->bitmap1 + bitmaps;
	if (h->bitmap_blocks % 2) {
		file_msg(&dump->file,
			 "bitmaps of %" PRIu32 " blocks; there should be two of equal"
			 " size",
			 h->bitmap_blocks);
		return -EINVAL;
	}
	if (kd->max_mapnr > half * 8 || kd->max_mapnr > MAX_MAPNR) {
		uint64_t max = half * 8 < MAX_MAPNR ? half * 8 : MAX_MAPNR;

		file_msg(&dump->file,
			 "max_mapnr of %" PRIu64 " pages is more than the %" PRIu64
			 " that a bitmap of %" PRIu64 " bytes can have, ignoring the rest",
			 kd->max_mapnr, max, half);
		kd->max_mapnr = max;
	}
	if (kd->descs > dump->file.size) {
		file_msg(&dump->file,
			 "bitmaps of %" PRIu64 " bytes at offset %" PRIu64
			 " pass the end of the file (%" PRIu64 " bytes)",
			 bitmaps, kd->bitmap1, dump->file.size);
		dump->info.truncated = true;
	}
	dump->info.max_paddr = kd->max_mapnr << DUMP_PAGE_SHIFT;
	return 0;
}

static unsigned int bits_count(const uint8_t *p, size_t bytes)
{
	unsigned int n = 0;
	uint64_t word;

	for (size_t i = 0; i + 8 <= bytes; i += 8) {
		memcpy(&word, p + i, 8);
		n += (unsigned int)__builtin_popcountll(word);
	}
	return n;
}

/* Group @i of bitmap2, in place until the next cached read, or copied to @buf. NULL: unreadable. */
static const uint8_t *group_get(struct dump *dump, uint64_t i, uint8_t *buf)
{
	uint64_t off = dump->kdump->bitmap2 + i * GROUP_SIZE;
	const uint8_t *p;
	size_t len;

	p = file_peek(&dump->file, off, &len);
	if (p && len >= GROUP_SIZE)
		return p;
	return file_read(&dump->file, off, buf, GROUP_SIZE) < 0 ? NULL : buf;
}

/* Counts up to the start of group @i. */
static int rank_extend(struct dump *dump, uint64_t i)
{
	struct dump_kdump *kd = dump->kdump;
	uint8_t buf[GROUP_SIZE];

	while (kd->n_rank <= i) {
		const uint8_t *group;

		if (kd->n_rank == kd->cap_rank) {
			size_t cap = kd->cap_rank ? kd->cap_rank * 2 : 64;
			uint64_t *rank = reallocarray(kd->rank, cap, sizeof(*rank));

			if (!rank)
				return -ENOMEM;
			kd->rank = rank;
			kd->cap_rank = cap;
		}
		if (!kd->n_rank) {
			kd->rank[kd->n_rank++] = 0;
			continue;
		}
		group = group_get(dump, kd->n_rank - 1, buf);
		if (!group)
			return -EIO;
		kd->rank[kd->n_rank] = kd->rank[kd->n_rank - 1] + bits_count(group, GROUP_SIZE);
		kd->n_rank++;
	}
	return 0;
}

/* The number of the page's descriptor; -ENODATA when it was not dumped. */
static int page_rank(struct dump *dump, uint64_t pfn, uint64_t *ret_rank)
{
	uint8_t buf[GROUP_SIZE];
	const uint8_t *group;
	size_t bit = pfn % GROUP_BITS, words = bit / 64;
	uint64_t word;
	int r;

	if (pfn >= dump->kdump->max_mapnr)
		return -ENODATA;
	group = group_get(dump, pfn / GROUP_BITS, buf);
	if (!group)
		return -EIO;
	if (!(group[bit / 8] >> bit % 8 & 1))
		return -ENODATA;
	if (dump->kdump->n_rank <= pfn / GROUP_BITS) {
		r = rank_extend(dump, pfn / GROUP_BITS);
		if (r < 0)
			return r;
		group = group_get(dump, pfn / GROUP_BITS, buf);
		if (!group)
			return -EIO;
	}
	memcpy(&word, group + words * 8, 8);
	word &= (1ULL << bit % 64) - 1;
	*ret_rank = dump->kdump->rank[pfn / GROUP_BITS] + bits_count(group, words * 8) +
		    (unsigned int)__builtin_popcountll(word);
	return 0;
}

static int desc_read(struct dump *dump, uint64_t rank, struct page_desc *ret_desc)
{
	uint8_t raw[DESC_SIZE];
	struct cursor c = cursor_make(raw, sizeof(raw));
	int r;

	r = file_read_cached(&dump->file, dump->kdump->descs + rank * DESC_SIZE, raw, sizeof(raw));
	if (r < 0)
		return r;
	ret_desc->off = cursor_u64(&c);
	ret_desc->size = cursor_u32(&c);
	ret_desc->flags = cursor_u32(&c);
	return 0;
}

/*
 * Whether the file ends before the descriptors or before the last page's data. Pages of zeros share
 * the data of the first, so that the last descriptor alone does not tell.
 */
static int end_check(struct dump *dump)
{
	struct dump_kdump *kd = dump->kdump;
	uint64_t groups = (kd->max_mapnr + GROUP_BITS - 1) / GROUP_BITS, n, end;
	struct page_desc desc;
	int r;

	if (dump->info.truncated || kd->max_mapnr > CHECK_MAX_MAPNR)
		return 0;
	r = rank_extend(dump, groups);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	n = kd->rank[groups];
	if (kd->descs + n * DESC_SIZE > dump->file.size) {
		file_msg(&dump->file,
			 "%" PRIu64 " page descriptors at offset %" PRIu64
			 " pass the end of the file (%" PRIu64 " bytes)",
			 n, kd->descs, dump->file.size);
		dump->info.truncated = true;
		return 0;
	}
	for (uint64_t i = n > CHECK_DESCS ? n - CHECK_DESCS : 0; i < n; i++) {
		if (desc_read(dump, i, &desc) < 0 ||
		    __builtin_add_overflow(desc.off, desc.size, &end) || end > dump->file.size) {
			file_msg(&dump->file,
				 "page descriptor %" PRIu64 " of %" PRIu64
				 ": its data pass the end of the file (%" PRIu64 " bytes)",
				 i, n, dump->file.size);
			dump->info.truncated = true;
			return 0;
		}
	}
	return 0;
}

static int page_read(struct dump *dump, uint64_t pa, void *buf)
{
	struct dump_kdump *kd = dump->kdump;
	struct page_desc desc;
	unsigned int method;
	uint64_t rank;
	int r;

	r = page_rank(dump, pa >> DUMP_PAGE_SHIFT, &rank);
	if (r < 0)
		return r;
	r = desc_read(dump, rank, &desc);
	if (r < 0)
		return r;
	/* Offset 0: makedumpfile had no space left to write the page. */
	if (!desc.off || !desc.size || desc.size > DUMP_PAGE_SIZE)
		return -EIO;
	method = desc.flags & COMPRESSION_MASK;
	if (method == COMPRESSION_NONE)
		return desc.size == DUMP_PAGE_SIZE
			       ? file_read(&dump->file, desc.off, buf, DUMP_PAGE_SIZE)
			       : -EIO;
	r = file_read(&dump->file, desc.off, kd->scratch, desc.size);
	if (r < 0)
		return r;
	return decompress_page(&kd->decompress, method, kd->scratch, desc.size, buf,
			       DUMP_PAGE_SIZE);
}

static int kdump_page(struct dump *dump, uint64_t pa, void *buf)
{
	int r = page_read(dump, pa, buf);

	return r == 0 || r == -ENODATA ? r : -EIO;
}

/* Runs of set bits in bitmap1. An unreadable rest counts as not there. */
static int kdump_ranges(struct dump *dump)
{
	struct dump_kdump *kd = dump->kdump;
	uint64_t pfn = 0, start = 0, word;
	bool in_range = false;
	int r;

	while (pfn < kd->max_mapnr) {
		uint64_t left = kd->max_mapnr - pfn, n = left < 64 ? left : 64;

		if (file_read_cached(&dump->file, kd->bitmap1 + pfn / 8, &word, sizeof(word)) < 0)
			break;
		if (word == (in_range ? UINT64_MAX : 0)) {
			pfn += n;
			continue;
		}
		for (uint64_t i = 0; i < n; i++) {
			bool set = word >> i & 1;

			if (set == in_range)
				continue;
			in_range = set;
			if (set) {
				start = pfn + i;
				continue;
			}
			r = dump_range_add(dump, start << DUMP_PAGE_SHIFT,
					   (pfn + i) << DUMP_PAGE_SHIFT);
			if (r < 0)
				return r;
		}
		pfn += n;
	}
	return in_range ? dump_range_add(dump, start << DUMP_PAGE_SHIFT, pfn << DUMP_PAGE_SHIFT)
			: 0;
}

static const struct dump_ops kdump_ops = {
	.page = kdump_page,
	.ranges = kdump_ranges,
};

int kdump_open(struct dump *dump)
{
	struct kdump_sub_header sub;
	struct kdump_header h;
	int r;

	dump->info.format = DUMP_KDUMP;
	dump->ops = &kdump_ops;
	dump->kdump = calloc(1, sizeof(*dump->kdump));
	if (!dump->kdump)
		return -ENOMEM;
	r = header_read(dump, &h);
	if (r < 0)
		return r;
	r = sub_header_read(dump, &h, &sub);
	if (r < 0)
		return r;
	dump->info.incomplete = h.status & STATUS_INCOMPLETE;
	if (dump->info.incomplete)
		file_msg(&dump->file, "makedumpfile ran out of space; the dump is incomplete");
	dump->info.compression = h.status & COMPRESSION_MASK;
	r = layout_set(dump, &h, &sub);
	if (r < 0)
		return r;
	r = end_check(dump);
	if (r < 0)
		return r;
	r = vmcoreinfo_read(dump, sub.vmcoreinfo, sub.vmcoreinfo_size);
	if (r < 0)
		return r;
	if (sub.note_size) {
		r = notes_read(dump, sub.note, sub.note_size);
		if (r < 0)
			return r;
	}
	/* QEMU, which fills in no release, leaves 0 here when it has no VMCOREINFO. */
	if (!dump->info.has_phys_base && (sub.phys_base || dump->info.release[0])) {
		dump->info.has_phys_base = true;
		dump->info.phys_base = sub.phys_base;
	}
	return 0;
}
