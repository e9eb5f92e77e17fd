// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the stacks of an x86-64 kernel are.
 *  - task: task_struct.stack, THREAD_SIZE bytes (CONFIG_VMAP_STACK or not).
 *  - interrupt: per-CPU, as large as a task stack; its top is hardirq_stack_ptr since 5.2
 *    (758a2e312228), irq_stack_ptr before, pcpu_hot.hardirq_stack_ptr in 6.2 to 6.14
 *    (d7b6d709a76a). The pointer is the top or, since 5.12 (951c2a51ae75), one word below it.
 *  - exceptions (#DF, NMI, #DB, #MC, #VC): mapped in the CPU's cpu_entry_area, which the per-CPU
 *    variable cea_exception_stacks points into since 5.2, each above a guard page.
 *  - entry: a page of the same cpu_entry_area.
 */
#include "kernel/stacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "snapshot.h"

#define PAGE_SIZE 4096ULL
#define THREAD_SIZE_DEFAULT (4 * PAGE_SIZE)

static const char *const exception_names[] = {
	[STACK_DF] = "DF_stack",   [STACK_NMI] = "NMI_stack", [STACK_DB] = "DB_stack",
	[STACK_MCE] = "MCE_stack", [STACK_VC] = "VC_stack",   [STACK_VC2] = "VC2_stack",
};

struct cpu_stacks {
	bool loaded;
	unsigned int n;
	struct stack_area areas[STACK_AREAS_MAX];
};

struct stacks {
	struct kernel *kernel;
	uint64_t thread_size;
	int64_t task_stack;    /* offset of task_struct.stack, -1 unknown */
	int64_t hot_irq_stack; /* offset of pcpu_hot.hardirq_stack_ptr, -1: a variable of its own */
	int64_t hot_irq_inuse; /* offset of pcpu_hot.hardirq_stack_inuse, -1 */
	int64_t cea_estacks;   /* offset of cpu_entry_area.estacks, -1 unknown */
	int64_t cea_entry;     /* offset of cpu_entry_area.entry_stack_page, -1 unknown */
	struct member exception[STACK_VC2 + 1]; /* in cea_exception_stacks; size 0: none */
	struct cpu_stacks *cpus;
	uint32_t n_cpus;
};

static uint64_t thread_size_of(struct kernel *k)
{
	uint64_t begin, end, size;

	/* INIT_TASK_DATA() in vmlinux.lds.h reserves exactly THREAD_SIZE between the two. */
	if (kernel_symbol(k, "__start_init_task", &begin) == 0 &&
	    kernel_symbol(k, "__end_init_task", &end) == 0 && end > begin)
		size = end - begin;
	else if (!k->types || types_size(k->types, "thread_union", &size) < 0)
		return THREAD_SIZE_DEFAULT;
	if (size < THREAD_SIZE_DEFAULT || size > 64 * PAGE_SIZE || (size & (size - 1)))
		return THREAD_SIZE_DEFAULT;
	return size;
}

/*
 * Without types, the layout of cea_exception_stacks since 5.16 (7fae4c24a2b8): guard page and two
 * pages of stack each; one page before.
 */
static void guess_exception_stacks(struct stacks *s)
{
	unsigned int major = 0, minor = 0;
	uint64_t size, offset = 0;

	if (sscanf(s->kernel->release, "%u.%u", &major, &minor) != 2)
		return;
	size = major * 1000 + minor >= 5016 ? 2 * PAGE_SIZE : PAGE_SIZE;
	for (int kind = STACK_DF; kind <= STACK_VC2; kind++) {
		s->exception[kind].offset = offset + PAGE_SIZE;
		s->exception[kind].size = size;
		offset += PAGE_SIZE + size;
	}
}

static void find_layout(struct stacks *s)
{
	const struct types *t = s->kernel->types;

	s->task_stack = s->hot_irq_stack = s->hot_irq_inuse = s->cea_estacks = s->cea_entry = -1;
	if (!t) {
		guess_exception_stacks(s);
		return;
	}
	s->task_stack = types_offset(t, "task_struct", "stack");
	s->hot_irq_stack = types_offset(t, "pcpu_hot", "hardirq_stack_ptr");
	s->hot_irq_inuse = types_offset(t, "pcpu_hot", "hardirq_stack_inuse");
	s->cea_estacks = types_offset(t, "cpu_entry_area", "estacks");
	s->cea_entry = types_offset(t, "cpu_entry_area", "entry_stack_page");
	for (int kind = STACK_DF; kind <= STACK_VC2; kind++)
		if (types_member(t, "cea_exception_stacks", exception_names[kind],
				 &s->exception[kind]) < 0)
			s->exception[kind].size = 0;
}

int stacks_new(struct kernel *kernel, struct stacks **ret_stacks)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->kernel = kernel;
	s->n_cpus = kernel->nr_cpu_ids;
	s->cpus = calloc(s->n_cpus ? s->n_cpus : 1, sizeof(*s->cpus));
	if (!s->cpus) {
		free(s);
		return -ENOMEM;
	}
	s->thread_size = thread_size_of(kernel);
	find_layout(s);
	*ret_stacks = s;
	return 0;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	free(stacks->cpus);
	free(stacks);
}

