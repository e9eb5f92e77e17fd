// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/crash_transcript.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/primitives.h"
#include "kernel/frame_context.h"
#include "source/crash_session.h"
#include "source/kernel_reports.h"
#include "source/text_clean.h"
#include "source/text_locks.h"

#define CPUS_MAX 8192 /* CONFIG_NR_CPUS of the largest distribution kernels */

/* "PID: 6836 TASK: …" */
static bool has_header(const char *text, const char *end)
{
	for (const char *p = text; (p = memmem(p, (size_t)(end - p), "PID:", 4));) {
		const char *next;
		uint32_t pid;

		for (p += 4; p < end && (*p == ' ' || *p == '\t'); p++)
			;
		next = crash_number(p, end, &pid);
		for (; next && next < end && (*next == ' ' || *next == '\t' || *next == '\n'); next++)
			;
		if (next && end - next > 5 && memcmp(next, "TASK:", 5) == 0)
			return true;
	}
	return false;
}

/* "#6 [ffff880028283950] f at ffffffff812a6f29", "[exception RIP: f+9]" */
static bool has_frame(const char *text, const char *end)
{
	struct text_frame frame;

	for (const char *p = text; (p = memchr(p, '#', (size_t)(end - p))); p++) {
		const char *limit = (size_t)(end - p) < 600 ? end : p + 600;

		if (text_frame_scan(p, limit, &frame) && frame.number != SNAPSHOT_NONE &&
		    frame.address)
			return true;
	}
	return memmem(text, (size_t)(end - text), "[exception RIP:", 15) != NULL;
}

bool crash_transcript_detect(const char *text, size_t size)
{
	size_t n;
	char *clean;
	bool found;

	if (has_header(text, text + size) || has_frame(text, text + size))
		return true;
	/* Blanks of a web page may hide it; consoles do not speak of TASK:. */
	if (!memmem(text, size, "TASK:", 5))
		return false;
	clean = text_clean(text, size, &n);
	found = clean && (has_header(clean, clean + n) || has_frame(clean, clean + n));
	free(clean);
	return found;
}

/* --- one entry per task --- */

/* Same task: same pid, but of idle tasks (pid 0) and nameless stacks only their CPU tells. */
static int task_compare(const void *a, const void *b)
{
	const struct crash_task *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if ((x->pid == 0 || x->pid == SNAPSHOT_NONE) && x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool task_same(const struct crash_task *x, const struct crash_task *y)
{
	if (x->pid == SNAPSHOT_NONE)
		return x->cpu != SNAPSHOT_NONE && y->pid == SNAPSHOT_NONE && x->cpu == y->cpu;
	return x->pid == y->pid && (x->pid != 0 || x->cpu == y->cpu) &&
	       (!x->address || !y->address || x->address == y->address);
}

static uint32_t stack_n_reliable(const struct stack *stack)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < stack->n; i++)
		n += stack->frames[i].reliable;
	return n;
}

/* A task may be shown again: the better stack counts, and what either says in words. */
static void task_merge(struct crash_task *into, const struct crash_task *from)
{
	if (from->stack.n && stack_n_reliable(&from->stack) >= stack_n_reliable(&into->stack)) {
		into->stack = from->stack;
		into->nmi_frames = from->nmi_frames;
		into->user = from->user;
	}
	if (into->cpu == SNAPSHOT_NONE)
		into->cpu = from->cpu;
	into->address = into->address ? into->address : from->address;
	into->comm = into->comm ? into->comm : from->comm;
	into->active |= from->active;
	into->has_header |= from->has_header;
	if (into->state == TASK_STATE_UNKNOWN)
		into->state = from->state;
}

/* Also drops what is no task: a frame or two of prose without a name. */
static void tasks_unite(struct crash_session *s)
{
	uint32_t n = 0;

	if (s->n_tasks)
		qsort(s->tasks, s->n_tasks, sizeof(*s->tasks), task_compare);
	for (uint32_t i = 0; i < s->n_tasks; i++) {
		const struct crash_task *task = &s->tasks[i];

		if (!task->has_header && task->stack.n < 2)
			continue;
		if (n && task_same(&s->tasks[n - 1], task))
			task_merge(&s->tasks[n - 1], task);
		else
			s->tasks[n++] = *task;
	}
	s->n_tasks = n;
}

