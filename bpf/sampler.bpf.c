// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs: a sampler for each CPU, and the two ends of contention on locks. One object, so
 * that they share maps; those that the running kernel has no place for are not loaded.
 *
 * Nothing here allocates, takes a lock of a map or sends to the ring on a lock's path: the lock
 * programs write to array elements, one per CPU, or to a slot claimed by one compare-and-swap. The
 * sampler alone wakes the daemon, from its tick.
 */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "events.h"
#include "flight.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct ev_settings);
} settings SEC(".maps");

/* By CPU; resized when loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct ev_sample);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct ev_cpu_waits);
} cpu_waits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EV_SLEEPS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct ev_sleep);
} sleeps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} wakes SEC(".maps");

/* Where the count is depends on the version. */
extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

#define PREEMPT_NEED_RESCHED 0x80000000u
#define HARDIRQ_ONE 0x10000u /* include/linux/preempt.h: one level of hard interrupt, our tick's */
#define NMI_ONE 0x100000u
#define RFLAGS_IF 0x200u

#define WAKE_GAP_NS 50000000ULL	 /* records to the daemon are at least so far apart */
#define ALARM_NS 300000000ULL	 /* an alarm is old after this */
#define barrier() asm volatile("" ::: "memory")

/* The mask must stay in the code, or older verifiers lose sight of the bound. */
static __always_inline struct ev_wait *wait_at(struct ev_cpu_waits *w, uint32_t at)
{
	asm volatile("" : "+r"(at));
	return &w->waits[at & (EV_SPINS_MAX - 1)];
}

#include "waits.bpf.h"

static __always_inline int is_dormant(const struct ev_settings *set, uint64_t now)
{
	return now > set->daemon_seen_ns && now - set->daemon_seen_ns > set->dormant_ns;
}

