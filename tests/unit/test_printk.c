// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_printk.h"
#include "kernel/printk.h"

static struct msgs msgs;
static struct arena arena;

static int setup(void **state)
{
	msgs_init(&msgs);
	arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	msgs_done(&msgs);
	arena_done(&arena);
	return 0;
}

static int read_ring(struct fake_ring *ring, const struct printk_ring_layout *layout,
		     const char **ret_text)
{
	struct reader reader = fake_image_reader(&ring->image);
	size_t size = 0;
	int r = printk_ring_text(&reader, &msgs, &arena, layout, FAKE_PRB, ret_text, &size);

	if (r == 0)
		assert_int_equal(size, strlen(*ret_text));
	return r;
}

static void expect_ring(struct fake_ring *ring, const char *expected)
{
	const char *text;

	assert_int_equal(read_ring(ring, &fake_ring_layout, &text), 0);
	assert_string_equal(text, expected);
}

static void test_lines(void **state)
{
	struct fake_ring ring = fake_ring_make(5, 12);

	expect_ring(&ring, "");
	fake_ring_say(&ring, 0, "Linux version 6.1.0");
	fake_ring_say(&ring, 1234567899, "two\nlines");
	fake_ring_say(&ring, 123456000000000, "late");
	fake_ring_say(&ring, 5000000000, "");
	fake_ring_say(&ring, 5000001000, "ends in newline\n");
	fake_ring_say(&ring, 5000002000, "bell \a, tab \t, delete \x7f, \xc3\xa9");
	expect_ring(&ring, "[    0.000000] Linux version 6.1.0\n"
			   "[    1.234567] two\n"
			   "[    1.234567] lines\n"
			   "[123456.000000] late\n"
			   "[    5.000000] \n"
			   "[    5.000001] ends in newline\n"
			   "[    5.000002] bell \\x07, tab \t, delete \\x7f, \xc3\xa9\n");
	assert_int_equal(msgs.n, 0);
	free(ring.image.data);
}

static void test_callers(void **state)
{
	struct printk_ring_layout layout = fake_ring_layout;
	struct fake_ring ring = fake_ring_make(5, 12);
	const char *text;

	layout.show_caller = true;
	fake_ring_add(&ring, 1000, 123, "task", 4, FAKE_FINALIZED);
	fake_ring_add(&ring, 2000, 0x80000003, "cpu", 3, FAKE_COMMITTED);
	assert_int_equal(read_ring(&ring, &layout, &text), 0);
	assert_string_equal(text, "[    0.000001][  T123] task\n[    0.000002][    C3] cpu\n");
	free(ring.image.data);
}

/* Only records that are whole count: writers may have been stopped at any point. */
static void test_states(void **state)
{
	struct fake_ring ring = fake_ring_make(5, 12);

	fake_ring_add(&ring, 0, 0, "reusable", 8, FAKE_REUSABLE);
	fake_ring_add(&ring, 0, 0, "final", 5, FAKE_FINALIZED);
	fake_ring_add(&ring, 0, 0, "reserved", 8, FAKE_RESERVED);
	fake_ring_add(&ring, 0, 0, NULL, 0, FAKE_FINALIZED);
	fake_ring_add(&ring, 0, 0, "committed", 9, FAKE_COMMITTED);
	/* Longer than its block: the record was cut when it was stored. */
	fake_ring_add(&ring, 0, 0, "12345678", 500, FAKE_FINALIZED);
	fake_ring_add(&ring, 0, 0, NULL, 7, FAKE_FINALIZED);
	expect_ring(&ring, "[    0.000000] final\n"
			   "[    0.000000] \n"
			   "[    0.000000] committed\n"
			   "[    0.000000] 12345678\n"
			   "[    0.000000] \n");
	assert_int_equal(msgs.n, 0);
	free(ring.image.data);
}