/* --- stacks --- */

static bool function_switches(const char *function)
{
	static const char *const names[] = { "schedule", "__schedule", "__switch_to", "thread_return",
					     "context_switch", "schedule_idle", "preempt_schedule_common",
					     NULL };

	for (const char *const *name = names; *name; name++)
		if (function_same(function, *name))
			return true;
	return false;
}

/* Was it running? A task that is switched out has the scheduler innermost. */
static bool task_is_running(const struct crash_task *task)
{
	const struct stack *stack = &task->stack;

	if (stack->n == 0)
		return task->active || task->user;
	return !function_switches(stack->frames[0].function);
}

static int stack_contexts(struct arena *arena, struct crash_task *task)
{
	struct stack *stack = &task->stack;
	uint8_t *classes = arena_alloc(arena, stack->n + 1);

	if (!classes)
		return -ENOMEM;
	for (uint32_t i = 0; i < stack->n; i++)
		classes[i] = stack->frames[i].reliable ? entry_class_of(stack->frames[i].function) :
							 ENTRY_NONE;
	frame_contexts_assign(stack->frames, classes, stack->n, STACK_TASK);
	for (uint32_t i = 0; i < task->nmi_frames && i < stack->n; i++)
		if (stack->frames[i].context == CONTEXT_TASK)
			stack->frames[i].context = CONTEXT_NMI;
	return 0;
}

/* --- CPUs and tasks --- */

struct assembly {
	struct crash_session *s;
	struct snapshot *out;
	uint32_t *runs; /* by CPU number below n_ids: index of the session's task, NONE */
	uint32_t n_ids;
};

static uint32_t cpu_limit(const struct crash_session *s)
{
	uint32_t n = s->n_cpus != SNAPSHOT_NONE && s->n_cpus <= CPUS_MAX ? s->n_cpus : 0;

	for (uint32_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i].cpu != SNAPSHOT_NONE && s->tasks[i].cpu < CPUS_MAX &&
		    s->tasks[i].cpu >= n)
			n = s->tasks[i].cpu + 1;
	return n;
}

/* How sure it is that a task is the one on its CPU; 0: it is not. */
static int running_rank(const struct crash_task *task)
{
	if (task->cpu >= CPUS_MAX || !task_is_running(task))
		return 0;
	if (task->stack.n && (task->stack.frames[0].interrupted ||
			      function_is_crash_path(task->stack.frames[0].function)))
		return 3;
	return task->active ? 2 : 1;
}

static void choose_running(struct assembly *a)
{
	for (uint32_t i = 0; i < a->s->n_tasks; i++) {
		const struct crash_task *task = &a->s->tasks[i];
		int rank = running_rank(task);
		uint32_t *slot;

		if (!rank)
			continue;
		slot = &a->runs[task->cpu];
		if (*slot == SNAPSHOT_NONE || rank > running_rank(&a->s->tasks[*slot]))
			*slot = i;
	}
}

static int task_add(struct assembly *a, const struct crash_task *from, bool on_cpu)
{
	struct task *task = ARENA_APPEND(&a->out->arena, a->out->tasks, a->out->n_tasks);

	if (!task)
		return -ENOMEM;
	*task = (struct task){
		.address = from->address,
		.pid = from->pid,
		.tgid = SNAPSHOT_NONE,
		.comm = from->comm,
		.state = from->state,
		.cpu = from->cpu,
		.on_cpu = on_cpu,
		.last_ran_ns = SNAPSHOT_NO_TIME,
		.start_ns = SNAPSHOT_NO_TIME,
	};
	if (on_cpu && task->state == TASK_STATE_UNKNOWN)
		task->state = TASK_STATE_RUNNING;
	if (!on_cpu)
		task->stack = from->stack;
	return 0;
}

/* Interrupted places are where registers are; the first one is what the CPU was doing. */
static void cpu_set_regs(struct cpu *cpu)
{
	for (uint32_t i = 0; i < cpu->stack.n && !cpu->regs.known; i++)
		if (cpu->stack.frames[i].regs)
			cpu->regs = *cpu->stack.frames[i].regs;
	if (!cpu->regs.known)
		cpu->why_no_regs = "the transcript does not show them";
}

