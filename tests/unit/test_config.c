// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"

static int read_text(struct msgs *msgs, const char *text, struct config *config)
{
	char path[] = "/tmp/holdup-config.XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = config_read(msgs, path, config);
	unlink(path);
	return r;
}

static void test_values(void **state)
{
	struct config config;
	struct msgs msgs;

	msgs_init(&msgs);
	assert_int_equal(read_text(&msgs,
				   "[sampler]\nrate = 49\n"
				   "[thresholds]\nwarning=2s\ncritical = 1min ; a comment\n"
				   "[analysis]\nkernel-memory = no\n"
				   "[incidents]\ndirectory = /srv/holdup\nmax-size = 1G\n"
				   "max-age = 2d\nmin-interval = 0\n",
				   &config),
			 0);
	assert_int_equal(msgs.n, 0);
	assert_int_equal(config.rate_hz, 49);
	assert_int_equal(config.notice_ns, 300000000);
	assert_int_equal(config.warning_ns, 2000000000);
	assert_int_equal(config.critical_ns, 60000000000);
	assert_false(config.kernel_memory);
	assert_string_equal(config.directory, "/srv/holdup");
	assert_int_equal(config.max_bytes, 1 << 30);
	assert_int_equal(config.max_age_s, 2 * 86400);
	assert_int_equal(config.min_interval_s, 0);
	assert_int_equal(config.max_count, 200);
	msgs_done(&msgs);
}

/* @text is wrong, and the only message contains @where and @what. */
static void expect_wrong(const char *text, const char *where, const char *what)
{
	struct config config = { .rate_hz = 7 };
	struct msgs msgs;

	msgs_init(&msgs);
	assert_int_equal(read_text(&msgs, text, &config), -22);
	assert_int_equal(msgs.n, 1);
	assert_non_null(strstr(msgs.lines[0], where));
	assert_non_null(strstr(msgs.lines[0], what));
	assert_int_equal(config.rate_hz, 7);
	msgs_done(&msgs);
}

static void test_wrong_is_named_with_its_line(void **state)
{
	expect_wrong("[sampler]\n\nrate = fast\n", ":3:", "'fast' is not a whole number");
	expect_wrong("[sampler]\nrate = 2\n", ":2:", "'2' is out of range");
	expect_wrong("# x\n[sampler]\nspeed = 19\n", ":3:", "no such key: speed in [sampler]");
	expect_wrong("[thresholds]\nwarning = 2 hours\n", ":2:", "is not a time");
	expect_wrong("[incidents]\ndirectory = holdup\n", ":2:", "is not an absolute path");
	expect_wrong("[analysis]\nkernel-memory = maybe\n", ":2:", "yes or no");
	expect_wrong("[sampler]\nrate = 19\nwhat is this\n", ":3:", "neither a section nor");
	expect_wrong("[thresholds]\nwarning = 10s\n", "", "must not fall");
}

static void test_missing(void **state)
{
	struct config config;
	struct msgs msgs;

	msgs_init(&msgs);
	assert_int_equal(config_read(&msgs, "/nonexistent/holdupd.conf", &config), -2);
	assert_int_equal(msgs.n, 0);
	msgs_done(&msgs);
}

static void test_times_and_sizes(void **state)
{
	uint64_t v;

	assert_int_equal(config_parse_time("1.5s", &v), 0);
	assert_int_equal(v, 1500000000);
	assert_int_equal(config_parse_time("250ms", &v), 0);
	assert_int_equal(v, 250000000);
	assert_int_equal(config_parse_time("3", &v), 0);
	assert_int_equal(v, 3000000000);
	assert_int_equal(config_parse_time("-1s", &v), -22);
	assert_int_equal(config_parse_time("s", &v), -22);
	assert_int_equal(config_parse_time("1e30d", &v), -34);
	assert_int_equal(config_parse_size("64M", &v), 0);
	assert_int_equal(v, 64 << 20);
	assert_int_equal(config_parse_size("1KB", &v), -22);
	assert_int_equal(config_parse_size("99999999999T", &v), -34);
}

/* The file that is shipped shows every key with its default. */
static void test_shipped_file_is_the_defaults(void **state)
{
	struct config defaults, shipped;
	struct msgs msgs;

	msgs_init(&msgs);
	config_init(&defaults);
	assert_int_equal(config_read(&msgs, "systemd/holdupd.conf", &shipped), 0);
	assert_int_equal(shipped.rate_hz, defaults.rate_hz);
	assert_int_equal(shipped.notice_ns, defaults.notice_ns);
	assert_int_equal(shipped.warning_ns, defaults.warning_ns);
	assert_int_equal(shipped.critical_ns, defaults.critical_ns);
	assert_int_equal(shipped.sleep_ns, defaults.sleep_ns);
	assert_int_equal(shipped.kernel_memory, defaults.kernel_memory);
	assert_string_equal(shipped.directory, defaults.directory);
	assert_int_equal(shipped.max_count, defaults.max_count);
	assert_int_equal(shipped.max_bytes, defaults.max_bytes);
	assert_int_equal(shipped.max_age_s, defaults.max_age_s);
	assert_int_equal(shipped.min_interval_s, defaults.min_interval_s);
	msgs_done(&msgs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_wrong_is_named_with_its_line),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_times_and_sizes),
		cmocka_unit_test(test_shipped_file_is_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