/* Many turns of both rings; the last ones must all be there, blocks at the seam too. */
static void test_wrapped(void **state)
{
	struct fake_ring ring = fake_ring_make(4, 10);
	char expected[4096];

	for (uint32_t i = 0; i < 1000; i++) {
		char text[64];
		size_t used = 0;

		snprintf(text, sizeof(text), "record %u %.*s", i, (int)(i * 7 % 40),
			 "........................................");
		fake_ring_say(&ring, i * 1000000ULL, text);
		expected[0] = 0;
		for (uint32_t k = i < 16 ? 0 : i - 15; k <= i; k++)
			used += (size_t)snprintf(expected + used, sizeof(expected) - used,
						 "[%5u.%06u] record %u %.*s\n", k / 1000,
						 k % 1000 * 1000, k, (int)(k * 7 % 40),
						 "........................................");
		expect_ring(&ring, expected);
	}
	assert_int_equal(msgs.n, 0);
	free(ring.image.data);
}

/* A block that ends just where the ring ends: newer kernels let it stay there. */
static void test_block_at_the_end(void **state)
{
	struct fake_ring ring = fake_ring_make(4, 6);
	uint64_t desc;

	fake_ring_say(&ring, 0, "24 bytes of text, not +1"); /* 8 + 24 = 32 of 64 */
	fake_ring_say(&ring, 0, "0123456789abcdef");	     /* 24, at 32 */
	desc = FAKE_DESCS + (ring.head_id & 15) * fake_ring_layout.desc_size;
	fake_put64(&ring.image, desc + fake_ring_layout.desc_next, 0);
	expect_ring(&ring, "[    0.000000] 24 bytes of text, not +1\n"
			   "[    0.000000] 0123456789abcdef\n");
	free(ring.image.data);
}

static void test_overwritten_text(void **state)
{
	struct fake_ring ring = fake_ring_make(5, 12);

	fake_ring_say(&ring, 0, "first");
	fake_ring_say(&ring, 0, "second");
	fake_put64(&ring.image, FAKE_TEXT, 0x1234); /* another record's id before the text */
	expect_ring(&ring, "[    0.000000] second\n");
	assert_int_equal(msgs.n, 1);
	assert_string_equal(msgs.lines[0], "printk: 1 of 2 records cannot be read, ignoring them");
	free(ring.image.data);
}

static void test_missing_pages(void **state)
{
	struct fake_ring ring = fake_ring_make(7, 13);
	const char *text;

	for (int i = 0; i < 100; i++) {
		char line[80];

		snprintf(line, sizeof(line), "line %d with some text to fill pages ............",
			 i);
		fake_ring_say(&ring, 0, line);
	}
	ring.image.hole = FAKE_INFOS + 0x1000;
	ring.image.hole_end = FAKE_INFOS + 0x1001;
	assert_int_equal(read_ring(&ring, &fake_ring_layout, &text), 0);
	assert_non_null(strstr(text, "line 0 "));
	assert_non_null(strstr(text, "line 99 "));
	assert_int_equal(msgs.n, 1);
	/* The record that lies on the missing byte. */
	assert_string_equal(msgs.lines[0],
			    "printk: 1 of 100 records cannot be read, ignoring them");
	ring.image.hole = FAKE_PRB;
	assert_int_equal(read_ring(&ring, &fake_ring_layout, &text), -ENODATA);
	free(ring.image.data);
}

static void test_damaged_ring(void **state)
{
	struct fake_ring ring = fake_ring_make(5, 12);
	struct printk_ring_layout layout = fake_ring_layout;
	const char *text;

	fake_ring_say(&ring, 0, "x");
	fake_put64(&ring.image, FAKE_PRB + fake_ring_layout.head_id, ring.tail_id + 33);
	assert_int_equal(read_ring(&ring, &fake_ring_layout, &text), -EBADMSG);
	fake_ring_put_ids(&ring);
	fake_put32(&ring.image, FAKE_PRB + fake_ring_layout.count_bits, 40);
	assert_int_equal(read_ring(&ring, &fake_ring_layout, &text), -EBADMSG);
	fake_put32(&ring.image, FAKE_PRB + fake_ring_layout.count_bits, 5);
	fake_put32(&ring.image, FAKE_PRB + fake_ring_layout.text_size_bits, 77);
	assert_int_equal(read_ring(&ring, &fake_ring_layout, &text), -EBADMSG);
	fake_put32(&ring.image, FAKE_PRB + fake_ring_layout.text_size_bits, 12);
	layout.info_size = 18; /* its caller_id would lie outside */
	assert_int_equal(read_ring(&ring, &layout, &text), -EBADMSG);
	assert_int_equal(read_ring(&ring, &fake_ring_layout, &text), 0);
	free(ring.image.data);
}

