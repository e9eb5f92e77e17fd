// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/store.h"

#define T0 1700000000 /* 2023-11-14T22:13:20Z */
#define SIG_A "0123456789abcdef0123456789abcdef"
#define SIG_B "fedcba9876543210fedcba9876543210"

static const struct store_limits limits = {
	.max_count = 3, .max_bytes = 1 << 20, .max_age_s = 86400, .min_interval_s = 10
};

static int setup(void **state)
{
	char *dir = strdup("/tmp/holdup-store.XXXXXX");

	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	r = system(command);
	free(*state);
	return r;
}

static int save(const char *dir, const char *signature, const char *boot, const char *level,
		int64_t time_s, char *ret_path)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:i}", "signature", signature, "boot_id",
				 boot, "level", level, "time_s", (json_int_t)time_s, "first_time_s",
				 (json_int_t)time_s, "count", 1);
	int r = store_save(NULL, dir, &limits, json, ret_path);

	json_decref(json);
	return r;
}

static int64_t field(const char *path, const char *name)
{
	json_t *json = json_load_file(path, 0, NULL);
	int64_t value;

	assert_non_null(json);
	value = json_integer_value(json_object_get(json, name));
	json_decref(json);
	return value;
}

static int n_files(const char *dir)
{
	char command[128];
	FILE *pipe;
	int n = -1;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", dir);
	pipe = popen(command, "r");
	assert_int_equal(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

static void test_same_is_counted(void **state)
{
	const char *dir = *state;
	char first[512], again[512], other[512];

	assert_int_equal(save(dir, SIG_A, "boot1", "warning", T0, first), 0);
	assert_non_null(strstr(first, "/20231114T221320Z-" SIG_A ".json"));
	assert_int_equal(save(dir, SIG_A, "boot1", "warning", T0 + 60, again), 0);
	assert_string_equal(first, again);
	assert_int_equal(field(first, "count"), 2);
	assert_int_equal(field(first, "first_time_s"), T0);
	assert_int_equal(field(first, "time_s"), T0 + 60);
	/* Another boot's and another lockup are files of their own. */
	assert_int_equal(save(dir, SIG_A, "boot2", "warning", T0 + 120, other), 0);
	assert_string_not_equal(first, other);
	assert_int_equal(field(other, "count"), 1);
	assert_int_equal(save(dir, SIG_B, "boot2", "warning", T0 + 130, other), 0);
	assert_int_equal(n_files(dir), 3);
}

static void test_rate_limit(void **state)
{
	const char *dir = *state;
	char path[512], none[512] = "";

	assert_int_equal(save(dir, SIG_A, "b", "warning", T0, path), 0);
	assert_int_equal(save(dir, SIG_A, "b", "warning", T0 + 9, none), -11);
	assert_string_equal(none, "");
	assert_int_equal(field(path, "count"), 1);
	/* Worse is news at once. */
	assert_int_equal(save(dir, SIG_A, "b", "critical", T0 + 9, path), 0);
	assert_int_equal(field(path, "count"), 2);
	assert_int_equal(save(dir, SIG_A, "b", "critical", T0 + 19, path), 0);
	assert_int_equal(field(path, "count"), 3);
}

static void test_trim(void **state)
{
	const char *dir = *state;
	struct store_limits small = limits;
	char path[512], signature[33], stranger[600];
	FILE *file;

	for (int i = 0; i < 6; i++) {
		snprintf(signature, sizeof(signature), "%032x", i);
		assert_int_equal(save(dir, signature, "b", "warning", T0 + i, path), 0);
	}
	/* What is not ours is left alone. */
	snprintf(stranger, sizeof(stranger), "%s/notes.json", dir);
	file = fopen(stranger, "w");
	fputs("mine", file);
	fclose(file);
	assert_int_equal(store_trim(NULL, dir, &limits, T0 + 10), 3);
	assert_int_equal(n_files(dir), 4);
	assert_int_equal(access(path, F_OK), 0); /* the latest */
	assert_int_equal(access(stranger, F_OK), 0);
	/* By size: the latest stays even when it alone is too large. */
	small.max_bytes = 1;
	assert_int_equal(store_trim(NULL, dir, &small, T0 + 10), 2);
	assert_int_equal(access(path, F_OK), 0);
	/* By age, but for the latest. */
	assert_int_equal(save(dir, SIG_B, "b", "warning", T0 + 90000, path), 0);
	assert_int_equal(store_trim(NULL, dir, &limits, T0 + 90000), 1);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_folder(void **state)
{
	char path[600], file[600], deep[600];
	struct msgs msgs;
	json_t *json = json_pack("{s:s, s:I}", "signature", SIG_A, "time_s", (json_int_t)T0);
	struct stat st;

	msgs_init(&msgs);
	umask(077);
	/* A missing folder is made; one that cannot be is said. */
	snprintf(file, sizeof(file), "%s/new", (char *)*state);
	assert_int_equal(store_save(&msgs, file, &limits, json, path), 0);
	assert_int_equal(msgs.n, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	snprintf(deep, sizeof(deep), "%s/no/such", (char *)*state);
	assert_int_equal(store_save(&msgs, deep, &limits, json, path), -2);
	assert_int_equal(msgs.n, 1);
	assert_non_null(strstr(msgs.lines[0], "/no/such: No such file"));
	json_decref(json);
	msgs_done(&msgs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
