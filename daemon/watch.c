// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch.h"

#define CALM_NS 2000000000ULL /* an episode is over after so much quiet */

bool watch_wait_is_open(const struct watch_cpu *cpu, uint32_t i, const struct watch_limits *limits)
{
	/*
	 * Who spins does not switch, and is seen at every tick: a wait from before the streak is
	 * one whose end was missed. The streak begins at the first tick that finds it.
	 */
	return cpu->stuck_since_ns &&
	       cpu->waits[i].since_ns + 2 * limits->period_ns >= cpu->stuck_since_ns;
}

static enum watch_level level_of(uint64_t ns, const struct watch_limits *limits)
{
	if (ns >= limits->critical_ns)
		return WATCH_CRITICAL;
	if (ns >= limits->warning_ns)
		return WATCH_WARNING;
	return ns >= limits->notice_ns ? WATCH_NOTICE : WATCH_QUIET;
}

/* How much a reason tells, for findings of one level. */
static int reason_rank(enum watch_reason reason)
{
	switch (reason) {
	case WATCH_WAIT:
		return 4;
	case WATCH_SILENT:
		return 3;
	case WATCH_STUCK:
		return 2;
	case WATCH_SLEEP:
		return 1;
	case WATCH_NOTHING:
		break;
	}
	return 0;
}

static void keep_worst(struct watch_finding *worst, const struct watch_finding *found)
{
	if (found->level < worst->level)
		return;
	if (found->level == worst->level) {
		int a = reason_rank(found->reason), b = reason_rank(worst->reason);

		if (a < b || (a == b && found->for_ns <= worst->for_ns))
			return;
	}
	*worst = *found;
}

static void judge_spell(struct watch_finding *worst, const struct watch_limits *limits,
			struct watch_finding found, uint64_t now_ns)
{
	if (!found.since_ns || found.since_ns > now_ns)
		return;
	found.for_ns = now_ns - found.since_ns;
	found.level = level_of(found.for_ns, limits);
	if (found.level != WATCH_QUIET)
		keep_worst(worst, &found);
}

static void judge_cpu(struct watch_finding *worst, const struct watch_cpu *cpu,
		      const struct watch_limits *limits, uint64_t now_ns)
{
	struct watch_finding found = { .cpu = cpu->cpu };
	uint64_t silent;

	if (!cpu->online || !cpu->tick_ns)
		return;
	silent = now_ns > cpu->tick_ns ? now_ns - cpu->tick_ns : 0;
	if (silent >= limits->notice_ns) {
		/* What it was doing at its last tick may be long over. */
		found.reason = WATCH_SILENT;
		found.since_ns = cpu->tick_ns;
		judge_spell(worst, limits, found, now_ns);
		return;
	}
	found.reason = WATCH_STUCK;
	found.since_ns = cpu->stuck_since_ns;
	judge_spell(worst, limits, found, now_ns);
	found.reason = WATCH_WAIT;
	for (uint32_t i = 0; i < cpu->n_waits && i < WATCH_WAITS; i++) {
		if (!watch_wait_is_open(cpu, i, limits))
			continue;
		found.lock = cpu->waits[i].lock;
		found.since_ns = cpu->waits[i].since_ns;
		judge_spell(worst, limits, found, now_ns);
	}
}

struct watch_finding watch_judge(const struct watch_cpu *cpus, uint32_t n_cpus,
				 const struct watch_sleep *sleeps, uint32_t n_sleeps,
				 const struct watch_limits *limits, uint64_t now_ns)
{
	struct watch_finding worst = { .cpu = UINT32_MAX };

	for (uint32_t i = 0; i < n_cpus; i++)
		judge_cpu(&worst, &cpus[i], limits, now_ns);
	for (uint32_t i = 0; i < n_sleeps && limits->sleep_ns; i++) {
		struct watch_finding found = {
			.level = WATCH_WARNING,
			.reason = WATCH_SLEEP,
			.cpu = UINT32_MAX,
			.pid = sleeps[i].pid,
			.lock = sleeps[i].lock,
			.since_ns = sleeps[i].since_ns,
		};

		if (found.since_ns > now_ns || now_ns - found.since_ns < limits->sleep_ns)
			continue;
		found.for_ns = now_ns - found.since_ns;
		keep_worst(&worst, &found);
	}
	return worst;
}

enum watch_action watch_step(struct watch *watch, const struct watch_finding *finding,
			     uint64_t now_ns)
{
	if (finding->level == WATCH_QUIET) {
		if (!watch->prepared && watch->reported == WATCH_QUIET)
			return WATCH_DO_NOTHING;
		if (!watch->calm_ns)
			watch->calm_ns = now_ns;
		if (now_ns - watch->calm_ns < CALM_NS)
			return WATCH_DO_NOTHING;
		*watch = (struct watch){ 0 };
		return WATCH_END;
	}
	watch->calm_ns = 0;
	if (finding->level >= WATCH_WARNING && finding->level > watch->reported) {
		watch->reported = finding->level;
		watch->prepared = true;
		return WATCH_REPORT;
	}
	if (!watch->prepared) {
		watch->prepared = true;
		return WATCH_PREPARE;
	}
	return WATCH_DO_NOTHING;
}

const char *watch_level_name(enum watch_level level)
{
	switch (level) {
	case WATCH_QUIET:
		break;
	case WATCH_NOTICE:
		return "notice";
	case WATCH_WARNING:
		return "warning";
	case WATCH_CRITICAL:
		return "critical";
	}
	return "quiet";
}

const char *watch_reason_name(enum watch_reason reason)
{
	switch (reason) {
	case WATCH_NOTHING:
		break;
	case WATCH_WAIT:
		return "lock-wait";
	case WATCH_STUCK:
		return "no-switch";
	case WATCH_SILENT:
		return "no-tick";
	case WATCH_SLEEP:
		return "sleeping-wait";
	}
	return "nothing";
}
