// SPDX-License-Identifier: GPL-2.0-or-later
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/holdup.skel.h"

#define READ_TRIES 4 /* of a sample that is being written */

struct probes {
	struct holdup_bpf *bpf;
	struct probe_state states[PROBES_N];
	uint32_t n_cpus;
	struct bpf_link **links; /* of the sampler, by CPU */
	struct ring_buffer *ring;
	struct ev_settings *settings; /* the maps, mapped */
	struct ev_sample *samples;
	struct ev_cpu_waits *waits;
	struct ev_sleep *sleeps;
};

/* libbpf speaks to the terminal of its own accord; the last line is kept for our messages. */
static char libbpf_words[160];

static int libbpf_print(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[512], *p = line;

	if (level != LIBBPF_WARN)
		return 0;
	/* For those who work on the programs: the verifier's whole word. */
	if (getenv("HOLDUP_BPF_LOG") && *getenv("HOLDUP_BPF_LOG")) {
		va_list copy;

		va_copy(copy, ap);
		vfprintf(stderr, format, copy);
		va_end(copy);
	}
	vsnprintf(line, sizeof(line), format, ap);
	if (strncmp(p, "libbpf: ", 8) == 0)
		p += 8;
	p[strcspn(p, "\n")] = '\0';
	if (*p && !strstr(p, "LOG --") && !libbpf_words[0])
		snprintf(libbpf_words, sizeof(libbpf_words), "%.150s", p);
	return 0;
}

static void state_missing(struct probes *probes, enum probe probe, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	probes->states[probe].attached = false;
	vsnprintf(probes->states[probe].why, sizeof(probes->states[probe].why), format, ap);
	va_end(ap);
}

static void states_init(struct probes *probes)
{
	probes->states[PROBE_SAMPLER] = (struct probe_state){
		.name = "sampler (perf cpu-clock on each CPU)",
		.attached = true,
		.lost = "everything: without it nothing is watched",
	};
	probes->states[PROBE_COUNTS] = (struct probe_state){
		.name = "preempt count of each CPU",
		.attached = true,
		.lost = "a CPU that loops with preemption or softirqs off is seen only once another"
			" task wants it",
	};
	probes->states[PROBE_WAITS] = (struct probe_state){
		.name = "lock waits (tracepoints lock:contention_begin and _end)",
		.attached = true,
		.lost = "how long each waits and for which lock; waits are told by stacks alone",
	};
}

static int map_map(struct bpf_map *map, bool write, void **ret)
{
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *p = mmap(NULL, size, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED,
		       bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

/* Opens and loads, with or without the preempt count and the lock programs. */
static int object_load(struct probes *probes, bool counts, bool waits)
{
	int r;

	libbpf_words[0] = '\0';
	probes->bpf = holdup_bpf__open();
	if (!probes->bpf)
		return -errno;
	bpf_program__set_autoload(probes->bpf->progs.on_tick, counts);
	bpf_program__set_autoload(probes->bpf->progs.on_tick_plain, !counts);
	bpf_program__set_autoload(probes->bpf->progs.on_contention_begin, waits);
	bpf_program__set_autoload(probes->bpf->progs.on_contention_end, waits);
	bpf_map__set_max_entries(probes->bpf->maps.samples, probes->n_cpus);
	bpf_map__set_max_entries(probes->bpf->maps.cpu_waits, probes->n_cpus);
	bpf_map__set_max_entries(probes->bpf->maps.holdup_flight, probes->n_cpus);
	r = holdup_bpf__load(probes->bpf);
	if (r < 0) {
		holdup_bpf__destroy(probes->bpf);
		probes->bpf = NULL;
	}
	return r;
}

/* From the top rung down: what does not load is left out, and said. */
static int object_new(struct msgs *msgs, struct probes *probes)
{
	static const struct {
		bool counts, waits;
	} rungs[] = { { true, true }, { false, true }, { true, false }, { false, false } };
	char first[160] = "";
	int r = 0, r1 = 0;

	for (size_t i = 0; i < sizeof(rungs) / sizeof(*rungs); i++) {
		r = object_load(probes, rungs[i].counts, rungs[i].waits);
		if (r == 0) {
			if (!rungs[i].counts)
				state_missing(probes, PROBE_COUNTS, "%.*s", 150,
					      r1 == -ENOENT ? "this kernel's kallsyms has no per-CPU"
							      " variables" :
							      first);
			if (!rungs[i].waits)
				state_missing(probes, PROBE_WAITS, "%.*s", 150, first);
			return 0;
		}
		if (!r1)
			r1 = r;
		if (!first[0])
			snprintf(first, sizeof(first), "%s", libbpf_words);
		if (r == -EPERM || r == -EACCES)
			break;
	}
	msgs_add(msgs, "BPF programs cannot be loaded: %s%s%s", strerror(-r), first[0] ? ": " : "",
		 first);
	return r;
}

static int sampler_attach(struct msgs *msgs, struct probes *probes, uint64_t period_ns)
{
	struct bpf_program *prog = probes->states[PROBE_COUNTS].attached ?
					   probes->bpf->progs.on_tick :
					   probes->bpf->progs.on_tick_plain;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = period_ns,
	};
	bool online[probes->n_cpus];
	uint32_t n = 0;

	probes_online(probes, online);
	for (uint32_t cpu = 0; cpu < probes->n_cpus; cpu++) {
		int fd;

		if (!online[cpu])
			continue;
		fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1,
				  PERF_FLAG_FD_CLOEXEC);
		if (fd < 0) {
			msgs_add(msgs, "CPU %u: perf event: %s", cpu, strerror(errno));
			continue;
		}
		probes->links[cpu] = bpf_program__attach_perf_event(prog, fd);
		if (!probes->links[cpu]) {
			msgs_add(msgs, "CPU %u: sampler: %s", cpu, strerror(errno));
			close(fd);
			continue;
		}
		n++;
	}
	if (!n) {
		msgs_add(msgs, "no CPU could be given a sampler");
		return -EPERM;
	}
	return 0;
}