/* X86 EFLAGS.IF at the place that the NMI struck. */
static int8_t irqs_off(const struct assembly *a, const struct cpu *cpu)
{
	if (!cpu->regs.known || !regs_has(&cpu->regs, REG_FLAGS) || !a->out->arch ||
	    (strcmp(a->out->arch, "x86_64") != 0 && a->out->arch[0] != 'i'))
		return -1;
	return !(cpu->regs.v[REG_FLAGS] & 0x200);
}

static int cpu_add(struct assembly *a, uint32_t id)
{
	struct cpu *cpu = ARENA_APPEND(&a->out->arena, a->out->cpus, a->out->n_cpus);
	uint32_t index = a->runs[id];
	const struct crash_task *task = index == SNAPSHOT_NONE ? NULL : &a->s->tasks[index];

	if (!cpu)
		return -ENOMEM;
	*cpu = (struct cpu){ .id = id, .online = true, .irqs_off = -1, .task = SNAPSHOT_NONE,
			     .no_switch_ns = SNAPSHOT_NO_TIME, .watchdog_ns = SNAPSHOT_NO_TIME,
			     .last_tick_ns = SNAPSHOT_NO_TIME, .nr_running = SNAPSHOT_NONE,
			     .panic = id == a->s->panic_cpu };
	if (!task) {
		cpu->why_no_regs = "the transcript does not show this CPU";
		return 0;
	}
	cpu->stack = task->stack;
	cpu->user = task->user && (cpu->stack.n == 0 || cpu->stack.n == task->nmi_frames ||
				   cpu->stack.frames[cpu->stack.n - 1].context == CONTEXT_NMI);
	/* Nothing but the NMI that took the picture lies over user mode. */
	if (cpu->user)
		cpu->stack.n = 0;
	cpu->has_stack = cpu->stack.n || cpu->user;
	cpu->idle = task->pid == 0;
	cpu->task = a->out->n_tasks;
	cpu_set_regs(cpu);
	cpu->irqs_off = irqs_off(a, cpu);
	return task_add(a, task, true);
}

static int assemble(struct assembly *a)
{
	int r = 0;

	a->n_ids = cpu_limit(a->s);
	a->runs = arena_calloc(&a->out->arena, (size_t)a->n_ids + 1, sizeof(*a->runs));
	if (!a->runs)
		return -ENOMEM;
	memset(a->runs, 0xff, a->n_ids * sizeof(*a->runs));
	for (uint32_t i = 0; i < a->s->n_tasks && r == 0; i++)
		r = stack_contexts(&a->out->arena, &a->s->tasks[i]);
	choose_running(a);
	for (uint32_t id = 0; id < a->n_ids && r == 0; id++)
		if (a->runs[id] != SNAPSHOT_NONE || (a->s->n_cpus != SNAPSHOT_NONE && id < a->s->n_cpus))
			r = cpu_add(a, id);
	/* Blocked ones first. */
	for (int blocked = 1; blocked >= 0; blocked--)
		for (uint32_t i = 0; i < a->s->n_tasks && r == 0; i++) {
			const struct crash_task *task = &a->s->tasks[i];
			bool is_blocked = task->state == TASK_STATE_UNINTERRUPTIBLE || task->stack.n;

			if ((task->cpu < a->n_ids && a->runs[task->cpu] == i) ||
			    is_blocked != (bool)blocked)
				continue;
			r = task_add(a, task, false);
		}
	return r;
}

/* --- what the transcript does not tell --- */

static int unknown_add(struct snapshot *s, const char *sentence)
{
	const char **slot = sentence ? ARENA_APPEND(&s->arena, s->unknowns, s->n_unknowns) : NULL;

	if (!slot)
		return -ENOMEM;
	*slot = sentence;
	return 0;
}

/* "0, 3-6" */
static const char *cpus_without_stack(struct snapshot *s, uint32_t *ret_n)
{
	char text[256];
	size_t used = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_cpus; i++) {
		uint32_t first = i;

		if (s->cpus[i].has_stack || s->cpus[i].idle)
			continue;
		while (i + 1 < s->n_cpus && !s->cpus[i + 1].has_stack && !s->cpus[i + 1].idle)
			i++;
		n += i - first + 1;
		if (used > sizeof(text) - 40) {
			used += (size_t)snprintf(text + used, sizeof(text) - used, ", …");
			break;
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", used ? ", " : "",
					 s->cpus[first].id);
		if (i > first)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "-%u",
						 s->cpus[i].id);
	}
	*ret_n = n;
	return n ? arena_strndup(&s->arena, text, used) : NULL;
}

