// SPDX-License-Identifier: GPL-2.0-or-later
/* One stack frame in each of the notations that kernels and crash have used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "source/text_frame.h"

struct expected {
	const char *text;
	uint32_t number;
	uint64_t slot, address;
	const char *function;
	uint32_t offset, size;
	const char *module;
	bool unreliable, inlined, exception;
	const char *file;
	uint32_t line;
	const char *callee;
	const char *rest; /* what is left of the text; NULL: nothing */
};

#define NONE SNAPSHOT_NONE

static const struct expected known[] = {
	/* crash */
	{ "#6 [ffff880028283950] __write_lock_failed at ffffffff812a6f29", 6, 0xffff880028283950,
	  0xffffffff812a6f29, "__write_lock_failed", NONE, .rest = NULL },
	{ "  #8 [ffff880028283970] ip_set_add at ffffffffa0726841 [ip_set]\n", 8, 0xffff880028283970,
	  0xffffffffa0726841, "ip_set_add", NONE, 0, "ip_set", .rest = "\n" },
	{ "#10 [ffffc90001a0bc88] pick_next_entity.constprop.0 at ffffffff9c8876b1", 10,
	  0xffffc90001a0bc88, 0xffffffff9c8876b1, "pick_next_entity.constprop.0", NONE, .rest = NULL },
	{ "#0 __schedule at ffffffff9c0a1010", 0, 0, 0xffffffff9c0a1010, "__schedule", NONE, .rest = NULL },
	{ "#3  start_something at ffffffffc0c0467a", 3, 0, 0xffffffffc0c0467a,
	  "start_something", NONE, .rest = NULL },
	{ "#0 [ffff88003d3c7cf0] schedule+1234 at ffffffff8152a5ba", 0, 0xffff88003d3c7cf0,
	  0xffffffff8152a5ba, "schedule", 1234, .rest = NULL },
	{ "#5 [ffff880028286f50] nmi at ffffffff8154b1c3\n    [exception RIP: f+9]", 5,
	  0xffff880028286f50, 0xffffffff8154b1c3, "nmi", NONE,
	  .rest = "\n    [exception RIP: f+9]" },
	{ "#4 [c073bf8c] error_code (via page_fault) at c05a1234", 4, 0xc073bf8c, 0xc05a1234,
	  "error_code", NONE, .rest = NULL },
	{ "[ffff88002a009e90] crash_nmi_callback at ffffffff81030110\n  [ffff88002a009ea0] g at", NONE,
	  0xffff88002a009e90, 0xffffffff81030110, "crash_nmi_callback", NONE,
	  .rest = "\n  [ffff88002a009ea0] g at" },
	{ "START: schedule at ffffffff81530770", NONE, 0, 0xffffffff81530770, "schedule", NONE, .rest = NULL },
	{ "[exception RIP: hash_netport4_expire+91] RIP:", NONE, 0, 0, "hash_netport4_expire", 91,
	  .exception = true, .rest = " RIP:" },
	{ "[exception RIP: unknown or invalid address]", NONE, 0, 0, NULL, NONE, .exception = true },
	/* a line that the end of the text cut: no address rather than a wrong one */
	{ "#9 [ffff8800283c3970] ip_set_add at ffffffffa07268", 9, 0xffff8800283c3970, 0,
	  "ip_set_add", NONE, .rest = NULL },
	/* consoles */
	{ "[<ffffffff810366e6>] f+0x12/0x40 [mod]", NONE, 0, 0xffffffff810366e6, "f", 0x12, 0x40,
	  "mod", .rest = NULL },
	{ "[<ffffffff810366e6>] ? f+0x12/0x40", NONE, 0, 0xffffffff810366e6, "f", 0x12, 0x40,
	  .unreliable = true },
	{ "[<ffffffff88012345>] :ip_tables:ipt_do_table+0x12/0x40", NONE, 0, 0xffffffff88012345,
	  "ipt_do_table", 0x12, 0x40, "ip_tables", .rest = NULL },
	{ "<ffffffff80123456>{schedule+120}", NONE, 0, 0xffffffff80123456, "schedule", 120, .rest = NULL },
	{ "? f.isra.0+0x1/0x2", NONE, 0, 0, "f.isra.0", 1, 2, .unreliable = true },
	{ "f+0x12/0x40 [mod 0123456789abcdef0123456789abcdef01234567]", NONE, 0, 0, "f", 0x12, 0x40,
	  "mod", .rest = NULL },
	{ "f+0x12/0x40 net/core/dev.c:1234", NONE, 0, 0, "f", 0x12, 0x40,
	  .file = "net/core/dev.c", .line = 1234 },
	{ "f net/core/dev.c:12 [inline]", NONE, 0, 0, "f", NONE, .inlined = true,
	  .file = "net/core/dev.c", .line = 12 },
	{ "[<     inline     >] f fs/file.c:9", NONE, 0, 0, "f", NONE, .inlined = true,
	  .file = "fs/file.c", .line = 9 },
	{ "[<c0011e04>] (f+0x0/0x138) from [<c03d1a8c>] (g+0x20/0x24)", NONE, 0, 0xc03d1a8c, "g",
	  0x20, 0x24, .callee = "f" },
	{ "(f) from [<c03d1a8c>] (g+0x20/0x24 [m])", NONE, 0, 0xc03d1a8c, "g", 0x20, 0x24,
	  "m", .callee = "f" },
	{ "f from g+0x20/0x24", NONE, 0, 0, "g", 0x20, 0x24, .callee = "f" },
	{ "[c000000feb123450] [c000000000012345] .f+0x10/0x20 (unreliable)", NONE, 0xc000000feb123450,
	  0xc000000000012345, ".f", 0x10, 0x20, .unreliable = true },
	{ "[<ffffffffa0012345>] 0xffffffffa0012345", NONE, 0, 0xffffffffa0012345, NULL, NONE, .rest = NULL },
};

