// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stacks of a dump, one frame per line, for people and for tests/bench/compare_stacks.py:
 *   unwind_probe VMCORE [--vmlinux FILE] [--tasks] [--no-regs] [--held] [--repeat N]
 * --held adds what each function had locked by then (* on some ways only). --no-regs pretends that no CPU has registers; --repeat unwinds all tasks N times, for timing.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "dump/dump.h"
#include "kernel/kernel.h"
#include "kernel/runqueue.h"
#include "kernel/sections.h"
#include "kernel/tasks.h"
#include "kernel/unwind.h"
#include "source/vmcore_regs.h"

struct probe {
	struct kernel *kernel;
	struct dump *dump;
	struct unwinder *unwinder;
	struct sections *sections; /* NULL: not wanted */
	struct runqueue *rqs;
	struct cpu_regs *regs;
	struct task_table tasks;
	struct arena arena;
	unsigned long frames;
};

static const struct option longopts[] = {
	{ "vmlinux", required_argument, NULL, 'v' }, { "tasks", no_argument, NULL, 't' },
	{ "no-regs", no_argument, NULL, 'n' },	     { "repeat", required_argument, NULL, 'r' },
	{ "held", no_argument, NULL, 'h' },	     { 0 },
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Does the call before the frame's return address go right to the function of the frame above? */
static bool is_linked(struct kernel *kernel, const struct frame *frame, const struct frame *above)
{
	uint8_t code[5];
	int32_t rel;

	if (frame->interrupted || !above->function ||
	    kernel_read(kernel, frame->address - sizeof(code), code, sizeof(code)) < 0 ||
	    code[0] != 0xe8)
		return false;
	memcpy(&rel, code + 1, sizeof(rel));
	return frame->address + (uint64_t)(int64_t)rel == above->address - above->offset;
}

static void print_stack(struct kernel *kernel, const struct stack *stack)
{
	static const char *const contexts[] = { "task", "softirq", "irq", "nmi", "exception" };

	for (uint32_t i = 0; i < stack->n; i++) {
		const struct frame *f = &stack->frames[i];

		printf("  #%-2u sp=%016" PRIx64 " ip=%016" PRIx64 " %s+%#x/%#x%s%s%s %s%s%s", i,
		       f->sp, f->address, f->function ? f->function : "?", f->offset, f->size,
		       f->module ? " [" : "", f->module ? f->module : "", f->module ? "]" : "",
		       contexts[f->context], f->interrupted ? " interrupted" : "",
		       f->reliable ? "" : " unreliable");
		if (i && is_linked(kernel, f, f - 1))
			printf(" linked");
		if (f->regs && regs_has(f->regs, REG_X86_RDI))
			printf(" rdi=%" PRIx64 " rbx=%" PRIx64 " flags=%" PRIx64,
			       f->regs->v[REG_X86_RDI], f->regs->v[REG_X86_RBX],
			       f->regs->v[REG_FLAGS]);
		for (uint32_t k = 0; k < f->n_held; k++)
			printf("%s%s%s", k ? ", " : " held: ", f->held[k].target,
			       f->held[k].always ? "" : "*");
		putchar('\n');
	}
	if (stack->stopped)
		printf("  stopped: %s\n", stack->stopped);
}

static int probe_open(struct probe *p, struct msgs *msgs, const char *path,
		      const struct kernel_options *options)
{
	uint32_t unclaimed;
	int r = dump_open(msgs, path, &p->dump);

	if (r == 0)
		r = kernel_open(msgs, p->dump, options, &p->kernel);
	if (r == 0)
		r = runqueues_load(p->kernel, &p->rqs);
	if (r == 0)
		r = vmcore_regs_match(p->kernel, dump_info(p->dump), p->rqs, &p->regs, &unclaimed);
	if (r == 0)
		r = unwinder_new(p->kernel, &p->unwinder);
	return r;
}

static int show_cpus(struct probe *p, bool no_regs)
{
	for (uint32_t cpu = 0; cpu < p->kernel->nr_cpu_ids; cpu++) {
		struct regs regs = p->regs[cpu].regs;
		struct stack stack = { 0 };
		int r;

		if (!kernel_cpu_online(p->kernel, cpu))
			continue;
		if (no_regs)
			regs.known = 0;
		r = unwind_cpu(p->unwinder, &p->arena, &regs, cpu, p->rqs[cpu].curr, &stack);
		if (r < 0)
			return r;
		printf("cpu %u task %016" PRIx64 "%s\n", cpu, p->rqs[cpu].curr,
		       regs_has(&regs, REG_X86_CS) && regs.v[REG_X86_CS] & 3 ? " user" : "");
		if (p->sections &&
		    sections_annotate(p->sections, &p->arena, &stack) < 0)
			return -ENOMEM;
		print_stack(p->kernel, &stack);
	}
	return 0;
}

static int show_tasks(struct probe *p, bool print)
{
	for (uint32_t i = 0; i < p->tasks.n; i++) {
		const struct task_facts *t = &p->tasks.tasks[i];
		struct stack stack = { 0 };
		int r;

		if (t->on_cpu)
			continue;
		r = unwind_task(p->unwinder, &p->arena, t->address, &stack);
		if (r < 0)
			return r;
		p->frames += stack.n;
		if (print && p->sections &&
		    sections_annotate(p->sections, &p->arena, &stack) < 0)
			return -ENOMEM;
		if (print) {
			printf("pid %u task %016" PRIx64 " %s\n", t->pid, t->address, t->comm);
			print_stack(p->kernel, &stack);
		}
	}
	return 0;
}

/* The idle tasks are on no list: only the run queues know them. */
static int load_tasks(struct probe *p)
{
	uint64_t *idle = calloc(p->kernel->nr_cpu_ids + 1, sizeof(*idle));
	int r;

	if (!idle)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < p->kernel->nr_cpu_ids; cpu++)
		idle[cpu] = p->rqs[cpu].idle;
	r = tasks_load(p->kernel, idle, p->kernel->nr_cpu_ids, &p->tasks);
	free(idle);
	return r;
}

