// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The judgement on described snapshots: each file of tests/data/diagnose/ is one test, with its
 * expectations inside. Keys: event, pattern, lock, lock-kind, primitive, waiters N, waiter FUNCTION,
 * holder FUNCTION|none [cpu N] [pid N], acquired-in, cycle N, others N, role CPU ROLE,
 * unknown WORDS (some unknown has them), confidence-below N, signature none.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "diagnose/primitives.h"
#include "snapshot_text.h"
#include "verdict.h"

#define DATA "tests/data/diagnose"
#define MAX_EXPECT 32

struct expectations {
	char *lines[MAX_EXPECT];
	unsigned int n;
};

static void expect_add(void *arg, const char *line)
{
	struct expectations *e = arg;

	assert_true(e->n < MAX_EXPECT);
	e->lines[e->n++] = strdup(line);
}

static char *file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static void check_text(const char *line, const char *want, const char *got)
{
	if (strcmp(want, got ? got : "none") != 0)
		fail_msg("expected \"%s\", got \"%s\"", line, got ? got : "none");
}

static void check_number(const char *line, const char *want, uint32_t got)
{
	if ((uint32_t)atoi(want) != got)
		fail_msg("expected \"%s\", got %u", line, got);
}

static void check_holder(const char *line, char *rest, const struct verdict *v)
{
	char *name = strtok(rest, " "), *key;

	check_text(line, name, v->has_holder ? v->holder.function : NULL);
	while ((key = strtok(NULL, " "))) {
		const char *value = strtok(NULL, " ");

		assert_non_null(value);
		check_number(line, value, strcmp(key, "cpu") == 0 ? v->holder.cpu : v->holder.pid);
	}
}

static bool has_waiter(const struct verdict *v, const char *function)
{
	for (uint32_t i = 0; i < v->n_waiters; i++)
		if (function_same(v->waiters[i].function, function))
			return true;
	return false;
}

static bool has_unknown(const struct verdict *v, const char *words)
{
	for (uint32_t i = 0; i < v->n_unknowns; i++)
		if (strstr(v->unknowns[i], words))
			return true;
	return false;
}

static void check(const char *line, const struct snapshot *s, const struct verdict *v)
{
	char copy[256], *key = copy, *rest;

	snprintf(copy, sizeof(copy), "%s", line);
	rest = strchr(copy, ' ');
	assert_non_null(rest);
	*rest++ = '\0';
	if (strcmp(key, "event") == 0)
		check_text(line, rest, event_name(v->event));
	else if (strcmp(key, "pattern") == 0)
		check_text(line, rest, pattern_name(v->pattern));
	else if (strcmp(key, "lock") == 0)
		check_text(line, rest, v->lock_name);
	else if (strcmp(key, "lock-kind") == 0)
		check_text(line, rest, lock_kind_name(v->lock_kind));
	else if (strcmp(key, "primitive") == 0)
		check_text(line, rest, v->primitive);
	else if (strcmp(key, "waiters") == 0)
		check_number(line, rest, v->n_waiters);
	else if (strcmp(key, "waiter") == 0)
		assert_true(has_waiter(v, rest));
	else if (strcmp(key, "holder") == 0)
		check_holder(line, rest, v);
	else if (strcmp(key, "acquired-in") == 0)
		check_text(line, rest, v->holder.acquired_in);
	else if (strcmp(key, "cycle") == 0)
		check_number(line, rest, v->n_cycle);
	else if (strcmp(key, "others") == 0)
		check_number(line, rest, v->n_others);
	else if (strcmp(key, "unknown") == 0)
		assert_true(has_unknown(v, rest));
	else if (strcmp(key, "confidence-below") == 0)
		assert_true(v->confidence < atof(rest));
	else if (strcmp(key, "signature") == 0)
		check_text(line, rest, *v->signature ? v->signature : NULL);
	else if (strcmp(key, "role") == 0) {
		uint32_t cpu = snapshot_cpu_by_id(s, (uint32_t)atoi(rest));

		assert_true(cpu < s->n_cpus);
		check_text(line, strchr(rest, ' ') + 1, role_name(v->cpu_roles[cpu]));
	} else
		fail_msg("unknown expectation \"%s\"", line);
}

static void test_case(void **state)
{
	struct expectations e = { 0 };
	struct snapshot s;
	struct verdict *v = NULL;
	char *text = file_read(*state);
	int bad = snapshot_text(text, &s, expect_add, &e);

	if (bad)
		fail_msg("%s:%d: not understood", (const char *)*state, bad);
	assert_int_equal(diagnose(&s, &v), 0);
	assert_true(e.n > 0);
	assert_non_null(v->summary);
	for (unsigned int i = 0; i < e.n; i++) {
		check(e.lines[i], &s, v);
		free(e.lines[i]);
	}
	verdict_free(v);
	snapshot_done(&s);
	free(text);
}

/* The same bug on other CPUs, at other addresses and with compiler tails has one signature. */
static void test_signature_is_stable(void **state)
{
	const char *form = "panic softlockup: hung tasks\nreport soft-lockup cpu %d pid 71\n"
			   "lock L spinlock addr %s locked 1\n"
			   "cpu %d pid 70 comm a\nframe walk%s+1%d\nframe audit+33\n"
			   "held _raw_spin_lock\nref L RBX\n"
			   "cpu %d pid 71 comm b\nframe native_queued_spin_lock_slowpath+60\n"
			   "frame _raw_spin_lock+20\nframe %s+22\nwait L\n";
	char text[3][1024];
	struct snapshot s[3];
	struct verdict *v[3];

	snprintf(text[0], 1024, form, 1, "ffff888004001000", 0, "", 0, 1, "get");
	snprintf(text[1], 1024, form, 5, "ffff88800400a000", 3, ".isra.0", 8, 5, "get.constprop.0");
	snprintf(text[2], 1024, form, 1, "ffff888004001000", 0, "", 0, 1, "put");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(snapshot_text(text[i], &s[i], expect_add, NULL), 0);
		assert_int_equal(diagnose(&s[i], &v[i]), 0);
		assert_true(v[i]->has_holder);
		assert_int_equal(strlen(v[i]->signature), 32);
	}
	assert_string_equal(v[0]->signature, v[1]->signature);
	assert_string_not_equal(v[0]->signature, v[2]->signature);
	for (int i = 0; i < 3; i++) {
		verdict_free(v[i]);
		snapshot_done(&s[i]);
	}
}

static int is_case(const struct dirent *entry)
{
	return strstr(entry->d_name, ".txt") != NULL;
}

int main(void)
{
	struct dirent **entries;
	int n = scandir(DATA, &entries, is_case, alphasort);
	struct CMUnitTest *tests;

	if (n <= 0) {
		fprintf(stderr, "no cases in " DATA "; run from the top of the tree\n");
		return 1;
	}
	tests = calloc((size_t)n + 1, sizeof(*tests));
	for (int i = 0; i < n; i++) {
		char *path = NULL;

		if (asprintf(&path, DATA "/%s", entries[i]->d_name) < 0)
			return 1;
		tests[i] = (struct CMUnitTest){ .name = path, .test_func = test_case,
						.initial_state = path };
	}
	tests[n] = (struct CMUnitTest){ .name = "signature is stable",
					.test_func = test_signature_is_stable };
	int failed = _cmocka_run_group_tests("diagnose", tests, (size_t)n + 1, NULL, NULL);

	for (int i = 0; i < n; i++) {
		free((void *)tests[i].name);
		free(entries[i]);
	}
	free(entries);
	free(tests);
	return failed;
}
