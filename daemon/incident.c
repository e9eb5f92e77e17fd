// SPDX-License-Identifier: GPL-2.0-or-later
#include "incident.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "render/render.h"
#include "store.h"

uint64_t clock_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void watch_limits_from(const struct config *config, struct watch_limits *ret_limits)
{
	*ret_limits = (struct watch_limits){
		.period_ns = 1000000000ULL / config->rate_hz,
		.notice_ns = config->notice_ns,
		.warning_ns = config->warning_ns,
		.critical_ns = config->critical_ns,
		.sleep_ns = config->sleep_ns,
	};
}

static json_t *json_ms(uint64_t ns)
{
	return json_real((double)(ns / 1000) / 1e3);
}

static json_t *json_hex(uint64_t value)
{
	char text[32];

	if (!value)
		return json_null();
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

static json_t *probes_json(const struct probes *probes)
{
	json_t *array = json_array();

	for (int i = 0; i < PROBES_N; i++) {
		const struct probe_state *s = probes_state(probes, (enum probe)i);
		json_t *item = json_pack("{s:s, s:b}", "name", s->name, "attached", s->attached);

		if (!s->attached) {
			json_object_set_new(item, "why", json_string(s->why));
			json_object_set_new(item, "lost", json_string(s->lost));
		}
		json_array_append_new(array, item);
	}
	return array;
}

static json_t *waits_json(const struct live_wait *waits, uint32_t n, bool pids)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++) {
		json_t *item = json_pack("{s:o, s:o, s:i}", "lock", json_hex(waits[i].lock),
					 "waited_ms", json_ms(waits[i].waited_ns), "flags",
					 (int)waits[i].flags);

		if (pids)
			json_object_set_new(item, "pid", json_integer(waits[i].pid));
		json_array_append_new(array, item);
	}
	return array;
}

static json_t *cpus_json(const struct live_state *state)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < state->n_cpus; i++) {
		const struct live_cpu *cpu = &state->cpus[i];
		char comm[17] = "";
		json_t *item, *stack;

		if (!cpu->sampled)
			continue;
		/* Names are bytes; JSON is not. */
		for (size_t k = 0; k < sizeof(cpu->comm) && cpu->comm[k]; k++)
			comm[k] = cpu->comm[k] >= 32 && cpu->comm[k] < 127 ? cpu->comm[k] : '?';
		item = json_pack("{s:i, s:i, s:s, s:s, s:o, s:o, s:o}", "cpu", (int)cpu->id, "pid",
				 (int)cpu->pid, "comm", comm, "mode",
				 cpu->user ? "user" : cpu->idle ? "idle" : "kernel", "silent_ms",
				 json_ms(cpu->silent_ns), "stuck_ms",
				 cpu->stuck_ns ? json_ms(cpu->stuck_ns) : json_null(), "waits",
				 waits_json(cpu->waits, cpu->n_waits, false));
		if (cpu->has_preempt)
			json_object_set_new(item, "preempt_count", json_integer(cpu->preempt_count));
		stack = json_array();
		for (uint32_t k = 0; k < cpu->n_stack; k++)
			json_array_append_new(stack, json_hex(cpu->stack[k]));
		json_object_set_new(item, "stack", stack);
		json_array_append_new(array, item);
	}
	return array;
}

static json_t *drops_json(const struct probes *probes)
{
	struct probe_counts counts;

	probes_count(probes, &counts);
	return json_pack("{s:I, s:I, s:I}", "contention_events", (json_int_t)counts.begun,
			 "missed_events", (json_int_t)counts.missed, "lost_waits",
			 (json_int_t)counts.lost);
}

static json_t *boot_id(void)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char text[64] = "";

	if (file) {
		if (!fgets(text, sizeof(text), file))
			text[0] = '\0';
		fclose(file);
	}
	text[strcspn(text, "\n")] = '\0';
	return *text ? json_string(text) : json_null();
}

static json_t *verdict_json(const struct snapshot *snapshot, const struct verdict *verdict)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	json_t *json = NULL;
	int r;

	if (!file)
		return NULL;
	r = render_json(snapshot, verdict, NULL, file);
	if (fclose(file) == 0 && r == 0)
		json = json_loadb(text, size, 0, NULL);
	free(text);
	return json;
}

