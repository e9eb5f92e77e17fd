/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HOLDUP_WAITS_BPF_H
#define HOLDUP_WAITS_BPF_H

/*
 * Both ends of contention on a lock (lock:contention_begin and _end, since 5.19). Here we are on a
 * lock's path, perhaps one of the scheduler's own: a few loads and stores and no more.
 *
 * A spin is kept with its CPU, in nesting order; a wait that sleeps is kept with its task, in a
 * slot near the pid's own. An interrupt that strikes inside one of these programs and contends
 * too finds the guard taken and is counted as missed, with its begin and its end alike.
 */

static __always_inline struct ev_sleep *sleep_slot(uint32_t pid, uint32_t probe)
{
	uint32_t at = (pid + probe) & (EV_SLEEPS_MAX - 1);

	return bpf_map_lookup_elem(&sleeps, &at);
}

static __always_inline void sleep_begin(struct ev_cpu_waits *w, uint32_t pid, uint64_t lock,
					uint32_t flags)
{
	struct ev_sleep *slot;

	/* A mutex begins anew each time it wakes in vain: the wait goes on. */
	for (uint32_t i = 0; i < EV_PROBES; i++) {
		slot = sleep_slot(pid, i);
		if (slot && slot->pid == pid) {
			if (slot->lock == lock)
				return;
			goto fill;
		}
	}
	for (uint32_t i = 0; i < EV_PROBES; i++) {
		slot = sleep_slot(pid, i);
		if (slot && __sync_val_compare_and_swap(&slot->pid, 0, pid) == 0)
			goto fill;
	}
	w->lost++;
	return;
fill:
	slot->lock = lock;
	slot->flags = flags;
	slot->since_ns = bpf_ktime_get_ns();
	slot->task = bpf_get_current_task();
}

static __always_inline void sleep_end(uint32_t pid, uint64_t lock)
{
	for (uint32_t i = 0; i < EV_PROBES; i++) {
		struct ev_sleep *slot = sleep_slot(pid, i);

		if (slot && slot->pid == pid) {
			if (slot->lock == lock)
				slot->pid = 0;
			return;
		}
	}
}

static __always_inline struct ev_cpu_waits *waits_enter(void)
{
	uint32_t cpu = bpf_get_smp_processor_id(), zero = 0;
	struct ev_settings *set = bpf_map_lookup_elem(&settings, &zero);
	struct ev_cpu_waits *w = bpf_map_lookup_elem(&cpu_waits, &cpu);

	if (!w || !set || !set->daemon_seen_ns)
		return 0;
	if (w->busy) {
		w->missed++;
		return 0;
	}
	w->busy = 1;
	barrier();
	return w;
}

static __always_inline void waits_leave(struct ev_cpu_waits *w)
{
	barrier();
	w->busy = 0;
}

SEC("raw_tracepoint/contention_begin")
int on_contention_begin(struct bpf_raw_tracepoint_args *ctx)
{
	struct ev_cpu_waits *w = waits_enter();
	uint32_t flags = (uint32_t)ctx->args[1], pid = (uint32_t)bpf_get_current_pid_tgid(), at;

	if (!w)
		return 0;
	w->begun++;
	/* A mutex spins only as long as its owner runs, then sleeps, with no end in between. */
	if (!(flags & EV_LOCK_SPIN) || flags & EV_LOCK_MUTEX) {
		if (pid)
			sleep_begin(w, pid, ctx->args[0], flags);
	} else {
		at = w->depth++;
		if (at < EV_SPINS_MAX) {
			struct ev_wait *wait = wait_at(w, at);

			wait->lock = ctx->args[0];
			wait->flags = flags;
			wait->pid = pid;
			wait->since_ns = bpf_ktime_get_ns();
		} else {
			w->lost++;
		}
	}
	waits_leave(w);
	return 0;
}

SEC("raw_tracepoint/contention_end")
int on_contention_end(struct bpf_raw_tracepoint_args *ctx)
{
	struct ev_cpu_waits *w = waits_enter();
	uint64_t lock = ctx->args[0];
	uint32_t depth;

	if (!w)
		return 0;
	depth = w->depth;
	/* Spins end in the reverse order of their begin; one that we did not see begin is passed. */
	if (depth > EV_SPINS_MAX) {
		w->depth = depth - 1;
	} else if (depth && wait_at(w, depth - 1)->lock == lock) {
		w->depth = depth - 1;
	} else {
		sleep_end((uint32_t)bpf_get_current_pid_tgid(), lock);
	}
	waits_leave(w);
	return 0;
}

#endif
