// SPDX-License-Identifier: GPL-2.0-or-later
#include "dump/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump/internal.h"
#include "util/msgs.h"

/*
 * Pages already read: CACHE_PAGES slots found through a hash of the page number, reused by the
 * clock: a slot that was used since the hand last passed gets another round.
 */
#define CACHE_PAGES 2048
#define CACHE_HASH 4096
#define CACHE_NONE UINT16_MAX

/* Past this many, the last range swallows the rest, gaps and all. */
#define MAX_RANGES (1U << 16)

struct cache_slot {
	uint8_t *data; /* a page; stays with the slot once it is there */
	uint64_t pfn;
	uint16_t next; /* in the hash chain, or CACHE_NONE */
	bool used;     /* since the hand passed */
};

struct page_cache {
	uint16_t heads[CACHE_HASH];
	struct cache_slot slots[CACHE_PAGES];
	size_t n; /* slots filled so far */
	size_t hand;
	uint16_t last; /* slot of the last hit */
};

static size_t cache_hash(uint64_t pfn)
{
	return (pfn * 0x9e3779b97f4a7c15ULL) >> 52;
}

_Static_assert(CACHE_HASH == 1 << (64 - 52), "cache_hash() gives 12 bits");

static struct page_cache *cache_new(void)
{
	struct page_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	memset(cache->heads, 0xff, sizeof(cache->heads));
	return cache;
}

static void cache_free(struct page_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < CACHE_PAGES; i++)
		free(cache->slots[i].data);
	free(cache);
}

static uint8_t *cache_find(struct page_cache *cache, uint64_t pfn)
{
	uint16_t i = cache->last;

	if (i >= cache->n || cache->slots[i].pfn != pfn) {
		i = cache->heads[cache_hash(pfn)];
		while (i != CACHE_NONE && cache->slots[i].pfn != pfn)
			i = cache->slots[i].next;
		if (i == CACHE_NONE)
			return NULL;
		cache->last = i;
	}
	cache->slots[i].used = true;
	return cache->slots[i].data;
}

static void cache_unlink(struct page_cache *cache, uint16_t i)
{
	uint16_t *p = &cache->heads[cache_hash(cache->slots[i].pfn)];

	while (*p != CACHE_NONE && *p != i)
		p = &cache->slots[*p].next;
	if (*p == i)
		*p = cache->slots[i].next;
	/* No page has this number, so the slot is found no more until it is filled. */
	cache->slots[i].pfn = UINT64_MAX;
}

static uint16_t cache_victim(struct page_cache *cache)
{
	uint16_t i;

	if (cache->n < CACHE_PAGES)
		return (uint16_t)cache->n++;
	while (cache->slots[cache->hand].used) {
		cache->slots[cache->hand].used = false;
		cache->hand = (cache->hand + 1) % CACHE_PAGES;
	}
	i = (uint16_t)cache->hand;
	cache->hand = (cache->hand + 1) % CACHE_PAGES;
	cache_unlink(cache, i);
	return i;
}

/* Reads the page into a slot; NULL, with *ret_error set, leaves an empty slot at the hand. */
static uint8_t *cache_fill(struct dump *dump, uint64_t pfn, int *ret_error)
{
	struct page_cache *cache = dump->cache;
	uint16_t i = cache_victim(cache);
	struct cache_slot *slot = &cache->slots[i];
	int r = -ENOMEM;

	if (!slot->data)
		slot->data = malloc(DUMP_PAGE_SIZE);
	if (slot->data)
		r = dump->ops->page(dump, pfn << DUMP_PAGE_SHIFT, slot->data);
	if (r < 0) {
		slot->pfn = UINT64_MAX;
		slot->used = false;
		if (i + 1U == cache->n)
			cache->n--;
		else
			cache->hand = i;
		*ret_error = r;
		return NULL;
	}
	dump->info.pages_read++;
	slot->pfn = pfn;
	slot->used = true;
	slot->next = cache->heads[cache_hash(pfn)];
	cache->heads[cache_hash(pfn)] = i;
	cache->last = i;
	return slot->data;
}