static int waits_attach(struct probes *probes)
{
	struct bpf_program *const progs[] = {
		probes->bpf->progs.on_contention_end,
		probes->bpf->progs.on_contention_begin,
	};
	struct bpf_link **links[] = {
		&probes->bpf->links.on_contention_end,
		&probes->bpf->links.on_contention_begin,
	};

	/* The end first: a wait that begins in between has its end seen. */
	for (int i = 0; i < 2; i++) {
		libbpf_words[0] = '\0';
		*links[i] = bpf_program__attach(progs[i]);
		if (!*links[i]) {
			state_missing(probes, PROBE_WAITS, "%s",
				      errno == ENOENT ? "this kernel has no such tracepoints"
							" (they came with 5.19)" :
							strerror(errno));
			return 0;
		}
	}
	return 0;
}

static int wake_ignore(void *ctx, void *data, size_t size)
{
	return 0;
}

static int maps_new(struct probes *probes)
{
	int r = map_map(probes->bpf->maps.settings, true, (void **)&probes->settings);

	if (r >= 0)
		r = map_map(probes->bpf->maps.samples, false, (void **)&probes->samples);
	if (r >= 0)
		r = map_map(probes->bpf->maps.cpu_waits, false, (void **)&probes->waits);
	if (r >= 0)
		r = map_map(probes->bpf->maps.sleeps, false, (void **)&probes->sleeps);
	if (r < 0)
		return r;
	probes->ring = ring_buffer__new(bpf_map__fd(probes->bpf->maps.wakes), wake_ignore, NULL,
					NULL);
	return probes->ring ? 0 : -errno;
}

int probes_new(struct msgs *msgs, uint64_t period_ns, uint64_t keep_ns, uint64_t dormant_ns,
	       struct probes **ret_probes)
{
	struct probes *probes = calloc(1, sizeof(*probes));
	int r, n = libbpf_num_possible_cpus();

	if (!probes || n < 1) {
		free(probes);
		return n < 1 ? n : -ENOMEM;
	}
	libbpf_set_print(libbpf_print);
	probes->n_cpus = (uint32_t)n;
	probes->links = calloc((size_t)n, sizeof(*probes->links));
	states_init(probes);
	r = probes->links ? object_new(msgs, probes) : -ENOMEM;
	if (r >= 0)
		r = maps_new(probes);
	if (r >= 0) {
		probes->settings->period_ns = period_ns;
		probes->settings->keep_ns = keep_ns;
		probes->settings->dormant_ns = dormant_ns;
		probes->settings->n_cpus = probes->n_cpus;
		if (probes->states[PROBE_WAITS].attached)
			r = waits_attach(probes);
	}
	if (r >= 0)
		r = sampler_attach(msgs, probes, period_ns);
	if (r < 0) {
		probes_free(probes);
		return r;
	}
	*ret_probes = probes;
	return 0;
}

void probes_free(struct probes *probes)
{
	if (!probes)
		return;
	for (uint32_t i = 0; probes->links && i < probes->n_cpus; i++)
		bpf_link__destroy(probes->links[i]);
	free(probes->links);
	ring_buffer__free(probes->ring);
	if (probes->settings)
		munmap(probes->settings, sizeof(*probes->settings));
	if (probes->samples)
		munmap(probes->samples, probes->n_cpus * sizeof(*probes->samples));
	if (probes->waits)
		munmap(probes->waits, probes->n_cpus * sizeof(*probes->waits));
	if (probes->sleeps)
		munmap(probes->sleeps, EV_SLEEPS_MAX * sizeof(*probes->sleeps));
	holdup_bpf__destroy(probes->bpf);
	free(probes);
}

