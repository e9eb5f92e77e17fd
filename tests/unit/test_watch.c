// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/watch.h"

#define MS 1000000ULL
#define NOW (1000000 * MS) /* 1000 s after boot */

static const struct watch_limits limits = {
	.period_ns = 50 * MS,
	.notice_ns = 300 * MS,
	.warning_ns = 1000 * MS,
	.critical_ns = 5000 * MS,
	.sleep_ns = 30000 * MS,
};

static struct watch_cpu healthy(uint32_t id)
{
	return (struct watch_cpu){ .cpu = id, .online = true, .tick_ns = NOW - 20 * MS };
}

static struct watch_finding judge(const struct watch_cpu *cpus, uint32_t n)
{
	return watch_judge(cpus, n, NULL, 0, &limits, NOW);
}

static void test_quiet(void **state)
{
	struct watch_cpu cpus[] = { healthy(0), healthy(1) };

	assert_int_equal(judge(cpus, 2).level, WATCH_QUIET);
	assert_int_equal(judge(cpus, 0).level, WATCH_QUIET);
	/* A streak and a wait below the notice. */
	cpus[1].stuck_since_ns = NOW - 299 * MS;
	cpus[1].n_waits = 1;
	cpus[1].waits[0] = (struct watch_wait){ 0xf00, NOW - 299 * MS };
	assert_int_equal(judge(cpus, 2).level, WATCH_QUIET);
}

