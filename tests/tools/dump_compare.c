// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dump_compare [--strict] DUMP OTHER...     pages of dumps of one crash: must be the same
 * dump_compare --crc DUMP                   "physical-address crc32" of each page, for an oracle
 *
 * Exit status: 0 the same, 1 a page differs (--strict: or only one dump has it), 2 a dump cannot be
 * read, 64 usage. Makedumpfile's ELF cores leave out pages of zeros and keep excluded ones in
 * between; so without --strict, a page that only one of the two has is counted and not a fault.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "dump/dump.h"
#include "util/msgs.h"

#define PAGE 4096
#define SHOWN 10 /* differences that are printed in full */

static struct dump *dump_open_or_exit(const char *path)
{
	struct dump *dump;
	struct msgs msgs;
	int r;

	msgs_init(&msgs);
	r = dump_open(&msgs, path, &dump);
	for (size_t i = 0; i < msgs.n; i++)
		fprintf(stderr, "%s\n", msgs.lines[i]);
	msgs_done(&msgs);
	if (r < 0)
		exit(2);
	return dump;
}

static void crc_print(const char *path)
{
	struct dump *dump = dump_open_or_exit(path);
	const struct dump_range *ranges;
	size_t n = dump_ranges(dump, &ranges);
	uint8_t page[PAGE];

	for (size_t i = 0; i < n; i++) {
		uint64_t pa = (ranges[i].start + PAGE - 1) / PAGE * PAGE;

		for (; pa + PAGE <= ranges[i].end; pa += PAGE) {
			int r = dump_read(dump, pa, page, PAGE);

			if (r == 0)
				printf("%" PRIx64 " %08lx\n", pa, crc32(0, page, PAGE));
			else if (r != -ENODATA)
				printf("%" PRIx64 " %s\n", pa, strerror(-r));
		}
	}
	dump_free(dump);
}

struct counts {
	uint64_t same, different, unreadable, only[2];
};

static void page_compare(struct dump *dumps[2], const char *names[2], uint64_t pa, struct counts *c)
{
	uint8_t pages[2][PAGE];
	int r[2];

	for (int i = 0; i < 2; i++) {
		r[i] = dump_read(dumps[i], pa, pages[i], PAGE);
		if (r[i] < 0 && r[i] != -ENODATA) {
			printf("%s: page %#" PRIx64 ": %s\n", names[i], pa, strerror(-r[i]));
			c->unreadable++;
		}
	}
	if (r[0] == 0 && r[1] == 0) {
		bool same = memcmp(pages[0], pages[1], PAGE) == 0;

		c->same += same;
		c->different += !same;
		if (!same && c->different <= SHOWN)
			printf("%s, %s: page %#" PRIx64 " differs\n", names[0], names[1], pa);
	} else {
		c->only[0] += r[0] == 0;
		c->only[1] += r[1] == 0;
	}
}

static bool dumps_compare(const char *a, const char *b, bool strict)
{
	struct dump *dumps[2] = { dump_open_or_exit(a), dump_open_or_exit(b) };
	uint64_t max[2] = { dump_info(dumps[0])->max_paddr, dump_info(dumps[1])->max_paddr };
	const char *names[2] = { a, b };
	struct counts c = { 0 };

	for (uint64_t pa = 0; pa < (max[0] > max[1] ? max[0] : max[1]); pa += PAGE)
		page_compare(dumps, names, pa, &c);
	printf("%s, %s: %" PRIu64 " pages the same, %" PRIu64 " different, %" PRIu64
	       " unreadable, %" PRIu64 " and %" PRIu64 " in one only\n",
	       a, b, c.same, c.different, c.unreadable, c.only[0], c.only[1]);
	for (int i = 0; i < 2; i++)
		dump_free(dumps[i]);
	return c.same && !c.different && !c.unreadable && !(strict && (c.only[0] || c.only[1]));
}

int main(int argc, char **argv)
{
	bool strict = argc > 1 && strcmp(argv[1], "--strict") == 0, same = true;
	int first = strict ? 2 : 1;

	if (argc == 3 && strcmp(argv[1], "--crc") == 0) {
		crc_print(argv[2]);
		return 0;
	}
	if (argc < first + 2) {
		fprintf(stderr, "usage: dump_compare [--strict] DUMP OTHER... | --crc DUMP\n");
		return 64;
	}
	for (int i = first + 1; i < argc; i++)
		same = dumps_compare(argv[first], argv[i], strict) && same;
	return same ? 0 : 1;
}