static int tell_unknowns(const struct crash_session *session, struct snapshot *s)
{
	uint32_t n;
	const char *missing = cpus_without_stack(s, &n);
	int r = 0;

	if (n)
		r = unknown_add(s, arena_printf(&s->arena,
						"The transcript does not show the stack%s of CPU%s %s: "
						"what %s did is not known. crash's \"bt -a\" prints "
						"all CPUs.",
						n > 1 ? "s" : "", n > 1 ? "s" : "", missing,
						n > 1 ? "they" : "it"));
	if (r == 0 && s->n_cpus_total == SNAPSHOT_NONE)
		r = unknown_add(s, "The transcript does not say how many CPUs the machine has: "
				   "crash's \"sys\" does, and \"bt -a\" shows them all.");
	if (r == 0 && session->another)
		r = unknown_add(s, "The text goes on with the session of another machine or kernel; "
				   "only the first was read.");
	return r;
}

/* --- the whole --- */

/* "x86_64" of "x86_64 (3702 Mhz)"; as uname -m says it. */
static const char *arch_of(const struct crash_session *s)
{
	if (s->machine)
		return strcmp(s->machine, "i686") == 0 ? "i386" : s->machine;
	return s->arch_by_regs;
}

static int log_read(struct crash_session *s, struct snapshot *out)
{
	if (!s->log_size)
		return 0;
	out->log = arena_strndup(&out->arena, s->log, s->log_size);
	if (!out->log)
		return -ENOMEM;
	out->log_size = s->log_size;
	return kernel_reports_parse(&out->arena, out->log, out->log_size, &out->reports,
				    &out->n_reports);
}

static int snapshot_fill(struct crash_session *s, struct snapshot *out)
{
	struct assembly a = { .s = s, .out = out };
	int r;

	out->kernel_release = s->release;
	out->kernel_version = s->version;
	out->arch = arch_of(s);
	out->nodename = s->nodename;
	out->n_cpus_total = s->n_cpus;
	out->has_uptime = s->has_uptime;
	out->uptime_s = s->uptime_s;
	out->has_loadavg = s->has_loadavg;
	memcpy(out->loadavg, s->loadavg, sizeof(out->loadavg));
	out->panic = s->panic;
	out->panic_cpu = s->panic_cpu;
	out->panic_pid = s->panic_pid;
	out->panic_comm = s->panic_comm;
	tasks_unite(s);
	r = log_read(s, out);
	if (r == 0)
		r = assemble(&a);
	if (r == 0)
		r = text_locks_find(out);
	return r < 0 ? r : tell_unknowns(s, out);
}

int crash_transcript_snapshot(struct msgs *msgs, const char *path, const char *text, size_t size,
			      struct snapshot *ret_snapshot)
{
	struct crash_session session = { 0 };
	struct snapshot out;
	size_t clean_size;
	char *clean = text_clean(text, size, &clean_size);
	bool any = false;
	int r;

	if (!clean) {
		msgs_add(msgs, "%s: out of memory", path);
		return -ENOMEM;
	}
	snapshot_init(&out);
	out.kind = SOURCE_CRASH_TRANSCRIPT;
	out.path = arena_strdup(&out.arena, path);
	r = out.path ? crash_session_scan(&session, &out.arena, clean, clean_size) : -ENOMEM;
	if (r == 0)
		r = snapshot_fill(&session, &out);
	crash_session_done(&session);
	free(clean);
	for (uint32_t i = 0; i < out.n_cpus && !any; i++)
		any = out.cpus[i].has_stack;
	any |= out.n_tasks > 0;
	if (r == 0 && !any) {
		msgs_add(msgs, "%s: no backtrace of a crash session is in it", path);
		r = -EBADMSG;
	} else if (r == -ENOMEM) {
		msgs_add(msgs, "%s: out of memory", path);
	}
	if (r < 0) {
		snapshot_done(&out);
		return r;
	}
	*ret_snapshot = out;
	return 0;
}
