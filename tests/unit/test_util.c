// SPDX-License-Identifier: GPL-2.0-or-later
/* analyze/util: arena, message chain, cursor. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/arena.h"
#include "util/cursor.h"
#include "util/msgs.h"

static void test_arena_alloc(void **state)
{
	struct arena arena;
	uint8_t *items[2000];
	size_t sizes[2000], total = 0;
	uint32_t x = 7;

	arena_init(&arena);
	for (size_t i = 0; i < 2000; i++) {
		x = x * 1664525 + 1013904223;
		sizes[i] = i % 100 == 0 ? 200000 : (x >> 16) % 300;
		items[i] = arena_alloc(&arena, sizes[i]);
		assert_non_null(items[i]);
		assert_int_equal((uintptr_t)items[i] % 16, 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(items[i][j], 0);
		memset(items[i], (int)i % 255 + 1, sizes[i]);
		total += sizes[i];
	}
	/* None of them lies over another. */
	for (size_t i = 0; i < 2000; i++) {
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(items[i][j], i % 255 + 1);
	}
	assert_true(arena.bytes >= total);
	arena_done(&arena);
	assert_null(arena.head);
	arena_done(&arena);
}

static void test_arena_limits(void **state)
{
	struct arena arena;

	arena_init(&arena);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 20));
	assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_int_equal(arena.bytes, 0);
	assert_non_null(arena_alloc(&arena, 0));
	arena_done(&arena);
}

static void test_arena_strings(void **state)
{
	struct arena arena;
	char *s;

	arena_init(&arena);
	s = arena_strdup(&arena, "write_lock_bh");
	assert_string_equal(s, "write_lock_bh");
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	/* No more than n bytes may be looked at. */
	assert_string_equal(arena_strndup(&arena, (char[]){ 'a', 'b' }, 2), "ab");
	assert_string_equal(arena_strndup(&arena, "ab", 100), "ab");
	assert_string_equal(arena_printf(&arena, "%s+%#x", "f", 0x5b), "f+0x5b");
	assert_int_equal(strlen(arena_printf(&arena, "%100000d", 1)), 100000);
	assert_string_equal(s, "write_lock_bh");
	arena_done(&arena);
}

static void test_arena_append(void **state)
{
	struct arena arena;
	struct pair {
		size_t a, b;
	} *pairs = NULL;
	size_t n = 0;

	arena_init(&arena);
	for (size_t i = 0; i < 1000; i++) {
		struct pair *pair = ARENA_APPEND(&arena, pairs, n);

		assert_non_null(pair);
		assert_int_equal(n, i + 1);
		assert_ptr_equal(pair, &pairs[i]);
		assert_int_equal(pair->a, 0);
		assert_int_equal(pair->b, 0);
		pair->a = i;
		pair->b = ~i;
		/* Something else in between, that the array must not grow into. */
		memset(arena_alloc(&arena, 8), 0xff, 8);
	}
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(pairs[i].a, i);
		assert_int_equal(pairs[i].b, ~i);
	}
	arena_done(&arena);
}

static void test_msgs(void **state)
{
	struct msgs msgs;

	msgs_add(NULL, "nowhere");
	msgs_init(&msgs);
	msgs_add(&msgs, "note %d: %s", 3, "bad");
	msgs_add(&msgs, "note %d: %s", 3, "bad");
	msgs_add(&msgs, "other");
	msgs_add(&msgs, "note %d: %s", 3, "bad");
	assert_int_equal(msgs.n, 3);
	assert_string_equal(msgs.lines[0], "note 3: bad");
	assert_string_equal(msgs.lines[1], "other");
	assert_string_equal(msgs.lines[2], "note 3: bad");
	for (int i = 0; i < 500; i++)
		msgs_add(&msgs, "line %d", i);
	assert_int_equal(msgs.n, MSGS_MAX);
	assert_int_equal(msgs.n_dropped, 503 - MSGS_MAX);
	assert_string_equal(msgs.lines[MSGS_MAX - 1], "line 196");
	msgs_done(&msgs);
	assert_int_equal(msgs.n, 0);
	msgs_done(&msgs);
}

static void test_cursor(void **state)
{
	static const uint8_t data[] = { 1,    2,    3,    4,	5,    6,    7,	  8,
					0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
					9,    10,   11,	  12,	13,   14,   15 };
	struct cursor c = cursor_make(data, sizeof(data));

	assert_int_equal(cursor_u64(&c), 0x0807060504030201);
	assert_int_equal(cursor_u64_be(&c), 0x1122334455667788);
	assert_int_equal(cursor_u8(&c), 9);
	assert_int_equal(cursor_u16(&c), 0x0b0a);
	assert_int_equal(cursor_left(&c), 4);
	assert_int_equal(cursor_u32(&c), 0x0f0e0d0c);
	assert_int_equal(cursor_left(&c), 0);
	assert_false(c.overrun);
	cursor_skip(&c, 0);
	assert_false(c.overrun);
	assert_int_equal(cursor_u8(&c), 0);
	assert_true(c.overrun);
}

/* Once past the end, nothing more is given, though bytes are left for a smaller read. */
static void test_cursor_overrun(void **state)
{
	static const uint8_t data[] = { 1, 2, 3 };
	struct cursor c = cursor_make(data, sizeof(data));
	uint8_t got[8];

	memset(got, 0xff, sizeof(got));
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.overrun);
	assert_int_equal(cursor_left(&c), 3);
	assert_int_equal(cursor_u8(&c), 0);
	cursor_get(&c, got, sizeof(got));
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], 0);
	assert_null(cursor_bytes(&c, 1));

	c = cursor_make(data, sizeof(data));
	assert_null(cursor_bytes(&c, SIZE_MAX));
	assert_true(c.overrun);
	c = cursor_make(NULL, 0);
	assert_int_equal(cursor_u16(&c), 0);
	assert_true(c.overrun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_alloc),
		cmocka_unit_test(test_arena_limits),
		cmocka_unit_test(test_arena_strings),
		cmocka_unit_test(test_arena_append),
		cmocka_unit_test(test_msgs),
		cmocka_unit_test(test_cursor),
		cmocka_unit_test(test_cursor_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
