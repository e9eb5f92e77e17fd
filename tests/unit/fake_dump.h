/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_DUMP_H
#define HOLDUP_TESTS_FAKE_DUMP_H

/*
 * A dump in memory, in place of the library's: a test that includes this file gets its own
 * dump_read() and the rest, so the linker takes nothing of analyze/dump/. Pages exist once
 * something is written to them; all others are missing (-ENODATA).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/dump.h"

#define FAKE_PAGE 4096ULL

struct fake_page {
	struct fake_page *next;
	uint64_t pa;
	uint8_t data[FAKE_PAGE];
};

struct dump {
	struct fake_page *pages;
	struct dump_info info;
	struct dump_range range;
	struct dump_cpu cpus[4];
	uint64_t reads; /* calls of dump_read() */
};

static struct fake_page *fake_page(struct dump *dump, uint64_t pa)
{
	for (struct fake_page *page = dump->pages; page; page = page->next)
		if (page->pa == (pa & ~(FAKE_PAGE - 1)))
			return page;
	return NULL;
}

static inline void fake_write(struct dump *dump, uint64_t pa, const void *data, size_t len)
{
	while (len) {
		struct fake_page *page = fake_page(dump, pa);
		size_t run = FAKE_PAGE - (pa & (FAKE_PAGE - 1));

		if (!page) {
			page = calloc(1, sizeof(*page));
			if (!page)
				abort();
			page->pa = pa & ~(FAKE_PAGE - 1);
			page->next = dump->pages;
			dump->pages = page;
		}
		if (run > len)
			run = len;
		memcpy(page->data + (pa & (FAKE_PAGE - 1)), data, run);
		if (dump->info.max_paddr < page->pa + FAKE_PAGE)
			dump->info.max_paddr = page->pa + FAKE_PAGE;
		dump->range.end = dump->info.max_paddr;
		pa += run;
		data = (const char *)data + run;
		len -= run;
	}
}

static inline void fake_write_u64(struct dump *dump, uint64_t pa, uint64_t value)
{
	fake_write(dump, pa, &value, sizeof(value));
}

static inline void fake_remove(struct dump *dump, uint64_t pa)
{
	for (struct fake_page **p = &dump->pages; *p; p = &(*p)->next) {
		if ((*p)->pa == pa) {
			struct fake_page *page = *p;

			*p = page->next;
			free(page);
			return;
		}
	}
}

static inline void fake_done(struct dump *dump)
{
	while (dump->pages) {
		struct fake_page *page = dump->pages;

		dump->pages = page->next;
		free(page);
	}
	memset(dump, 0, sizeof(*dump));
}

int dump_read(struct dump *dump, uint64_t pa, void *buf, size_t len)
{
	dump->reads++;
	while (len) {
		struct fake_page *page = fake_page(dump, pa);
		size_t run = FAKE_PAGE - (pa & (FAKE_PAGE - 1));

		if (!page)
			return -ENODATA;
		if (run > len)
			run = len;
		memcpy(buf, page->data + (pa & (FAKE_PAGE - 1)), run);
		pa += run;
		buf = (char *)buf + run;
		len -= run;
	}
	return 0;
}

const void *dump_page(struct dump *dump, uint64_t pa)
{
	struct fake_page *page = fake_page(dump, pa);

	return page ? page->data : NULL;
}

const struct dump_info *dump_info(const struct dump *dump)
{
	return &dump->info;
}

size_t dump_ranges(struct dump *dump, const struct dump_range **ret_ranges)
{
	*ret_ranges = &dump->range;
	return 1;
}

int dump_open(struct msgs *msgs, const char *path, struct dump **ret_dump)
{
	return -ENOSYS;
}

void dump_free(struct dump *dump)
{
}

#endif