const struct probe_state *probes_state(const struct probes *probes, enum probe probe)
{
	return &probes->states[probe];
}

void probes_beat(struct probes *probes, uint64_t now_ns)
{
	__atomic_store_n(&probes->settings->daemon_seen_ns, now_ns, __ATOMIC_RELAXED);
}

int probes_fd(const struct probes *probes)
{
	return ring_buffer__epoll_fd(probes->ring);
}

void probes_drain(struct probes *probes)
{
	ring_buffer__consume(probes->ring);
}

uint32_t probes_n_cpus(const struct probes *probes)
{
	return probes->n_cpus;
}

/* A whole copy of @cpu's sample; false when it is torn each time. */
static bool sample_read(const struct probes *probes, uint32_t cpu, struct ev_sample *ret_sample)
{
	const struct ev_sample *from = &probes->samples[cpu];

	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);

		memcpy(ret_sample, from, sizeof(*ret_sample));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(seq & 1) && seq == __atomic_load_n(&from->seq, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static void watch_read(const struct probes *probes, uint32_t cpu, const struct ev_sample *sample,
		       struct watch_cpu *ret)
{
	const struct ev_cpu_waits *waits = &probes->waits[cpu];
	uint32_t depth = __atomic_load_n(&waits->depth, __ATOMIC_ACQUIRE);

	*ret = (struct watch_cpu){
		.cpu = cpu,
		.online = probes->links[cpu] != NULL,
		.tick_ns = sample->tick_ns,
		.stuck_since_ns = sample->stuck_since_ns,
		.n_waits = depth < EV_SPINS_MAX ? depth : EV_SPINS_MAX,
	};
	for (uint32_t i = 0; i < ret->n_waits; i++) {
		ret->waits[i].lock = waits->waits[i].lock;
		ret->waits[i].since_ns = waits->waits[i].since_ns;
	}
}

_Static_assert(WATCH_WAITS == EV_SPINS_MAX, "the same waits");

void probes_read_watch(const struct probes *probes, struct watch_cpu *ret_cpus)
{
	for (uint32_t cpu = 0; cpu < probes->n_cpus; cpu++) {
		const struct ev_sample *from = &probes->samples[cpu];
		struct ev_sample sample = {
			.tick_ns = __atomic_load_n(&from->tick_ns, __ATOMIC_RELAXED),
			.stuck_since_ns = __atomic_load_n(&from->stuck_since_ns, __ATOMIC_RELAXED),
		};

		watch_read(probes, cpu, &sample, &ret_cpus[cpu]);
	}
}

uint32_t probes_read_sleeps(const struct probes *probes, struct watch_sleep *ret_sleeps)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < EV_SLEEPS_MAX; i++) {
		const struct ev_sleep *s = &probes->sleeps[i];

		if (s->pid)
			ret_sleeps[n++] = (struct watch_sleep){ s->pid, s->lock, s->since_ns };
	}
	return n;
}

static void regs_read(const struct ev_sample *sample, struct regs *regs)
{
	static const uint8_t slot[EV_REGS] = {
		[EV_REG_IP] = REG_IP,	   [EV_REG_SP] = REG_SP,       [EV_REG_FLAGS] = REG_FLAGS,
		[EV_REG_RAX] = REG_X86_RAX, [EV_REG_RBX] = REG_X86_RBX, [EV_REG_RCX] = REG_X86_RCX,
		[EV_REG_RDX] = REG_X86_RDX, [EV_REG_RSI] = REG_X86_RSI, [EV_REG_RDI] = REG_X86_RDI,
		[EV_REG_RBP] = REG_X86_RBP, [EV_REG_R8] = REG_X86_R8,   [EV_REG_R9] = REG_X86_R9,
		[EV_REG_R10] = REG_X86_R10, [EV_REG_R11] = REG_X86_R11, [EV_REG_R12] = REG_X86_R12,
		[EV_REG_R13] = REG_X86_R13, [EV_REG_R14] = REG_X86_R14, [EV_REG_R15] = REG_X86_R15,
		[EV_REG_CS] = REG_X86_CS,   [EV_REG_SS] = REG_X86_SS,
	};

	for (int i = 0; i < EV_REGS; i++)
		regs_set(regs, slot[i], sample->regs[i]);
}