static int probe_run(struct probe *p, bool tasks, bool no_regs, unsigned int repeat)
{
	double start = now_ms(), end;
	int r = show_cpus(p, no_regs);

	fprintf(stderr, "CPU stacks: %.2f ms\n", now_ms() - start);
	if (r < 0 || !tasks)
		return r;
	r = load_tasks(p);
	if (r == 0)
		r = show_tasks(p, true);
	start = now_ms();
	p->frames = 0;
	for (unsigned int i = 0; r == 0 && i < repeat; i++)
		r = show_tasks(p, false);
	end = now_ms();
	if (repeat && p->tasks.n)
		fprintf(stderr, "%u x %u tasks: %.1f ms, %.2f us each, %lu frames\n", repeat,
			p->tasks.n, end - start, (end - start) * 1e3 / repeat / p->tasks.n,
			p->frames);
	return r;
}

int main(int argc, char **argv)
{
	struct kernel_options options = { 0 };
	bool tasks = false, no_regs = false, held = false;
	unsigned int repeat = 0;
	struct probe p = { 0 };
	struct rusage usage;
	struct msgs msgs;
	int c, r;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 'v')
			options.vmlinux = optarg;
		else if (c == 't')
			tasks = true;
		else if (c == 'n')
			no_regs = true;
		else if (c == 'h')
			held = true;
		else if (c == 'r')
			repeat = (unsigned int)atoi(optarg);
		else
			return 64;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: unwind_probe VMCORE [--vmlinux FILE] [--tasks] [--no-regs] "
				"[--held] [--repeat N]\n");
		return 64;
	}
	msgs_init(&msgs);
	arena_init(&p.arena);
	r = probe_open(&p, &msgs, argv[optind], &options);
	if (r == 0 && held)
		r = sections_new(p.kernel, &p.sections);
	if (r == 0)
		r = probe_run(&p, tasks, no_regs, repeat);
	if (r < 0)
		fprintf(stderr, "failed: %s\n", strerror(-r));
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "peak memory %ld KiB\n", usage.ru_maxrss);
	for (size_t i = 0; i < msgs.n; i++)
		fprintf(stderr, "message: %s\n", msgs.lines[i]);
	sections_free(p.sections);
	unwinder_free(p.unwinder);
	kernel_free(p.kernel);
	dump_free(p.dump);
	arena_done(&p.arena);
	msgs_done(&msgs);
	return r < 0 ? 2 : 0;
}
