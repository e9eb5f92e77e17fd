// SPDX-License-Identifier: GPL-2.0-or-later
/* The flattened form's records, and the extent map under them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dump/extents.h"
#include "dump_fixture.h"

#define PAGE 4096

static void check_pages(struct dump *dump, const struct fixture *f)
{
	for (size_t i = 0; i < f->n_pages; i++) {
		uint8_t want[PAGE], got[PAGE];

		if (f->pages[i].kind == PAGE_EXCLUDED)
			continue;
		fixture_page_fill(&f->pages[i], want);
		assert_int_equal(dump_read(dump, f->pages[i].pfn * PAGE, got, PAGE), 0);
		assert_memory_equal(got, want, PAGE);
	}
}

static void test_record_sizes(void **state)
{
	static const size_t sizes[] = { 13, 496, 512, 4096, 16368, 1 << 20 };

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fixture f = fixture_default();
		struct buf image, file;
		struct dump *dump;
		struct msgs msgs;

		fixture_kdump(&f, &image);
		fixture_flatten(&image, sizes[i / 2], i % 2, &file);
		msgs_init(&msgs);
		assert_int_equal(fixture_open(&file, file.n, &msgs, &dump), 0);
		assert_int_equal(msgs.n, 0);
		assert_true(dump_info(dump)->flattened);
		assert_false(dump_info(dump)->truncated);
		assert_int_equal(dump_info(dump)->n_cpus, 3);
		check_pages(dump, &f);
		dump_free(dump);
		msgs_done(&msgs);
		buf_done(&file);
		buf_done(&image);
		fixture_done(&f);
	}
}

/* makedumpfile writes its header first as a draft, and again at the end. */
static void test_later_record_wins(void **state)
{
	struct fixture f = fixture_default();
	struct buf image, file = { 0 };
	uint8_t draft[PAGE + 500];
	struct dump *dump;
	struct msgs msgs;

	memset(draft, 0xee, sizeof(draft));
	fixture_kdump(&f, &image);
	flat_header_put(&file, 1);
	flat_record_put(&file, 0, draft, sizeof(draft));
	flat_record_put(&file, 10, image.p + 10, image.n - 10);
	flat_record_put(&file, 0, "garbage", 7);
	flat_record_put(&file, 0, image.p, 300);
	flat_record_put(&file, 77, draft, 0);
	flat_end_put(&file);
	/* What follows the end mark is not read. */
	flat_record_put(&file, 0, draft, sizeof(draft));
	msgs_init(&msgs);
	assert_int_equal(fixture_open(&file, file.n, &msgs, &dump), 0);
	assert_int_equal(msgs.n, 0);
	check_pages(dump, &f);
	dump_free(dump);
	msgs_done(&msgs);
	buf_done(&file);
	buf_done(&image);
	fixture_done(&f);
}

/* What no record wrote would be a hole of zeros in a file that had been seeked in. */
static void test_holes(void **state)
{
	struct fixture f = fixture_default();
	struct buf image, file = { 0 };
	struct dump *dump;
	struct msgs msgs;
	uint64_t byte;

	f.compression = FIXTURE_RAW;
	fixture_kdump(&f, &image);
	flat_header_put(&file, 1);
	/* All but the last 100 bytes of page 8192's data and the first 100 of page 20000's. */
	flat_record_put(&file, 0, image.p, image.n - PAGE - 100);
	flat_record_put(&file, image.n - PAGE + 100, image.p + image.n - PAGE + 100, PAGE - 100);
	for (int whole = 0; whole < 2; whole++) {
		if (whole)
			flat_end_put(&file);
		msgs_init(&msgs);
		assert_int_equal(fixture_open(&file, file.n, &msgs, &dump), 0);
		assert_int_equal(dump_info(dump)->truncated, !whole);
		assert_int_equal(msgs_have(&msgs, "no end mark"), !whole);
		byte = 1;
		assert_int_equal(dump_read(dump, 20000ULL * PAGE + 8, &byte, 8), whole ? 0 : -EIO);
		assert_int_equal(byte, whole ? 0 : 1);
		assert_int_equal(dump_read(dump, 4096ULL * PAGE, &byte, 8), 0);
		dump_free(dump);
		msgs_done(&msgs);
	}
	buf_done(&file);
	buf_done(&image);
	fixture_done(&f);
}

