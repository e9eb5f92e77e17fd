// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Real reports, which are kept outside the tree: at least 80 points of 100 by their own scorer, and
 * nobody blamed who is innocent. Skipped where they are not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SCORER "../shared/cases/score.py"

static void test_score(void **state)
{
	unsigned int points = 0, of = 0, wrong = 1, failed = 1;
	char line[512];
	FILE *f;

	if (access(SCORER, R_OK) < 0 || access("build/holdup", X_OK) < 0) {
		print_message("skipped: " SCORER " or build/holdup is not there\n");
		skip();
	}
	f = popen("python3 " SCORER " --holdup build/holdup", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, " wrong ");

		if (sscanf(line, "points %u of %u", &points, &of) != 2 || !at)
			continue;
		assert_int_equal(sscanf(at, " wrong %u; failed runs %u", &wrong, &failed), 2);
	}
	pclose(f);
	assert_true(of > 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(failed, 0);
	if (points * 100 < of * 80)
		fail_msg("%u points of %u", points, of);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_score) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
