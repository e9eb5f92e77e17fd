// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/text.h"

/* crash's views, for those who want them: one CPU with its registers (bt -c N), ps. */

static const char *reg_name(char buf[TEXT_MAX], const char *arch, unsigned int reg)
{
	static const char *const x86[] = {
		[REG_IP] = "RIP",      [REG_SP] = "RSP",      [REG_FLAGS] = "RFLAGS",
		[REG_X86_RAX] = "RAX", [REG_X86_RBX] = "RBX", [REG_X86_RCX] = "RCX",
		[REG_X86_RDX] = "RDX", [REG_X86_RSI] = "RSI", [REG_X86_RDI] = "RDI",
		[REG_X86_RBP] = "RBP", [REG_X86_R8] = "R8",   [REG_X86_R9] = "R9",
		[REG_X86_R10] = "R10", [REG_X86_R11] = "R11", [REG_X86_R12] = "R12",
		[REG_X86_R13] = "R13", [REG_X86_R14] = "R14", [REG_X86_R15] = "R15",
		[REG_X86_CS] = "CS",   [REG_X86_SS] = "SS",
	};
	static const char *const common[] = { "PC", "SP", "FLAGS" };

	if (!arch || strncmp(arch, "x86", 3) == 0) {
		if (reg < sizeof(x86) / sizeof(x86[0]))
			return x86[reg];
	} else if (reg < REG_GP) {
		return common[reg];
	}
	snprintf(buf, TEXT_MAX, "%c%u", arch && strcmp(arch, "aarch64") == 0 ? 'x' : 'r',
		 reg - REG_GP);
	return buf;
}

void view_print_regs(struct print *p, const struct snapshot *snapshot, const struct regs *regs,
		     unsigned int indent)
{
	unsigned int on_line = 0;
	char buf[TEXT_MAX];

	for (unsigned int reg = 0; reg < REG_MAX; reg++) {
		if (!regs_has(regs, reg))
			continue;
		if (on_line == 3) {
			print_end(p);
			on_line = 0;
		}
		print_pad(p, on_line ? p->column + 2 : indent);
		print_put(p, "%6s %016" PRIx64, reg_name(buf, snapshot->arch, reg), regs->v[reg]);
		on_line++;
	}
	if (on_line)
		print_end(p);
}

static void print_time_fact(struct print *p, const char *what, uint64_t ns)
{
	char buf[TEXT_MAX];

	if (ns == SNAPSHOT_NO_TIME)
		return;
	print_put(p, "  %s %s", what, duration_text(buf, ns));
	print_end(p);
}

/*
 * The fields of preempt_count, include/linux/preempt.h: bits 0-7 preemption, 8-15 softirq (bit 8
 * serving one, the rest bottom halves off, two per level), 16-19 hardirq, 20-23 NMI.
 */
static void print_preempt(struct print *p, uint32_t count)
{
	print_put(p, "  preempt count 0x%" PRIx32 ": preemption off %" PRIu32, count, count & 0xff);
	print_put(p, ", %s, bottom halves off %" PRIu32,
		  count >> 8 & 1 ? "serving a softirq" : "no softirq", count >> 9 & 0x7f);
	print_put(p, ", hardirq %" PRIu32 ", NMI %" PRIu32, count >> 16 & 0xf, count >> 20 & 0xf);
	print_end(p);
}

static void print_waits(struct print *p, const struct snapshot *snapshot, const struct cpu *cpu)
{
	for (uint32_t i = 0; i < cpu->n_waits; i++) {
		const struct wait *wait = &cpu->waits[i];
		const struct lock *lock =
			wait->lock < snapshot->n_locks ? &snapshot->locks[wait->lock] : NULL;
		char buf[TEXT_MAX];

		print_put(p, "  waits for %s",
			  lock ? lock_text(buf, lock->kind, lock->name, lock->address)
			       : "a lock that is not known");
		if (lock && lock->name && lock->address)
			print_put(p, " at 0x%016" PRIx64, lock->address);
		if (lock && lock->word_text)
			print_put(p, ": %s", lock->word_text);
		print_end(p);
	}
}