static void test_streak_levels(void **state)
{
	static const struct {
		uint64_t age_ms;
		enum watch_level level;
	} cases[] = {
		{ 299, WATCH_QUIET },	{ 300, WATCH_NOTICE },	 { 999, WATCH_NOTICE },
		{ 1000, WATCH_WARNING }, { 4999, WATCH_WARNING }, { 5000, WATCH_CRITICAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct watch_cpu cpus[] = { healthy(0), healthy(3) };
		struct watch_finding found;

		cpus[1].stuck_since_ns = NOW - cases[i].age_ms * MS;
		found = judge(cpus, 2);
		assert_int_equal(found.level, cases[i].level);
		if (found.level == WATCH_QUIET)
			continue;
		assert_int_equal(found.reason, WATCH_STUCK);
		assert_int_equal(found.cpu, 3);
		assert_int_equal(found.for_ns, cases[i].age_ms * MS);
	}
}

static void test_wait_is_preferred_and_names_the_lock(void **state)
{
	struct watch_cpu cpus[] = { healthy(0), healthy(1) };
	struct watch_finding found;

	cpus[0].stuck_since_ns = NOW - 1500 * MS; /* the holder: a streak alone */
	cpus[1].stuck_since_ns = NOW - 1200 * MS;
	cpus[1].n_waits = 1;
	cpus[1].waits[0] = (struct watch_wait){ 0xf00, NOW - 1230 * MS };
	found = judge(cpus, 2);
	assert_int_equal(found.reason, WATCH_WAIT);
	assert_int_equal(found.cpu, 1);
	assert_int_equal(found.lock, 0xf00);
	assert_int_equal(found.for_ns, 1230 * MS);
}

static void test_wait_whose_end_was_missed(void **state)
{
	struct watch_cpu cpus[] = { healthy(0) };

	/* No streak: the CPU goes on, so it does not spin. */
	cpus[0].n_waits = 1;
	cpus[0].waits[0] = (struct watch_wait){ 0xf00, NOW - 9000 * MS };
	assert_int_equal(judge(cpus, 1).level, WATCH_QUIET);
	assert_false(watch_wait_is_open(&cpus[0], 0, &limits));
	/* A streak that began long after: the wait is from before it. */
	cpus[0].stuck_since_ns = NOW - 200 * MS;
	assert_false(watch_wait_is_open(&cpus[0], 0, &limits));
	assert_int_equal(judge(cpus, 1).level, WATCH_QUIET);
	/* The tick that found it came up to a period later. */
	cpus[0].stuck_since_ns = NOW - 8950 * MS;
	assert_true(watch_wait_is_open(&cpus[0], 0, &limits));
	assert_int_equal(judge(cpus, 1).level, WATCH_CRITICAL);
}

static void test_silent_cpu(void **state)
{
	struct watch_cpu cpus[] = { healthy(0), healthy(2) };
	struct watch_finding found;

	cpus[1].tick_ns = NOW - 1100 * MS;
	/* What it last did does not count any more. */
	cpus[1].stuck_since_ns = NOW - 6000 * MS;
	found = judge(cpus, 2);
	assert_int_equal(found.reason, WATCH_SILENT);
	assert_int_equal(found.level, WATCH_WARNING);
	assert_int_equal(found.cpu, 2);
	cpus[1].online = false;
	assert_int_equal(judge(cpus, 2).level, WATCH_QUIET);
	/* One that never ticked has no sampler. */
	cpus[1] = (struct watch_cpu){ .cpu = 2, .online = true };
	assert_int_equal(judge(cpus, 2).level, WATCH_QUIET);
}

static void test_times_from_the_future(void **state)
{
	struct watch_cpu cpus[] = { healthy(0) };

	cpus[0].tick_ns = NOW + 5 * MS;
	cpus[0].stuck_since_ns = NOW + 5 * MS;
	assert_int_equal(judge(cpus, 1).level, WATCH_QUIET);
}

static void test_sleeping_wait(void **state)
{
	struct watch_sleep sleeps[] = { { 71, 0xabc, NOW - 29999 * MS },
					{ 72, 0xdef, NOW - 31000 * MS } };
	struct watch_limits never = limits;
	struct watch_finding found = watch_judge(NULL, 0, sleeps, 1, &limits, NOW);

	assert_int_equal(found.level, WATCH_QUIET);
	found = watch_judge(NULL, 0, sleeps, 2, &limits, NOW);
	assert_int_equal(found.level, WATCH_WARNING);
	assert_int_equal(found.reason, WATCH_SLEEP);
	assert_int_equal(found.pid, 72);
	assert_int_equal(found.lock, 0xdef);
	assert_int_equal(found.cpu, UINT32_MAX);
	never.sleep_ns = 0;
	assert_int_equal(watch_judge(NULL, 0, sleeps, 2, &never, NOW).level, WATCH_QUIET);
}

static struct watch_finding at(enum watch_level level)
{
	return (struct watch_finding){ .level = level };
}

static enum watch_action step(struct watch *watch, enum watch_level level, uint64_t ms)
{
	struct watch_finding finding = at(level);

	return watch_step(watch, &finding, NOW + ms * MS);
}

static void test_episode(void **state)
{
	struct watch watch = { 0 };

	assert_int_equal(step(&watch, WATCH_QUIET, 0), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_NOTICE, 100), WATCH_PREPARE);
	assert_int_equal(step(&watch, WATCH_NOTICE, 200), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_WARNING, 800), WATCH_REPORT);
	assert_int_equal(step(&watch, WATCH_WARNING, 1800), WATCH_DO_NOTHING);
	/* A gap of a look or two does not end it, nor make it news. */
	assert_int_equal(step(&watch, WATCH_QUIET, 1900), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_WARNING, 2000), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_CRITICAL, 5000), WATCH_REPORT);
	assert_int_equal(step(&watch, WATCH_WARNING, 5100), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_QUIET, 6000), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_QUIET, 7999), WATCH_DO_NOTHING);
	assert_int_equal(step(&watch, WATCH_QUIET, 8000), WATCH_END);
	assert_int_equal(step(&watch, WATCH_QUIET, 9000), WATCH_DO_NOTHING);
	/* The next one is reported anew. */
	assert_int_equal(step(&watch, WATCH_WARNING, 10000), WATCH_REPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_streak_levels),
		cmocka_unit_test(test_wait_is_preferred_and_names_the_lock),
		cmocka_unit_test(test_wait_whose_end_was_missed),
		cmocka_unit_test(test_silent_cpu),
		cmocka_unit_test(test_times_from_the_future),
		cmocka_unit_test(test_sleeping_wait),
		cmocka_unit_test(test_episode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
