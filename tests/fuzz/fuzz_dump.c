// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz target of analyze/dump: any bytes as a dump file. Besides not crashing, a file that is
 * refused must be told about, and what is read must not depend on the way of reading.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump/dump.h"
#include "util/msgs.h"

#define PAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_dump: %s\n", what);
	abort();
}

static void page_check(struct dump *dump, uint64_t pa)
{
	uint8_t whole[PAGE], part[PAGE];
	const void *page;
	int r;

	pa &= ~(uint64_t)(PAGE - 1);
	r = dump_read(dump, pa, whole, PAGE);
	must(r == 0 || r == -ENODATA || r == -EIO, "unknown error from dump_read()");
	page = dump_page(dump, pa);
	must((r == 0) == (page != NULL), "dump_read() and dump_page() do not agree");
	if (r == 0) {
		must(memcmp(page, whole, PAGE) == 0, "the cache holds something else");
		must(dump_read(dump, pa + 5, part, 100) == 0, "part of a page cannot be read");
		must(memcmp(part, whole + 5, 100) == 0, "part of a page is different");
	} else {
		(void)dump_read(dump, pa + PAGE - 1, part, 2);
	}
}

static void dump_check(struct dump *dump)
{
	const struct dump_info *info = dump_info(dump);
	const struct dump_range *ranges;
	size_t n = dump_ranges(dump, &ranges);

	must(info->format_name != NULL, "no format name");
	must(!info->vmcoreinfo || strlen(info->vmcoreinfo) == info->vmcoreinfo_size,
	     "VMCOREINFO is not of its size");
	for (size_t i = 0; i < n; i++) {
		must(ranges[i].start < ranges[i].end, "empty range");
		must(!i || ranges[i - 1].end < ranges[i].start, "ranges out of order");
		must(ranges[i].end <= info->max_paddr, "range past max_paddr");
		if (i < 50) {
			page_check(dump, ranges[i].start);
			page_check(dump, ranges[i].start + PAGE);
			page_check(dump, ranges[i].end - 1);
		}
	}
	for (uint64_t pa = 0; pa < 20 * PAGE; pa += PAGE)
		page_check(dump, pa);
	page_check(dump, info->max_paddr);
	page_check(dump, UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	struct dump *dump = NULL;
	struct msgs msgs;
	int r;

	if (fd < 0) {
		fd = memfd_create("vmcore", MFD_CLOEXEC);
		must(fd >= 0, "no memfd");
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "short write");
	msgs_init(&msgs);
	r = dump_open(&msgs, path, &dump);
	must((r == 0) == (dump != NULL), "error and a dump, or neither");
	must(r == 0 || msgs.n > 0, "refused without a message");
	if (dump)
		dump_check(dump);
	dump_free(dump);
	msgs_done(&msgs);
	return 0;
}
