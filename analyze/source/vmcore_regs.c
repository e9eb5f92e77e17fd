// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose registers are these? A kdump kernel builds the dump's note list out of the CPUs' own
 * crash_notes buffers and leaves out empty ones, so a CPU that never answered the crash NMI shifts
 * all notes after it. The buffers themselves are still in memory, one per CPU: they are the fact.
 * Dumps taken from outside (QEMU) have empty buffers, and notes with each CPU's GS base instead.
 */
#include "source/vmcore_regs.h"

#include <errno.h>

#include "dump/dump.h"
#include "kernel/runqueue.h"
#include "kernel/stacks.h"
#include "snapshot.h"
#include "util/cursor.h"

#define NT_PRSTATUS 1
#define PRSTATUS_SIZE 336
#define PRSTATUS_PID 32	  /* include/linux/elfcore.h struct elf_prstatus, x86-64 */
#define PRSTATUS_REGS 112
#define NOTE_SIZE (12 + 8 + PRSTATUS_SIZE)

int crash_note_parse(const void *note, size_t size, struct regs *ret_regs, uint32_t *ret_pid)
{
	struct cursor c = cursor_make(note, size), desc;
	uint32_t name_size = cursor_u32(&c), desc_size = cursor_u32(&c), type = cursor_u32(&c);
	struct regs regs = { 0 };
	const char *name, *start;
	uint32_t pid;

	if (c.overrun)
		return -EBADMSG;
	if (name_size == 0 && desc_size == 0 && type == 0)
		return -ENOENT;
	name = cursor_bytes(&c, 8);
	start = cursor_bytes(&c, PRSTATUS_SIZE);
	if (!start || type != NT_PRSTATUS || name_size != 5 || memcmp(name, "CORE", 5) != 0 ||
	    desc_size != PRSTATUS_SIZE)
		return -EBADMSG;
	desc = cursor_make(start, PRSTATUS_SIZE);
	cursor_skip(&desc, PRSTATUS_PID);
	pid = cursor_u32(&desc);
	regs_from_user_regs(start + PRSTATUS_REGS, &regs);
	if (!regs.v[REG_IP] && !regs.v[REG_SP])
		return -ENOENT;
	*ret_regs = regs;
	*ret_pid = pid;
	return 0;
}

/* From the CPUs' own buffers. Returns how many gave registers. */
static uint32_t match_crash_notes(struct kernel *kernel, struct cpu_regs *out)
{
	uint64_t va, percpu;
	uint8_t note[NOTE_SIZE];
	uint32_t n = 0;

	if (kernel_symbol(kernel, "crash_notes", &va) < 0 ||
	    kernel_read_u64(kernel, va, &percpu) < 0 || !percpu)
		return 0;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		int r;

		if (!kernel_cpu_online(kernel, cpu))
			continue;
		if (kernel_read(kernel, percpu + kernel->percpu_offset[cpu], note,
				sizeof(note)) < 0) {
			out[cpu].why_none = "its crash note is not in the dump";
			continue;
		}
		r = crash_note_parse(note, sizeof(note), &out[cpu].regs, &out[cpu].pid);
		if (r == 0)
			n++;
		else if (r == -ENOENT)
			out[cpu].why_none = "its crash note is empty: it did not answer the NMI";
		else
			out[cpu].why_none = "its crash note is damaged";
	}
	return n;
}

static uint32_t cpu_by_gs(const struct kernel *kernel, uint64_t gs_base)
{
	for (uint32_t cpu = 0; gs_base && cpu < kernel->nr_cpu_ids; cpu++)
		if (kernel_cpu_online(kernel, cpu) && kernel->percpu_offset[cpu] == gs_base)
			return cpu;
	return SNAPSHOT_NONE;
}

static uint32_t cpu_by_stack(struct kernel *kernel, struct stacks *stacks,
			     const struct runqueue *rqs, uint64_t sp)
{
	if (!stacks || !kernel_is_address(sp))
		return SNAPSHOT_NONE;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		struct stack_set set;

		if (!kernel_cpu_online(kernel, cpu))
			continue;
		stacks_collect(stacks, cpu, rqs[cpu].curr, &set);
		for (unsigned int i = 0; i < set.n; i++)
			if (sp >= set.areas[i].begin && sp < set.areas[i].end)
				return cpu;
	}
	return SNAPSHOT_NONE;
}

/* The one CPU on which @pid runs; a pid of 0 is every idle task's. */
static uint32_t cpu_by_pid(struct kernel *kernel, const struct runqueue *rqs, uint32_t pid)
{
	uint32_t found = SNAPSHOT_NONE;
	struct member m;

	if (!pid || !kernel->types || types_member(kernel->types, "task_struct", "pid", &m) < 0)
		return SNAPSHOT_NONE;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		uint64_t value;

		if (!rqs[cpu].curr ||
		    kernel_read_member(kernel, rqs[cpu].curr, &m, &value) < 0 || value != pid)
			continue;
		if (found != SNAPSHOT_NONE)
			return SNAPSHOT_NONE;
		found = cpu;
	}
	return found;
}

/* Is the note a copy of a buffer that was read already? */
static bool note_is_claimed(const struct kernel *kernel, const struct cpu_regs *out,
			    const struct dump_cpu *note)
{
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++)
		if (out[cpu].regs.known &&
		    out[cpu].regs.v[REG_SP] == note->regs.v[REG_SP] &&
		    out[cpu].regs.v[REG_IP] == note->regs.v[REG_IP])
			return true;
	return false;
}

int vmcore_regs_match(struct kernel *kernel, const struct dump_info *info,
		      const struct runqueue *rqs, struct cpu_regs **ret_regs,
		      uint32_t *ret_unclaimed)
{
	struct cpu_regs *out = arena_calloc(&kernel->arena, kernel->nr_cpu_ids + 1, sizeof(*out));
	struct stacks *stacks = NULL;
	uint32_t unclaimed = 0;

	if (!out)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		out[cpu].pid = SNAPSHOT_NONE;
		out[cpu].why_none = "the dump has no registers of it";
	}
	match_crash_notes(kernel, out);
	if (stacks_new(kernel, &stacks) < 0)
		stacks = NULL;
	for (size_t i = 0; i < info->n_cpus; i++) {
		const struct dump_cpu *note = &info->cpus[i];
		uint32_t cpu;

		if (!note->regs.known || note_is_claimed(kernel, out, note))
			continue;
		cpu = cpu_by_gs(kernel, note->gs_base);
		if (cpu == SNAPSHOT_NONE)
			cpu = cpu_by_stack(kernel, stacks, rqs, note->regs.v[REG_SP]);
		if (cpu == SNAPSHOT_NONE)
			cpu = cpu_by_pid(kernel, rqs, note->pid);
		if (cpu == SNAPSHOT_NONE || out[cpu].regs.known) {
			/* After a crash the CPU saved what it did before; QEMU saw it stopped. */
			unclaimed += cpu == SNAPSHOT_NONE;
			continue;
		}
		out[cpu].regs = note->regs;
		out[cpu].pid = note->pid;
	}
	stacks_free(stacks);
	*ret_regs = out;
	*ret_unclaimed = unclaimed;
	return 0;
}