const void *dump_page(struct dump *dump, uint64_t pa)
{
	uint64_t pfn = pa >> DUMP_PAGE_SHIFT;
	uint8_t *page = cache_find(dump->cache, pfn);
	int r;

	return page ? page : cache_fill(dump, pfn, &r);
}

/* Bytes within one page. */
static int piece_read(struct dump *dump, uint64_t pa, void *buf, size_t len)
{
	uint64_t pfn = pa >> DUMP_PAGE_SHIFT;
	uint8_t *page = cache_find(dump->cache, pfn);
	int r = 0;

	if (!page && len == DUMP_PAGE_SIZE) {
		r = dump->ops->page(dump, pa, buf);
		dump->info.pages_read += r == 0;
		return r;
	}
	if (!page)
		page = cache_fill(dump, pfn, &r);
	if (page) {
		memcpy(buf, page + pa % DUMP_PAGE_SIZE, len);
		return 0;
	}
	/* An ELF segment may begin or end inside a page. */
	return dump->ops->span ? dump->ops->span(dump, pa, buf, len) : r;
}

int dump_read(struct dump *dump, uint64_t pa, void *buf, size_t len)
{
	uint8_t *p = buf;
	uint64_t end;

	if (__builtin_add_overflow(pa, len, &end))
		return -ENODATA;
	if (dump->ops->span && len >= DUMP_PAGE_SIZE) {
		int r = dump->ops->span(dump, pa, buf, len);

		if (r == 0)
			dump->info.pages_read += len / DUMP_PAGE_SIZE;
		return r;
	}
	while (len) {
		size_t left = DUMP_PAGE_SIZE - pa % DUMP_PAGE_SIZE, n = left < len ? left : len;
		int r = piece_read(dump, pa, p, n);

		if (r < 0)
			return r;
		p += n;
		pa += n;
		len -= n;
	}
	return 0;
}

int dump_range_add(struct dump *dump, uint64_t start, uint64_t end)
{
	struct dump_range *last = dump->n_ranges ? &dump->ranges[dump->n_ranges - 1] : NULL;

	if (start == end)
		return 0;
	if (last &&
	    (last->end == start || (dump->n_ranges == MAX_RANGES && start >= last->start))) {
		last->end = end > last->end ? end : last->end;
		return 0;
	}
	if (dump->n_ranges == MAX_RANGES)
		return 0;
	if (dump->n_ranges == dump->cap_ranges) {
		size_t cap = dump->cap_ranges ? dump->cap_ranges * 2 : 16;
		struct dump_range *ranges = reallocarray(dump->ranges, cap, sizeof(*ranges));

		if (!ranges)
			return -ENOMEM;
		dump->ranges = ranges;
		dump->cap_ranges = cap;
	}
	dump->ranges[dump->n_ranges++] = (struct dump_range){ start, end };
	return 0;
}

size_t dump_ranges(struct dump *dump, const struct dump_range **ret_ranges)
{
	if (!dump->ranges_ready && dump->ops->ranges)
		(void)dump->ops->ranges(dump);
	dump->ranges_ready = true;
	*ret_ranges = dump->ranges;
	return dump->n_ranges;
}

const struct dump_info *dump_info(const struct dump *dump)
{
	return &dump->info;
}

/* What people hand over in place of a dump; the size is that of the magic, not of a string. */
static const struct known_magic {
	uint8_t size;
	const char *magic;
	const char *what;
} known_magics[] = {
	{ 8, "DISKDUMP", "the diskdump format of the 2.6 kernels, which is not read" },
	{ 4, "QEVM", "a QEMU migration or savevm file, not a dump" },
	{ 8, "PAGEDU64", "a Windows crash dump" },
	{ 4, "EMiL", "the LiME format, which is not read" },
	{ 2, "\x1f\x8b", "compressed by gzip; decompress it first" },
	{ 6,
	  "\xfd"
	  "7zXZ\0",
	  "compressed by xz; decompress it first" },
	{ 4, "\x28\xb5\x2f\xfd", "compressed by zstd; decompress it first" },
	{ 3, "BZh", "compressed by bzip2; decompress it first" },
};