/* --- struct printk_log --- */

#define LOG_BUF 0xffffffff82000000ULL

static const struct printk_log_layout log_layout = {
	.size = 16,
	.ts_nsec = 0,
	.len = 8,
	.text_len = 10,
};

/* Writes a record at @pos and returns the position behind it. */
static uint32_t log_put(struct fake_image *image, const struct printk_log_layout *layout,
			uint32_t pos, uint64_t ts, const char *text)
{
	uint16_t text_len = (uint16_t)strlen(text), len = (layout->size + text_len + 3u) & ~3u;

	fake_put64(image, LOG_BUF + pos + layout->ts_nsec, ts);
	fake_image_put(image, LOG_BUF + pos + layout->len, &len, 2);
	fake_image_put(image, LOG_BUF + pos + layout->text_len, &text_len, 2);
	if (layout->caller_id)
		fake_put32(image, LOG_BUF + pos + layout->caller_id, 77);
	fake_image_put(image, LOG_BUF + pos + layout->size, text, text_len);
	return pos + len;
}

static void test_log_buf(void **state)
{
	struct fake_image image = fake_image_make(LOG_BUF, 1024);
	struct reader reader = fake_image_reader(&image);
	struct printk_log_buf log = { .data = LOG_BUF, .size = 1024, .first_idx = 900 };
	struct printk_log_layout with_caller = log_layout;
	uint32_t pos = log_put(&image, &log_layout, 900, 1000000, "oldest");
	const char *text;
	size_t size;

	/* A record of length 0 is what marks the wrap. */
	assert_true(pos < 1000);
	pos = log_put(&image, &log_layout, 0, 2000000, "after\nthe wrap");
	log.next_idx = log_put(&image, &log_layout, pos, 3000000, "newest");
	assert_int_equal(printk_log_text(&reader, &msgs, &arena, &log_layout, &log, &text, &size),
			 0);
	assert_string_equal(text, "[    0.001000] oldest\n[    0.002000] after\n"
				  "[    0.002000] the wrap\n[    0.003000] newest\n");
	assert_int_equal(msgs.n, 0);

	/* A length that leads out of the buffer ends the log there. */
	memset(image.data + pos + log_layout.len, 0xff, 2);
	assert_int_equal(printk_log_text(&reader, &msgs, &arena, &log_layout, &log, &text, &size),
			 0);
	assert_null(strstr(text, "newest"));
	assert_non_null(strstr(text, "the wrap"));
	assert_int_equal(msgs.n, 1);

	/* next_idx that is never met: zero length twice. */
	memset(image.data, 0, 1024);
	log.first_idx = 0;
	log.next_idx = 500;
	assert_int_equal(printk_log_text(&reader, &msgs, &arena, &log_layout, &log, &text, &size),
			 0);
	assert_int_equal(size, 0);

	with_caller.size = 24;
	with_caller.caller_id = 16;
	log.next_idx = log_put(&image, &with_caller, 0, 1000, "hi");
	assert_int_equal(printk_log_text(&reader, &msgs, &arena, &with_caller, &log, &text, &size),
			 0);
	assert_string_equal(text, "[    0.000001][   T77] hi\n");
	log.first_idx = 1024;
	assert_int_equal(printk_log_text(&reader, &msgs, &arena, &log_layout, &log, &text, &size),
			 -EBADMSG);
	free(image.data);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_callers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_block_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overwritten_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_buf, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