static int open_flat(const struct buf *file, const char *message)
{
	struct dump *dump;
	struct msgs msgs;
	int r;

	msgs_init(&msgs);
	r = fixture_open(file, file->n, &msgs, &dump);
	if (!msgs_have(&msgs, message)) {
		for (size_t i = 0; i < msgs.n; i++)
			print_error("got: %s\n", msgs.lines[i]);
		fail_msg("no message says: %s", message);
	}
	dump_free(dump);
	msgs_done(&msgs);
	return r;
}

static void test_bad_records(void **state)
{
	struct buf file = { 0 };

	flat_header_put(&file, 1);
	assert_int_equal(open_flat(&file, "record 0 at offset 4096 passes the end"), -EINVAL);
	flat_end_put(&file);
	assert_int_equal(open_flat(&file, "is empty"), -EINVAL);
	buf_done(&file);

	flat_header_put(&file, 2);
	flat_end_put(&file);
	assert_int_equal(open_flat(&file, "flattened form of unknown type 2"), -ENOTSUP);
	file.n = 100;
	assert_int_equal(open_flat(&file, "is cut off inside the flattened form's header"),
			 -EINVAL);
	buf_done(&file);

	flat_header_put(&file, 1);
	flat_record_put(&file, 0, "not a dump", 10);
	flat_end_put(&file);
	assert_int_equal(open_flat(&file, "is not a memory dump"), -EINVAL);
	/* A size of 2^63, big-endian, where the 10 was. */
	file.p[4096 + 8] = 0x80;
	assert_int_equal(open_flat(&file, "are absurd"), -EINVAL);
	/* An offset whose end overflows. */
	file.p[4096 + 8] = 0;
	memset(file.p + 4096, 0xff, 8);
	file.p[4096] = 0x7f;
	assert_int_equal(open_flat(&file, "are absurd"), -EINVAL);
	/* More bytes than the file has. */
	memset(file.p + 4096, 0, 8);
	file.p[4096 + 12] = 0x7f;
	assert_int_equal(open_flat(&file, "bytes pass the end of the file"), -EINVAL);
	buf_done(&file);
}

/* Random extents against a plain array of bytes. */
static void test_extents_against_array(void **state)
{
	enum { SPACE = 200 };
	uint32_t x = 12345;

	for (int round = 0; round < 3000; round++) {
		uint64_t want[SPACE] = { 0 }; /* file offset of each byte, 0 none */
		struct extents map = { 0 };
		uint64_t off = 1, covered = 0;
		unsigned int n;

		x = x * 1664525 + 1013904223;
		n = (x >> 20) % 12;
		for (unsigned int i = 0; i < n; i++) {
			uint64_t start, size;

			x = x * 1664525 + 1013904223;
			start = (x >> 8) % (SPACE - 60);
			size = (x >> 20) % 60;
			assert_int_equal(extents_add(&map, start, size, off), size ? 0 : -EINVAL);
			for (uint64_t j = 0; j < size; j++)
				want[start + j] = off + j;
			/* Sometimes the file goes on where the memory goes on, too. */
			off += size + (x >> 30);
		}
		assert_int_equal(extents_settle(&map), 0);
		for (size_t i = 0; i < map.n; i++) {
			covered += map.v[i].size;
			if (i)
				assert_true(map.v[i - 1].start + map.v[i - 1].size <=
					    map.v[i].start);
		}
		for (uint64_t at = 0; at < SPACE; at++) {
			const struct extent *e = extents_find(&map, at);
			uint64_t got = e && e->start <= at ? e->off + (at - e->start) : 0;

			assert_int_equal(got, want[at]);
			covered -= want[at] != 0;
		}
		assert_int_equal(covered, 0);
		extents_done(&map);
	}
}

static void test_extents_limits(void **state)
{
	struct extents map = { 0 };

	assert_int_equal(extents_add(&map, UINT64_MAX, 1, 0), -EINVAL);
	assert_int_equal(extents_add(&map, 0, 2, UINT64_MAX - 1), -EINVAL);
	assert_int_equal(extents_add(&map, UINT64_MAX - 5, 5, 9), 0);
	assert_int_equal(extents_settle(&map), 0);
	assert_null(extents_find(&map, UINT64_MAX));
	assert_non_null(extents_find(&map, UINT64_MAX - 1));
	extents_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_sizes),
		cmocka_unit_test(test_later_record_wins),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_extents_against_array),
		cmocka_unit_test(test_extents_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
