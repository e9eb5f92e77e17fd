// SPDX-License-Identifier: GPL-2.0-or-later
/* Texts in files: plain, compressed, cut off, of another kind, and in pstore's parts. */
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

static const char log_text[] =
	"[  100.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [walker:11]\n"
	"[  100.000001] CPU: 1 PID: 11 Comm: walker Not tainted 6.6.0 #1\n"
	"[  100.000002] RIP: 0010:ring_scan+0x1/0x20 [ring]\n"
	"[  100.000003] Call Trace:\n"
	"[  100.000004]  ring_walk+0x2/0x20 [ring]\n";

static char path[] = "/tmp/holdup-text-XXXXXX";

static void file_write(const void *data, size_t size)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* The result of text_snapshots(); where it is 0, whether the log's stack was in it. */
static int take(const char *from, bool *ret_found)
{
	struct snapshot *snapshots = NULL;
	struct msgs msgs;
	uint32_t n = 0;
	int r;

	*ret_found = false;
	msgs_init(&msgs);
	r = text_snapshots(&msgs, from, &snapshots, &n);
	if (r < 0)
		assert_true(msgs.n > 0);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		const struct snapshot *s = &snapshots[i];

		*ret_found |= s->n_cpus == 1 && s->cpus[0].stack.n == 2 &&
			      strcmp(s->cpus[0].stack.frames[1].function, "ring_walk") == 0;
		snapshot_done(&snapshots[i]);
	}
	free(snapshots);
	msgs_done(&msgs);
	return r;
}

static void check_found(void)
{
	bool found;

	assert_int_equal(take(path, &found), 0);
	assert_true(found);
}

static void test_plain(void **state)
{
	bool found;
	int saved;

	file_write(log_text, sizeof(log_text) - 1);
	check_found();
	/* The same on standard input. */
	saved = dup(STDIN_FILENO);
	assert_non_null(freopen(path, "re", stdin));
	assert_int_equal(take("-", &found), 0);
	assert_true(found);
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	}
}

static void test_gzip(void **state)
{
	uint8_t out[4096];
	z_stream z = { .next_in = (Bytef *)log_text, .avail_in = sizeof(log_text) - 1,
		       .next_out = out, .avail_out = sizeof(out) };
	bool found;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	file_write(out, z.total_out);
	check_found();
	/* Cut off: what came is read. */
	file_write(out, z.total_out - 12);
	assert_int_equal(take(path, &found), 0);
	deflateEnd(&z);
}

static void test_xz(void **state)
{
	uint8_t out[4096];
	size_t n = 0;
	bool found;

	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL,
						 (const uint8_t *)log_text, sizeof(log_text) - 1,
						 out, &n, sizeof(out)),
			 LZMA_OK);
	file_write(out, n);
	check_found();
	out[n / 2] ^= 0x55;
	file_write(out, n);
	take(path, &found);
	file_write(out, 20);
	assert_true(take(path, &found) < 0);
}

static void test_zstd(void **state)
{
	char out[4096];
	size_t n = ZSTD_compress(out, sizeof(out), log_text, sizeof(log_text) - 1, 3);
	bool found;

	assert_false(ZSTD_isError(n));
	file_write(out, n);
	check_found();
	for (size_t cut = 1; cut < n; cut += 7) {
		file_write(out, cut);
		take(path, &found);
	}
}

/* pstore's parts, newest first, each a file's worth of the log. */
static void test_parts(void **state)
{
	const char *half = strstr(log_text, "[  100.000003]");
	char text[2048];
	int n = snprintf(text, sizeof(text), "Panic#1 Part1\n%sPanic#1 Part2\n%.*s", half,
			 (int)(half - log_text), log_text);

	file_write(text, (size_t)n);
	check_found();
}

static void test_others(void **state)
{
	char zeros[4096] = "";
	bool found;

	file_write(zeros, sizeof(zeros));
	assert_int_equal(take(path, &found), -EINVAL);
	file_write("", 0);
	assert_int_equal(take(path, &found), -EINVAL);
	file_write("no kernel\n", 10);
	assert_int_equal(take(path, &found), -EBADMSG);
	assert_int_equal(take("/nonexistent/log", &found), -ENOENT);
	assert_int_equal(take("/", &found), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_xz),    cmocka_unit_test(test_zstd),
		cmocka_unit_test(test_parts), cmocka_unit_test(test_others),
	};
	int fd = mkstemp(path), r;

	if (fd < 0)
		return 1;
	close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return r;
}