static __always_inline void read_preempt(struct ev_sample *s)
{
	const int *count = 0;

	if (&__preempt_count)
		count = bpf_this_cpu_ptr(&__preempt_count);
	else if (&pcpu_hot)
		count = &((const struct pcpu_hot *)bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
	if (!count)
		return;
	s->preempt_count = (uint32_t)*count & ~PREEMPT_NEED_RESCHED;
	if (s->preempt_count & (NMI_ONE * 0xf))
		s->preempt_count -= NMI_ONE;
	if (s->preempt_count & HARDIRQ_ONE * 0xf)
		s->preempt_count -= HARDIRQ_ONE;
	s->mode |= EV_SAMPLE_PREEMPT;
}

static __always_inline void read_machine(struct ev_sample *s, const struct bpf_perf_event_data *ctx,
					 struct task_struct *task, int counts)
{

	s->mode = (ctx->regs.cs & 3) == 3 ? EV_SAMPLE_USER : 0;
	if (!(ctx->regs.flags & RFLAGS_IF))
		s->mode |= EV_SAMPLE_IRQS_OFF;
	if (counts)
		read_preempt(s);
	/* With group scheduling a task's queue leads to its CPU's. */
	if (bpf_core_field_exists(struct cfs_rq, rq)) {
		s->nr_running = BPF_CORE_READ(task, se.cfs_rq, rq, nr_running);
		s->mode |= EV_SAMPLE_RUNNING;
	}
	/* Interrupts and softirqs run over the idle task too: then the CPU is not idle. */
	if (!s->pid && !(s->mode & EV_SAMPLE_PREEMPT && s->preempt_count & 0xffff00))
		s->mode |= EV_SAMPLE_IDLE;
}

/*
 * A streak: from tick to tick the same task, in the kernel, with no switch, although one was due
 * (others want the CPU) or could not be (preemption, softirqs or interrupts are off). A long
 * system call on an otherwise empty CPU is none.
 */
static __always_inline void streak(struct ev_sample *s, uint64_t task, uint64_t switches,
				   uint64_t now)
{
	int held_up = 0;

	if (s->mode & EV_SAMPLE_PREEMPT && s->preempt_count)
		held_up = 1;
	if (s->mode & EV_SAMPLE_RUNNING && s->nr_running > 1)
		held_up = 1;
	if (s->mode & (EV_SAMPLE_USER | EV_SAMPLE_IDLE) || !held_up)
		s->stuck_since_ns = 0;
	else if (s->task != task || s->switches != switches || !s->stuck_since_ns)
		s->stuck_since_ns = now;
	s->task = task;
	s->switches = switches;
}

static __always_inline void keep_regs(struct ev_sample *s, const struct bpf_perf_event_data *ctx)
{
	s->regs[EV_REG_IP] = ctx->regs.ip;
	s->regs[EV_REG_SP] = ctx->regs.sp;
	s->regs[EV_REG_FLAGS] = ctx->regs.flags;
	s->regs[EV_REG_RAX] = ctx->regs.ax;
	s->regs[EV_REG_RBX] = ctx->regs.bx;
	s->regs[EV_REG_RCX] = ctx->regs.cx;
	s->regs[EV_REG_RDX] = ctx->regs.dx;
	s->regs[EV_REG_RSI] = ctx->regs.si;
	s->regs[EV_REG_RDI] = ctx->regs.di;
	s->regs[EV_REG_RBP] = ctx->regs.bp;
	s->regs[EV_REG_R8] = ctx->regs.r8;
	s->regs[EV_REG_R9] = ctx->regs.r9;
	s->regs[EV_REG_R10] = ctx->regs.r10;
	s->regs[EV_REG_R11] = ctx->regs.r11;
	s->regs[EV_REG_R12] = ctx->regs.r12;
	s->regs[EV_REG_R13] = ctx->regs.r13;
	s->regs[EV_REG_R14] = ctx->regs.r14;
	s->regs[EV_REG_R15] = ctx->regs.r15;
	s->regs[EV_REG_CS] = ctx->regs.cs;
	s->regs[EV_REG_SS] = ctx->regs.ss;
}

static __always_inline void flight_write(const struct ev_sample *s, const struct ev_cpu_waits *w,
					 uint32_t cpu, uint64_t now)
{
	uint32_t depth = w->depth, kind = EV_FLIGHT_STUCK;
	const struct ev_wait *wait = 0;
	struct ev_flight *spell;

	if (depth > 0 && depth <= EV_SPINS_MAX) {
		wait = wait_at((struct ev_cpu_waits *)w, depth - 1);
		kind = EV_FLIGHT_WAIT;
	}
	spell = flight_spell(cpu, kind, wait ? wait->since_ns : s->stuck_since_ns);
	if (!spell)
		return;
	spell->last_ns = now;
	spell->pid = s->pid;
	__builtin_memcpy(spell->comm, s->comm, sizeof(spell->comm));
	if (wait) {
		spell->lock = wait->lock;
		spell->flags = wait->flags;
	}
	__builtin_memcpy(spell->stack, s->stack, sizeof(spell->stack));
	spell->stack_n = s->stack_n;
}

/* A CPU that is well looks after its neighbour, and wakes the daemon where somebody is stuck. */
static __always_inline void look_after(struct ev_settings *set, uint32_t cpu, uint64_t now)
{
	uint32_t next = cpu + 1 < set->n_cpus ? cpu + 1 : 0;
	const struct ev_sample *other = bpf_map_lookup_elem(&samples, &next);
	struct ev_wake wake = { .time_ns = now, .cpu = cpu };

	if (other && other->tick_ns && now > other->tick_ns && now - other->tick_ns > set->keep_ns)
		set->alarm_ns = now;
	if (now - set->alarm_ns > ALARM_NS || now - set->wake_ns < WAKE_GAP_NS)
		return;
	set->wake_ns = now;
	bpf_ringbuf_output(&wakes, &wake, sizeof(wake), 0);
}

static __always_inline int tick(struct bpf_perf_event_data *ctx, int counts)
{
	uint64_t now = bpf_ktime_get_ns(), id = bpf_get_current_pid_tgid(), gap, switches;
	uint32_t cpu = bpf_get_smp_processor_id(), zero = 0;
	struct ev_settings *set = bpf_map_lookup_elem(&settings, &zero);
	struct ev_sample *s = bpf_map_lookup_elem(&samples, &cpu);
	struct ev_cpu_waits *w = bpf_map_lookup_elem(&cpu_waits, &cpu);
	struct task_struct *task = (void *)bpf_get_current_task();
	int n;

	if (!set || !s || !w || is_dormant(set, now))
		return 0;
	s->seq++;
	barrier();
	gap = s->tick_ns && now > s->tick_ns ? now - s->tick_ns : 0;
	if (gap > 2 * set->period_ns && gap - set->period_ns >= s->late_max_ns) {
		s->late_max_ns = gap - set->period_ns;
		s->late_at_ns = now;
	}
	s->tick_ns = now;
	s->ticks++;
	s->pid = (uint32_t)id;
	s->tgid = id >> 32;
	bpf_get_current_comm(s->comm, sizeof(s->comm));
	read_machine(s, ctx, task, counts);
	switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	streak(s, (uint64_t)task, switches, now);
	/* No spin survives user mode or idling: an end that was missed heals here. */
	if (s->mode & (EV_SAMPLE_USER | EV_SAMPLE_IDLE) && !w->busy)
		w->depth = 0;
	s->stack_n = 0;
	if (s->stuck_since_ns && now - s->stuck_since_ns >= set->keep_ns) {
		keep_regs(s, ctx);
		n = bpf_get_stack(ctx, s->stack, sizeof(s->stack), 0);
		s->stack_n = n > 0 ? (uint32_t)n / 8 : 0;
		flight_write(s, w, cpu, now);
		set->alarm_ns = now;
	}
	barrier();
	s->seq++;
	if (!s->stuck_since_ns)
		look_after(set, cpu, now);
	return 0;
}

SEC("perf_event")
int on_tick(struct bpf_perf_event_data *ctx)
{
	return tick(ctx, 1);
}

/* For kernels whose kallsyms does not tell where the preempt count is: no per-CPU variable. */
SEC("perf_event")
int on_tick_plain(struct bpf_perf_event_data *ctx)
{
	return tick(ctx, 0);
}