static void check_slice(const struct expected *e, const char *want, struct text_slice got)
{
	if (!want && !got.p)
		return;
	if (!want || !got.p || strlen(want) != got.n || memcmp(want, got.p, got.n) != 0)
		fail_msg("\"%s\": \"%s\" wanted, got \"%.*s\"", e->text, want ? want : "nothing",
			 (int)got.n, got.p ? got.p : "");
}

static void test_known(void **state)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const struct expected *e = &known[i];
		struct text_frame f;
		const char *end = e->text + strlen(e->text), *p = text_frame_scan(e->text, end, &f);

		if (!p)
			fail_msg("\"%s\": not read", e->text);
		assert_string_equal(p, e->rest ? e->rest : "");
		assert_int_equal(f.number, e->number);
		assert_int_equal(f.slot, e->slot);
		assert_int_equal(f.address, e->address);
		check_slice(e, e->function, f.function);
		assert_int_equal(f.offset, e->offset);
		assert_int_equal(f.size, e->size);
		check_slice(e, e->module, f.module);
		check_slice(e, e->file, f.file);
		assert_int_equal(f.line, e->line);
		check_slice(e, e->callee, f.callee);
		assert_int_equal(f.unreliable, e->unreliable);
		assert_int_equal(f.inlined, e->inlined);
		assert_int_equal(f.exception, e->exception);
	}
}

static void test_prose(void **state)
{
	static const char *const none[] = {
		"",
		"   ",
		"#",
		"#1 SMP Tue May 10 17:27:01 UTC 2016",
		"# comment at 12345678",
		"#5 looks odd at first sight",
		"#6 [ffff880028283950] cut_in_the_na",
		"[ffff880028283950]",
		"[ip_set]",
		"[PARTIAL DUMP]",
		"schedule",
		"the function ip_set_add is at fault",
		"RAX: ffff88078b0fbfd8",
		"[exception RIP: never closed",
		"[<ffffffff>",
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct text_frame f;

		if (text_frame_scan(none[i], none[i] + strlen(none[i]), &f))
			fail_msg("\"%s\" is no frame", none[i]);
	}
}

/* Every prefix of every form, in memory of just its size: the sanitizer sees reads behind it. */
static void test_prefixes(void **state)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		for (size_t n = 0; n <= strlen(known[i].text); n++) {
			char *copy = test_malloc(n + 1);
			struct text_frame f;
			const char *p;

			memcpy(copy, known[i].text, n);
			p = text_frame_scan(copy, copy + n, &f);
			assert_true(!p || (p > copy && p <= copy + n));
			test_free(copy);
		}
}

static void test_names(void **state)
{
	struct arena arena;
	struct text_names names;
	struct text_frame f;
	struct frame a, b;
	char text[64];

	arena_init(&arena);
	text_names_init(&names, &arena);
	strcpy(text, "[c000000feb123450] [c000000000012345] .f+0x10/0x20");
	assert_non_null(text_frame_scan(text, text + strlen(text), &f));
	assert_int_equal(text_frame_make(&names, &f, &a), 0);
	assert_string_equal(a.function, "f");
	assert_true(a.reliable);
	memset(text, 'x', sizeof(text)); /* the frame keeps nothing of the text */
	assert_string_equal(a.function, "f");
	strcpy(text, "? f+0x11/0x20");
	assert_non_null(text_frame_scan(text, text + strlen(text), &f));
	assert_int_equal(text_frame_make(&names, &f, &b), 0);
	assert_ptr_equal(a.function, b.function); /* one name, one string */
	assert_false(b.reliable);
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(text, sizeof(text), "function_%d", i % 2500);
		const char *s = text_names_add(&names, (struct text_slice){ text, (size_t)n });

		assert_string_equal(s, text);
	}
	assert_int_equal(names.n, 2501);
	text_names_done(&names);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_prose),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