static json_t *incident_json(const struct probes *probes, const struct live_state *state,
			     const struct watch_finding *finding, const struct snapshot *snapshot,
			     const struct verdict *verdict, uint64_t now_ns)
{
	time_t now = time(NULL);
	json_t *json = json_object(), *trigger;
	char stamp[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	trigger = json_pack("{s:s, s:o, s:o, s:o, s:o}", "reason",
			    watch_reason_name(finding->reason), "cpu",
			    finding->cpu == UINT32_MAX ? json_null() : json_integer(finding->cpu),
			    "pid", finding->pid ? json_integer(finding->pid) : json_null(), "lock",
			    json_hex(finding->lock), "for_ms", json_ms(finding->for_ns));
	json_object_set_new(json, "schema", json_string("holdup.incident/1"));
	json_object_set_new(json, "time", json_string(stamp));
	json_object_set_new(json, "time_s", json_integer(now));
	json_object_set_new(json, "first_time_s", json_integer(now));
	json_object_set_new(json, "uptime_s", json_real((double)(now_ns / 1000) / 1e6));
	json_object_set_new(json, "boot_id", boot_id());
	json_object_set_new(json, "level", json_string(watch_level_name(finding->level)));
	json_object_set_new(json, "count", json_integer(1));
	json_object_set_new(json, "signature", json_string(verdict->signature));
	json_object_set_new(json, "summary", json_string(verdict->summary ? verdict->summary : ""));
	json_object_set_new(json, "trigger", trigger);
	json_object_set_new(json, "probes", probes_json(probes));
	json_object_set_new(json, "drops", drops_json(probes));
	json_object_set_new(json, "cpus", cpus_json(state));
	json_object_set_new(json, "sleeps", waits_json(state->sleeps, state->n_sleeps, true));
	json_object_set_new(json, "verdict", verdict_json(snapshot, verdict));
	return json;
}

static void report_fill(const struct snapshot *snapshot, const struct verdict *v,
			struct incident_report *report)
{
	snprintf(report->signature, sizeof(report->signature), "%s", v->signature);
	snprintf(report->event, sizeof(report->event), "%s", event_name(v->event));
	snprintf(report->pattern, sizeof(report->pattern), "%s", pattern_name(v->pattern));
	snprintf(report->summary, sizeof(report->summary), "%s", v->summary ? v->summary : "");
	if (v->lock_name)
		snprintf(report->lock, sizeof(report->lock), "%s", v->lock_name);
	report->confidence = v->confidence;
	report->n_waiters = v->n_waiters;
	report->holder_cpu = v->has_holder ? v->holder.cpu : SNAPSHOT_NONE;
	report->holder_pid = v->has_holder ? v->holder.pid : SNAPSHOT_NONE;
	if (v->has_holder && v->holder.function)
		snprintf(report->holder, sizeof(report->holder), "%s", v->holder.function);
}

static int incident_save(const struct config *config, json_t *json, struct incident_report *report)
{
	const struct store_limits limits = {
		.max_count = config->max_count,
		.max_bytes = config->max_bytes,
		.max_age_s = config->max_age_s,
		.min_interval_s = config->min_interval_s,
	};
	struct msgs msgs;
	int r;

	msgs_init(&msgs);
	r = store_save(&msgs, config->directory, &limits, json, report->path);
	if (r == 0) {
		report->saved_ns = clock_monotonic();
		store_trim(&msgs, config->directory, &limits, (uint64_t)time(NULL));
	}
	if (msgs.n)
		snprintf(report->error, sizeof(report->error), "%s", msgs.lines[0]);
	msgs_done(&msgs);
	return r;
}

void incident_make(const struct config *config, const struct probes *probes, struct live *live,
		   const struct watch_limits *limits, const struct watch_finding *finding,
		   struct incident_report *ret_report)
{
	struct incident_report *report = ret_report;
	struct live_state state = { 0 };
	struct verdict *verdict = NULL;
	struct snapshot snapshot;
	json_t *json;
	int r;

	*report = (struct incident_report){
		.level = finding->level,
		.reason = finding->reason,
		.for_ns = finding->for_ns,
		.holder_cpu = SNAPSHOT_NONE,
		.holder_pid = SNAPSHOT_NONE,
		.taken_ns = clock_monotonic(),
		.memory = live_has_memory(live),
	};
	snapshot_init(&snapshot);
	r = probes_read_state(probes, limits, report->taken_ns, &state);
	if (r >= 0)
		r = live_take(live, &state, &snapshot);
	if (r >= 0)
		r = diagnose(&snapshot, &verdict);
	if (r >= 0) {
		report_fill(&snapshot, verdict, report);
		if (verdict->event == EVENT_NONE && finding->level < WATCH_CRITICAL)
			r = -ENODATA;
	}
	if (r >= 0) {
		json = incident_json(probes, &state, finding, &snapshot, verdict, report->taken_ns);
		r = json ? incident_save(config, json, report) : -ENOMEM;
		json_decref(json);
	}
	report->result = r;
	if (r < 0 && !report->error[0])
		snprintf(report->error, sizeof(report->error), "%s", strerror(-r));
	verdict_free(verdict);
	snapshot_done(&snapshot);
	live_state_free(&state);
}