static int format_open(struct dump *dump)
{
	char magic[8] = "";
	size_t len = dump->file.size < sizeof(magic) ? dump->file.size : sizeof(magic);
	int r;

	if (!len) {
		file_msg(&dump->file, "is empty");
		return -EINVAL;
	}
	r = file_read(&dump->file, 0, magic, len);
	if (r < 0 && dump->info.truncated) {
		file_msg(&dump->file, "is cut off: none of its records holds the dump's header");
		return -EINVAL;
	}
	if (r < 0) {
		file_msg(&dump->file, "its first %zu bytes cannot be read: %s", len, strerror(-r));
		return r;
	}
	if (len >= 4 && memcmp(magic, "\177ELF", 4) == 0)
		return elfcore_open(dump);
	if (len == 8 && memcmp(magic, "KDUMP   ", 8) == 0)
		return kdump_open(dump);
	for (size_t i = 0; i < sizeof(known_magics) / sizeof(known_magics[0]); i++) {
		const struct known_magic *known = &known_magics[i];

		if (len >= known->size && memcmp(magic, known->magic, known->size) == 0) {
			file_msg(&dump->file, "is %s", known->what);
			return -ENOTSUP;
		}
	}
	file_msg(&dump->file,
		 "is not a memory dump: it begins neither with \\177ELF nor with"
		 " \"KDUMP   \"%s",
		 dump->file.flattened ? " once unflattened" : "");
	return -EINVAL;
}

static const char *format_name(const struct dump_info *info)
{
	static const struct {
		unsigned int compression;
		const char *plain, *flat;
	} kdump_names[] = {
		{ COMPRESSION_NONE, "kdump-compressed (uncompressed)",
		  "kdump-compressed (uncompressed), flattened" },
		{ COMPRESSION_ZLIB, "kdump-compressed (zlib)",
		  "kdump-compressed (zlib), flattened" },
		{ COMPRESSION_LZO, "kdump-compressed (lzo)", "kdump-compressed (lzo), flattened" },
		{ COMPRESSION_SNAPPY, "kdump-compressed (snappy)",
		  "kdump-compressed (snappy), flattened" },
		{ COMPRESSION_ZSTD, "kdump-compressed (zstd)",
		  "kdump-compressed (zstd), flattened" },
	};

	if (info->format == DUMP_ELF)
		return info->flattened ? "ELF core, flattened" : "ELF core";
	for (size_t i = 0; i < sizeof(kdump_names) / sizeof(kdump_names[0]); i++) {
		if (kdump_names[i].compression == info->compression)
			return info->flattened ? kdump_names[i].flat : kdump_names[i].plain;
	}
	return info->flattened ? "kdump-compressed, flattened" : "kdump-compressed";
}

static int dump_init(struct dump *dump, struct msgs *msgs, const char *path)
{
	int r;

	dump->file.fd = -1;
	dump->path = strdup(path);
	dump->cache = cache_new();
	if (!dump->path || !dump->cache)
		return -ENOMEM;
	r = file_init(&dump->file, msgs, dump->path);
	if (r < 0)
		return r;
	r = flattened_open(&dump->file);
	if (r < 0)
		return r;
	dump->info.flattened = dump->file.flattened;
	dump->info.truncated = dump->file.flattened && !dump->file.flat_whole;
	r = format_open(dump);
	if (r < 0)
		return r;
	dump->info.format_name = format_name(&dump->info);
	return 0;
}

int dump_open(struct msgs *msgs, const char *path, struct dump **ret_dump)
{
	struct dump *dump = calloc(1, sizeof(*dump));
	int r;

	r = dump ? dump_init(dump, msgs, path) : -ENOMEM;
	if (r < 0) {
		if (r == -ENOMEM)
			msgs_add(msgs, "%s: out of memory", path);
		dump_free(dump);
		return r;
	}
	/* The chain is the caller's, and may be gone before the dump. */
	dump->file.msgs = NULL;
	*ret_dump = dump;
	return 0;
}

void dump_free(struct dump *dump)
{
	if (!dump)
		return;
	if (dump->kdump) {
		decompress_done(&dump->kdump->decompress);
		free(dump->kdump->rank);
		free(dump->kdump);
	}
	file_done(&dump->file);
	extents_done(&dump->memory);
	cache_free(dump->cache);
	free(dump->ranges);
	free(dump->cpus);
	free(dump->vmcoreinfo);
	free(dump->path);
	free(dump);
}
