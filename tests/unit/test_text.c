// SPDX-License-Identifier: GPL-2.0-or-later
/* Texts as files: plain and compressed ones, cut-off ones, and what is no text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "source/text.h"

static const char text[] =
	"[  100.000000] Linux version 6.1.0 (x@y)\n"
	"[  126.000000] watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [worker/3:77]\n"
	"[  126.000001] CPU: 3 PID: 77 Comm: worker/3 Not tainted 6.1.0 #1\n"
	"[  126.000002] RIP: 0010:spin_here+0x10/0x20\n"
	"[  126.000003] Call Trace:\n"
	"[  126.000004]  outer_one+0x10/0x40\n"
	"[  126.000005]  ret_from_fork+0x1f/0x30\n";

struct taken {
	int r;
	char *message; /* the last one */
	struct snapshot *snapshots;
	uint32_t n;
};

static struct taken take(const void *data, size_t size)
{
	char path[] = "/tmp/holdup-test-text-XXXXXX";
	int fd = mkstemp(path);
	struct taken t = { 0 };
	struct msgs msgs;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	msgs_init(&msgs);
	t.r = text_snapshots(&msgs, path, &t.snapshots, &t.n);
	t.message = strdup(msgs.n ? msgs.lines[msgs.n - 1] : "");
	msgs_done(&msgs);
	close(fd);
	unlink(path);
	return t;
}

static void taken_done(struct taken *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		snapshot_done(&t->snapshots[i]);
	free(t->snapshots);
	free(t->message);
}

static void assert_lockup(const void *data, size_t size)
{
	struct taken t = take(data, size);
	uint32_t found = 0;

	assert_int_equal(t.r, 0);
	for (uint32_t i = 0; i < t.n; i++)
		for (uint32_t k = 0; k < t.snapshots[i].n_reports; k++)
			found += t.snapshots[i].reports[k].kind == REPORT_SOFT_LOCKUP &&
				 t.snapshots[i].reports[k].cpu == 3;
	assert_true(found > 0);
	taken_done(&t);
}

static size_t gzip(const void *in, size_t n, uint8_t *out, size_t room)
{
	z_stream z = { .next_in = (Bytef *)in, .avail_in = (uInt)n, .next_out = out,
		       .avail_out = (uInt)room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

static void test_forms(void **state)
{
	size_t n = sizeof(text) - 1, packed = 0;
	uint8_t out[4096];

	assert_lockup(text, n);
	assert_lockup(out, gzip(text, n, out, sizeof(out)));
	assert_lockup(out, ZSTD_compress(out, sizeof(out), text, n, 3));
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, (const uint8_t *)text,
						 n, out, &packed, sizeof(out)), LZMA_OK);
	assert_lockup(out, packed);
	/* Two gzip members, as logrotate and cat leave them, are one text. */
	packed = gzip(text, 60, out, sizeof(out));
	packed += gzip(text + 60, n - 60, out + packed, sizeof(out) - packed);
	assert_lockup(out, packed);
}

/* What came until the cut is kept, and the cut is told. */
static void test_cut_off(void **state)
{
	uint8_t out[4096];
	size_t n = gzip(text, sizeof(text) - 1, out, sizeof(out));
	struct taken t = take(out, n - 9);

	assert_int_equal(t.r, 0);
	assert_non_null(strstr(t.message, "cut off"));
	taken_done(&t);
}

static void test_no_text(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		int r;
		const char *says;
	} cases[] = {
		{ "", 0, -EINVAL, "empty" },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0", 12, -EINVAL, "neither" },
		{ "\177ELF\2\1\1\0\0\0\0\0", 12, -ENOTSUP, "a dump" },
		{ "KDUMP   \6\0\0\0", 12, -ENOTSUP, "a dump" },
		{ "makedumpfile\0\0\0\0", 16, -ENOTSUP, "a dump" },
	};
	uint8_t out[4096];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int packed = 0; packed < 2; packed++) {
			size_t n = packed ? gzip(cases[i].data, cases[i].size, out, sizeof(out)) :
					    cases[i].size;
			struct taken t = take(packed ? (const void *)out : cases[i].data, n);

			assert_int_equal(t.r, cases[i].r);
			assert_non_null(strstr(t.message, cases[i].says));
			taken_done(&t);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