static void cpu_read(const struct probes *probes, uint32_t id, const struct watch_limits *limits,
		     uint64_t now_ns, struct live_cpu *cpu)
{
	struct ev_sample sample;
	struct watch_cpu watch;

	cpu->id = id;
	if (!sample_read(probes, id, &sample) || !sample.tick_ns)
		return;
	watch_read(probes, id, &sample, &watch);
	cpu->sampled = true;
	cpu->user = sample.mode & EV_SAMPLE_USER;
	cpu->idle = sample.mode & EV_SAMPLE_IDLE;
	cpu->silent_ns = now_ns > sample.tick_ns ? now_ns - sample.tick_ns : 0;
	if (sample.stuck_since_ns && now_ns > sample.stuck_since_ns)
		cpu->stuck_ns = now_ns - sample.stuck_since_ns;
	cpu->pid = sample.pid;
	cpu->tgid = sample.tgid;
	cpu->task = sample.task;
	memcpy(cpu->comm, sample.comm, sizeof(cpu->comm));
	cpu->has_preempt = sample.mode & EV_SAMPLE_PREEMPT;
	cpu->preempt_count = sample.preempt_count;
	/*
	 * A CPU that no longer ticks may have moved on from where its last tick found it. Below a
	 * warning it is taken to be late, as a virtual CPU that its host does not run.
	 */
	if (sample.stack_n && cpu->silent_ns < limits->warning_ns) {
		regs_read(&sample, &cpu->regs);
		cpu->n_stack = sample.stack_n < LIVE_STACK_MAX ? sample.stack_n : LIVE_STACK_MAX;
		memcpy(cpu->stack, sample.stack, cpu->n_stack * sizeof(*cpu->stack));
	}
	for (uint32_t i = watch.n_waits; i > 0; i--) {
		const struct ev_wait *wait = &probes->waits[id].waits[i - 1];

		if (!watch_wait_is_open(&watch, i - 1, limits))
			continue;
		cpu->waits[cpu->n_waits++] = (struct live_wait){
			.lock = watch.waits[i - 1].lock,
			.waited_ns = now_ns - watch.waits[i - 1].since_ns,
			.flags = wait->flags,
			.pid = wait->pid,
		};
	}
}

int probes_read_state(const struct probes *probes, const struct watch_limits *limits,
		      uint64_t now_ns, struct live_state *ret_state)
{
	struct live_state state = { 0 };

	state.cpus = calloc(probes->n_cpus, sizeof(*state.cpus));
	state.sleeps = calloc(EV_SLEEPS_MAX, sizeof(*state.sleeps));
	if (!state.cpus || !state.sleeps) {
		live_state_free(&state);
		return -ENOMEM;
	}
	for (uint32_t cpu = 0; cpu < probes->n_cpus; cpu++)
		if (probes->links[cpu])
			cpu_read(probes, cpu, limits, now_ns, &state.cpus[state.n_cpus++]);
	for (uint32_t i = 0; i < EV_SLEEPS_MAX; i++) {
		const struct ev_sleep *s = &probes->sleeps[i];

		if (s->pid && s->since_ns < now_ns)
			state.sleeps[state.n_sleeps++] = (struct live_wait){
				.lock = s->lock,
				.waited_ns = now_ns - s->since_ns,
				.flags = s->flags,
				.pid = s->pid,
			};
	}
	*ret_state = state;
	return 0;
}

void live_state_free(struct live_state *state)
{
	free(state->cpus);
	free(state->sleeps);
	*state = (struct live_state){ 0 };
}

void probes_count(const struct probes *probes, struct probe_counts *ret_counts)
{
	struct probe_counts c = { 0 };

	for (uint32_t cpu = 0; cpu < probes->n_cpus; cpu++) {
		c.ticks += probes->samples[cpu].ticks;
		c.begun += probes->waits[cpu].begun;
		c.missed += probes->waits[cpu].missed;
		c.lost += probes->waits[cpu].lost;
		if (probes->samples[cpu].late_max_ns > c.late_max_ns) {
			c.late_max_ns = probes->samples[cpu].late_max_ns;
			c.late_cpu = cpu;
		}
	}
	*ret_counts = c;
}

void probes_online(const struct probes *probes, bool *ret_online)
{
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");
	unsigned int from, to;
	char next = ',';

	for (uint32_t i = 0; i < probes->n_cpus; i++)
		ret_online[i] = file == NULL;
	/* "0-3,6" */
	while (file && next == ',' && fscanf(file, "%u", &from) == 1) {
		to = from;
		next = (char)fgetc(file);
		if (next == '-' && fscanf(file, "%u", &to) == 1)
			next = (char)fgetc(file);
		for (unsigned int i = from; i <= to && i < probes->n_cpus; i++)
			ret_online[i] = true;
	}
	if (file)
		fclose(file);
}