uint64_t stacks_thread_size(const struct stacks *stacks)
{
	return stacks->thread_size;
}

static int read_percpu_u64(struct stacks *s, const char *name, int64_t offset, uint32_t cpu,
			   uint64_t *ret)
{
	uint64_t va;
	int r = kernel_percpu(s->kernel, name, cpu, &va);

	if (r < 0)
		return r;
	return kernel_read_u64(s->kernel, va + (uint64_t)offset, ret);
}

static int irq_stack_top(struct stacks *s, uint32_t cpu, uint64_t *ret_top)
{
	uint64_t top;
	int r = -ENOENT;

	if (s->hot_irq_stack >= 0)
		r = read_percpu_u64(s, "pcpu_hot", s->hot_irq_stack, cpu, &top);
	if (r < 0)
		r = read_percpu_u64(s, "hardirq_stack_ptr", 0, cpu, &top);
	if (r < 0)
		r = read_percpu_u64(s, "irq_stack_ptr", 0, cpu, &top);
	if (r < 0)
		return r;
	top = (top + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	if (!kernel_is_address(top) || !kernel_is_address(top - s->thread_size))
		return -ENOENT;
	*ret_top = top;
	return 0;
}

static void add_area(struct cpu_stacks *c, enum stack_kind kind, uint64_t begin, uint64_t size)
{
	uint64_t end;

	if (!size || !kernel_is_address(begin) || __builtin_add_overflow(begin, size, &end) ||
	    c->n >= STACK_AREAS_MAX - 2)
		return;
	c->areas[c->n++] = (struct stack_area){ kind, begin, end };
}

static const struct cpu_stacks *cpu_stacks(struct stacks *s, uint32_t cpu)
{
	struct cpu_stacks *c;
	uint64_t top, cea;

	if (cpu >= s->n_cpus)
		return NULL;
	c = &s->cpus[cpu];
	if (c->loaded)
		return c;
	c->loaded = true;
	if (irq_stack_top(s, cpu, &top) == 0)
		add_area(c, STACK_IRQ, top - s->thread_size, s->thread_size);
	if (read_percpu_u64(s, "cea_exception_stacks", 0, cpu, &cea) == 0 &&
	    kernel_is_address(cea)) {
		for (int kind = STACK_DF; kind <= STACK_VC2; kind++)
			add_area(c, kind, cea + s->exception[kind].offset, s->exception[kind].size);
		if (s->cea_estacks >= 0 && s->cea_entry >= 0)
			add_area(c, STACK_ENTRY,
				 cea - (uint64_t)s->cea_estacks + (uint64_t)s->cea_entry,
				 PAGE_SIZE);
	}
	return c;
}

void stacks_collect(struct stacks *stacks, uint32_t cpu, uint64_t task, struct stack_set *ret_set)
{
	const struct cpu_stacks *c = cpu_stacks(stacks, cpu);
	struct stack_set set = { 0 };
	uint64_t base, end;

	if (task && stacks->task_stack >= 0 &&
	    kernel_read_u64(stacks->kernel, task + (uint64_t)stacks->task_stack, &base) == 0 &&
	    kernel_is_address(base) && !__builtin_add_overflow(base, stacks->thread_size, &end))
		set.areas[set.n++] = (struct stack_area){ STACK_TASK, base, end };
	for (unsigned int i = 0; c && i < c->n; i++)
		set.areas[set.n++] = c->areas[i];
	*ret_set = set;
}

static int enter(struct stack_set *set, unsigned int i, struct stack_area *ret_area)
{
	if (set->visited & 1U << i)
		return -ELOOP;
	set->visited |= 1U << i;
	*ret_area = set->areas[i];
	return 0;
}

int stack_set_enter(struct stacks *stacks, struct stack_set *set, uint64_t sp,
		    struct stack_area *ret_area)
{
	uint64_t begin;
	bool has_other = false;

	for (unsigned int i = 0; i < set->n; i++) {
		if (sp >= set->areas[i].begin && sp < set->areas[i].end)
			return enter(set, i, ret_area);
		has_other |= set->areas[i].kind == STACK_OTHER;
	}
	for (unsigned int i = 0; i < set->n; i++) {
		if (sp < set->areas[i].begin && set->areas[i].begin - sp < PAGE_SIZE)
			return enter(set, i, ret_area);
	}
	begin = sp & ~(stacks->thread_size - 1);
	if (has_other || set->n >= STACK_AREAS_MAX || !kernel_is_address(sp) ||
	    begin > UINT64_MAX - stacks->thread_size)
		return -ENOENT;
	set->areas[set->n] = (struct stack_area){ STACK_OTHER, begin, begin + stacks->thread_size };
	return enter(set, set->n++, ret_area);
}

void regs_from_pt_regs(const uint64_t words[PT_REGS_WORDS], struct regs *ret_regs)
{
	/* struct pt_regs, arch/x86/include/asm/ptrace.h; word 15 is orig_ax */
	static const uint8_t slots[PT_REGS_WORDS] = {
		REG_X86_R15, REG_X86_R14, REG_X86_R13, REG_X86_R12, REG_X86_RBP, REG_X86_RBX,
		REG_X86_R11, REG_X86_R10, REG_X86_R9,  REG_X86_R8,  REG_X86_RAX, REG_X86_RCX,
		REG_X86_RDX, REG_X86_RSI, REG_X86_RDI, REG_MAX,	    REG_IP,	 REG_X86_CS,
		REG_FLAGS,   REG_SP,	  REG_X86_SS,
	};
	struct regs regs = { 0 };

	for (unsigned int i = 0; i < PT_REGS_WORDS; i++)
		if (slots[i] < REG_MAX)
			regs_set(&regs, slots[i], words[i]);
	/* FRED keeps more than the selectors in these words. */
	regs.v[REG_X86_CS] &= 0xffff;
	regs.v[REG_X86_SS] &= 0xffff;
	*ret_regs = regs;
}

static const struct stack_area *cpu_area(struct stacks *s, uint32_t cpu, enum stack_kind kind)
{
	const struct cpu_stacks *c = cpu_stacks(s, cpu);

	for (unsigned int i = 0; c && i < c->n; i++)
		if (c->areas[i].kind == kind)
			return &c->areas[i];
	return NULL;
}

/*
 * asm_exc_nmi in entry_64.S lays out the NMI stack from the top: the hardware's frame (5 words),
 * one scratch word, "NMI executing", two copies of the frame, of which the second ends the
 * pt_regs. "NMI executing" is 1 from entry to exit. That all agree makes stale contents unlikely.
 */
int stacks_nmi_anchor(struct stacks *stacks, uint32_t cpu, struct regs *ret_regs)
{
	enum { HW = 5, EXECUTING = 7, REGS = 12 + PT_REGS_WORDS };
	const struct stack_area *area = cpu_area(stacks, cpu, STACK_NMI);
	uint64_t w[REGS], *top = w + REGS;
	struct regs regs;
	bool user;

	if (!area || kernel_read(stacks->kernel, area->end - sizeof(w), w, sizeof(w)) < 0)
		return -ENOENT;
	if (*(top - EXECUTING) != 1)
		return -ENOENT;
	regs_from_pt_regs(w, &regs);
	user = regs.v[REG_X86_CS] & 3;
	if (w[15] != UINT64_MAX || user || regs.v[REG_IP] != *(top - HW) ||
	    regs.v[REG_SP] != *(top - HW + 3) || !kernel_is_address(regs.v[REG_SP]) ||
	    !kernel_is_text(stacks->kernel, regs.v[REG_IP]))
		return -ENOENT;
	*ret_regs = regs;
	return 0;
}

/* Is @cpu on its interrupt stack, by its own flag? @ret_before_5_12: the flag is irq_count. */
static bool irq_stack_in_use(struct stacks *s, uint32_t cpu, bool *ret_before_5_12)
{
	uint64_t va = 0;
	uint8_t in_use;
	uint32_t count;
	int r = -ENOENT;

	*ret_before_5_12 = false;
	if (s->hot_irq_inuse >= 0) {
		r = kernel_percpu(s->kernel, "pcpu_hot", cpu, &va);
		va += (uint64_t)s->hot_irq_inuse;
	}
	if (r < 0)
		r = kernel_percpu(s->kernel, "hardirq_stack_inuse", cpu, &va);
	if (r == 0)
		return kernel_read_u8(s->kernel, va, &in_use) == 0 && in_use == 1;
	*ret_before_5_12 = true;
	return kernel_percpu(s->kernel, "irq_count", cpu, &va) == 0 &&
	       kernel_read_u32(s->kernel, va, &count) == 0 && count == 0;
}

/*
 * Whoever switches to the interrupt stack stores the old stack pointer in its last word, raises a
 * flag, and calls: so the return address is in the word below. That is call_on_irqstack() since
 * 5.12 (a0cfc74d0b00), asm_call_on_stack() in 5.8 to 5.11, where BP has the old pointer as well.
 */
int stacks_irq_anchor(struct stacks *stacks, uint32_t cpu, struct regs *ret_regs)
{
	const struct stack_area *area = cpu_area(stacks, cpu, STACK_IRQ);
	struct regs regs = { 0 };
	bool before_5_12;
	uint64_t w[2];

	if (!area || !irq_stack_in_use(stacks, cpu, &before_5_12))
		return -ENOENT;
	if (kernel_read(stacks->kernel, area->end - sizeof(w), w, sizeof(w)) < 0 ||
	    !kernel_is_address(w[1]) || !kernel_is_text(stacks->kernel, w[0] - 1))
		return -ENOENT;
	regs_set(&regs, REG_IP, w[0]);
	regs_set(&regs, REG_SP, area->end - 8);
	if (before_5_12)
		regs_set(&regs, REG_X86_RBP, w[1]);
	*ret_regs = regs;
	return 0;
}