void view_print_cpu(struct print *p, const struct snapshot *snapshot, const struct places *places,
		    uint32_t index)
{
	const struct cpu *cpu = &snapshot->cpus[index];
	const struct task *task = cpu->task < snapshot->n_tasks ? &snapshot->tasks[cpu->task]
								: NULL;
	char buf[TEXT_MAX];

	print_put(p, "CPU %" PRIu32 ", %s: ", cpu->id, role_name(places->cpus[index].role));
	print_put(p, "%s",
		  task_text(buf, task ? task->comm : NULL, task ? task->pid : SNAPSHOT_NONE));
	if (task && task->address)
		print_put(p, ", task %016" PRIx64, task->address);
	print_end(p);
	if (cpu->panic)
		print_line(p, "  this CPU ran the panic");
	if (cpu->irqs_off >= 0)
		print_line(p, "  interrupts %s", cpu->irqs_off ? "off" : "on");
	if (cpu->has_preempt)
		print_preempt(p, cpu->preempt_count);
	print_time_fact(p, "no context switch for", cpu->no_switch_ns);
	print_time_fact(p, "no tick for", cpu->last_tick_ns);
	print_time_fact(p, "watchdog thread not run for", cpu->watchdog_ns);
	if (cpu->nr_running != SNAPSHOT_NONE)
		print_line(p, "  runnable tasks: %" PRIu32, cpu->nr_running);
	print_waits(p, snapshot, cpu);
	if (cpu->regs.known)
		view_print_regs(p, snapshot, &cpu->regs, 2);
	else
		print_line(p, "  no registers: %s",
			   cpu->why_no_regs ? cpu->why_no_regs : "not known why");
	if (cpu->has_stack)
		stacks_print_full(p, snapshot, &cpu->stack, &places->cpus[index]);
	else
		print_line(p, "  no stack in this source");
}

static int task_compare(const void *a, const void *b)
{
	const struct task *x = *(const struct task *const *)a, *y = *(const struct task *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

void view_print_ps(struct print *p, const struct snapshot *snapshot)
{
	static const char *const states[] = {
		[TASK_STATE_UNKNOWN] = "??",	   [TASK_STATE_RUNNING] = "RU",
		[TASK_STATE_INTERRUPTIBLE] = "IN", [TASK_STATE_UNINTERRUPTIBLE] = "UN",
		[TASK_STATE_IDLE] = "ID",	   [TASK_STATE_STOPPED] = "ST",
		[TASK_STATE_DEAD] = "DE",
	};
	const struct task **tasks = calloc(snapshot->n_tasks + (size_t)1, sizeof(*tasks));

	if (!tasks) {
		p->r = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < snapshot->n_tasks; i++)
		tasks[i] = &snapshot->tasks[i];
	qsort(tasks, snapshot->n_tasks, sizeof(*tasks), task_compare);
	print_put(p, "      PID  CPU  ST       LAST RAN  COMM");
	print_end(p);
	for (uint32_t i = 0; i < snapshot->n_tasks; i++) {
		const struct task *task = tasks[i];
		bool kthread = task->kthread;

		print_put(p, "%c", task->on_cpu ? '>' : ' ');
		if (task->pid == SNAPSHOT_NONE)
			print_put(p, " %7s", "-");
		else
			print_put(p, " %7" PRIu32, task->pid);
		if (task->cpu == SNAPSHOT_NONE)
			print_put(p, " %4s", "-");
		else
			print_put(p, " %4" PRIu32, task->cpu);
		print_put(p, "  %s", task->state <= TASK_STATE_DEAD ? states[task->state] : "??");
		if (task->last_ran_ns == SNAPSHOT_NO_TIME)
			print_put(p, "  %13s", "-");
		else
			print_put(p, "  %7" PRIu64 ".%03" PRIu64 " s",
				  task->last_ran_ns / 1000000000,
				  task->last_ran_ns / 1000000 % 1000);
		print_put(p, "  %s%s%s", kthread ? "[" : "", task->comm ? task->comm : "?",
			  kthread ? "]" : "");
		print_end(p);
	}
	free(tasks);
}
