// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The walk: from a state (instruction, stack pointer, frame pointer) to the caller's, one ORC entry
 * at a time, over all the stacks that interrupts, exceptions and NMIs chain together. It ends since
 * each step must move up its stack or enter a stack not entered before.
 *
 * ORC recovers only what the next step needs. Whole register sets appear where entry code saved
 * struct pt_regs; there the interrupted frame gets them.
 */
#include "kernel/unwind_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 4096ULL
#define CODES_INITIAL 1024

static const uint8_t inactive_regs[7] = {
	REG_X86_R15, REG_X86_R14, REG_X86_R13, REG_X86_R12, REG_X86_RBX, REG_X86_RBP, REG_IP,
};

static void find_offsets(struct unwinder *u)
{
	/* struct inactive_task_frame, arch/x86/include/asm/switch_to.h */
	static const char *const names[7] = { "r15", "r14", "r13", "r12", "bx", "bp", "ret_addr" };
	const struct types *t = u->kernel->types;

	u->thread_sp = u->on_cpu = -1;
	u->inactive_size = sizeof(names) / sizeof(names[0]) * 8;
	for (int i = 0; i < 7; i++)
		u->inactive[i] = 8 * i;
	if (kernel_symbol(u->kernel, "ret_from_fork_asm", &u->fork_return) &&
	    kernel_symbol(u->kernel, "ret_from_fork", &u->fork_return))
		u->fork_return = 0;
	if (kernel_symbol(u->kernel, "_sinittext", &u->init_begin) ||
	    kernel_symbol(u->kernel, "_einittext", &u->init_end))
		u->init_begin = u->init_end = 0;
	if (!t)
		return;
	u->thread_sp = types_offset(t, "task_struct", "thread.sp");
	u->on_cpu = types_offset(t, "task_struct", "on_cpu");
	if (types_size(t, "inactive_task_frame", &u->inactive_size) < 0 || u->inactive_size > 128)
		u->inactive_size = sizeof(names) / sizeof(names[0]) * 8;
	for (int i = 0; i < 7; i++) {
		int64_t offset = types_offset(t, "inactive_task_frame", names[i]);

		if (offset >= 0 && (uint64_t)offset + 8 <= u->inactive_size)
			u->inactive[i] = offset;
	}
}

int unwinder_new(struct kernel *kernel, struct unwinder **ret_unwinder)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	int r = -ENOMEM;

	if (!u)
		return -ENOMEM;
	u->kernel = kernel;
	u->codes = calloc(CODES_INITIAL, sizeof(*u->codes));
	u->codes_size = CODES_INITIAL;
	u->pages = calloc(UNWIND_PAGES, sizeof(*u->pages));
	if (u->codes && u->pages) {
		r = orc_new(kernel, &u->orc);
		if (r == 0)
			r = stacks_new(kernel, &u->stacks);
		if (r == 0)
			r = generated_code_new(kernel, &u->generated);
		if (r == 0)
			r = return_hooks_new(kernel, &u->hooks);
	}
	if (r < 0) {
		unwinder_free(u);
		return r;
	}
	find_offsets(u);
	*ret_unwinder = u;
	return 0;
}

void unwinder_free(struct unwinder *unwinder)
{
	if (!unwinder)
		return;
	orc_free(unwinder->orc);
	stacks_free(unwinder->stacks);
	generated_code_free(unwinder->generated);
	return_hooks_free(unwinder->hooks);
	free(unwinder->codes);
	free(unwinder->pages);
	free(unwinder);
}

/* --- code addresses --- */

static struct code *code_slot(struct unwinder *u, uint64_t pc)
{
	size_t i = (pc * 0x9e3779b97f4a7c15ULL) >> 32 & (u->codes_size - 1);

	while (u->codes[i].used && u->codes[i].pc != pc)
		i = (i + 1) & (u->codes_size - 1);
	return &u->codes[i];
}

static int codes_grow(struct unwinder *u)
{
	struct code *old = u->codes;
	size_t n = u->codes_size;

	u->codes = calloc(2 * n, sizeof(*u->codes));
	if (!u->codes) {
		u->codes = old;
		return -ENOMEM;
	}
	u->codes_size = 2 * n;
	for (size_t i = 0; i < n; i++)
		if (old[i].used)
			*code_slot(u, old[i].pc) = old[i];
	free(old);
	return 0;
}

/* The same string for the same text: an arena holds one copy of each name per address. */
static const char *keep(struct unwinder *u, const char *s)
{
	return s && u->arena ? arena_strdup(u->arena, s) : NULL;
}

static void code_fill_generated(struct unwinder *u, struct code *code)
{
	struct generated g;

	if (generated_code_find(u->generated, code->pc, &g) < 0)
		return;
	code->generated = true;
	code->bpf = g.bpf;
	code->function = keep(u, g.name);
	code->module = keep(u, g.bpf ? "bpf" : "ftrace");
	code->function_address = g.start;
	code->size = g.end - g.start > UINT32_MAX ? 0 : (uint32_t)(g.end - g.start);
	code->has_orc = g.orc_like && orc_find(u->orc, g.orc_like, &code->orc) == 0;
}

static void code_fill(struct unwinder *u, struct code *code)
{
	static const struct orc_entry null_call = {
		.sp_offset = 8,
		.sp_reg = ORC_REG_SP,
		.type = ORC_TYPE_CALL,
	};
	struct symbol symbol;

	if (code->pc == 0) {
		/* A call of NULL; the kernel's unwinder knows it too (orc_find()). */
		code->orc = null_call;
		code->has_orc = true;
		return;
	}
	/* The boot CPU's idle task still has start_kernel() on its stack, whose code is freed. */
	code->text = kernel_is_text(u->kernel, code->pc) ||
		     (code->pc >= u->init_begin && code->pc < u->init_end);
	if (!code->text) {
		code_fill_generated(u, code);
		return;
	}
	code->has_orc = orc_find(u->orc, code->pc, &code->orc) == 0;
	if (kernel_symbol_at(u->kernel, code->pc, &symbol) < 0)
		return;
	code->function = keep(u, symbol.name);
	code->module = keep(u, symbol.module);
	code->function_address = symbol.address;
	code->size = symbol.size > UINT32_MAX ? 0 : (uint32_t)symbol.size;
	if (!symbol.module)
		code->class = entry_class_of(symbol.name);
}

const struct code *unwinder_code(struct unwinder *u, uint64_t pc)
{
	struct code *code = code_slot(u, pc);

	if (code->used)
		return code;
	if (2 * (u->codes_n + 1) > u->codes_size) {
		if (codes_grow(u) < 0)
			return NULL;
		code = code_slot(u, pc);
	}
	code->used = true;
	code->pc = pc;
	u->codes_n++;
	code_fill(u, code);
	return code;
}

/*
 * Where the tables have no entry, the function's own code may tell. Not done with the rest of the
 * entry: a scan looks at many addresses, and of those only few become frames.
 */
static void code_derive(struct unwinder *u, uint64_t pc)
{
	struct code *code = code_slot(u, pc);

	if (!code->used || code->derived_tried)
		return;
	code->derived_tried = true;
	if (code->has_orc && code->orc.type != ORC_TYPE_UNDEFINED)
		return;
	code->has_orc = false;
	if (!code->text || !code->function_address || !code->size)
		return;
	code->derived =
		code_flow_rule(u->kernel, code->function_address, code->size, pc, &code->orc) == 0;
	code->has_orc = code->derived;
}

/* --- stack memory --- */

__attribute__((format(printf, 2, 3))) static enum step failed(struct walk *walk, const char *fmt,
							      ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(walk->why, sizeof(walk->why), fmt, ap);
	va_end(ap);
	return STEP_FAILED;
}

/*
 * In halves: a read of a whole page goes past the dump's page cache (dump_read()), and those who
 * read the stack after the unwinder, for registers and locks, would decompress the page again.
 */
static bool stack_page_read(struct unwinder *u, uint64_t va, uint64_t *words)
{
	return kernel_read(u->kernel, va, words, PAGE_SIZE / 2) == 0 &&
	       kernel_read(u->kernel, va + PAGE_SIZE / 2, words + 256, PAGE_SIZE / 2) == 0;
}

static const struct stack_page *stack_page(struct unwinder *u, uint64_t va)
{
	struct stack_page *page = &u->pages[va / PAGE_SIZE % UNWIND_PAGES];

	if (page->va != va) {
		page->va = va;
		page->present = stack_page_read(u, va, page->words);
	}
	return page;
}

static int read_words(struct unwinder *u, uint64_t address, uint64_t *words, unsigned int n)
{
	if (address & 7)
		return kernel_read(u->kernel, address, words, 8 * (size_t)n);
	for (unsigned int i = 0; i < n; i++, address += 8) {
		const struct stack_page *page = stack_page(u, address & ~(PAGE_SIZE - 1));

		if (!page->present)
			return -EFAULT;
		words[i] = page->words[address % PAGE_SIZE / 8];
	}
	return 0;
}

static bool area_holds(const struct stack_area *area, uint64_t address, uint64_t size)
{
	return address >= area->begin && address < area->end && size <= area->end - address;
}

int walk_read(struct walk *walk, uint64_t address, uint64_t *words, unsigned int n)
{
	struct stack_area area;
	int r;

	if (!area_holds(&walk->area, address, 8 * (uint64_t)n)) {
		r = stack_set_enter(walk->u->stacks, &walk->set, address, &area);
		if (r < 0)
			return r;
		walk->area = area;
		if (!area_holds(&area, address, 8 * (uint64_t)n))
			return -EFAULT;
	}
	return read_words(walk->u, address, words, n);
}

/* --- steps --- */

/*
 * The walk has found where its caller's stack pointer @sp is: enters that stack, and checks that
 * this is progress. @before is the stack that the step began on.
 */
static enum step advance(struct walk *walk, const struct stack_area *before, uint64_t sp)
{
	struct stack_area area;
	int r;

	if (sp < walk->area.begin || sp > walk->area.end) {
		r = stack_set_enter(walk->u->stacks, &walk->set, sp, &area);
		if (r < 0)
			return failed(walk, "the stack pointer %#lx %s", (unsigned long)sp,
				      r == -ELOOP ? "leads back to a stack left before" :
						    "is in no stack");
		walk->area = area;
	}
	if (walk->area.begin == before->begin) {
		if (sp <= walk->regs.v[REG_SP])
			return failed(walk, "the stack pointer does not advance from %#lx",
				      (unsigned long)walk->regs.v[REG_SP]);
	} else {
		/* Stacks are linked at fixed places, not by what a scan finds. */
		walk->guessed = false;
	}
	return STEP_NEXT;
}

enum step walk_return_to(struct walk *walk, uint64_t slot, uint64_t ip, uint64_t bp, bool has_bp)
{
	const struct stack_area before = walk->area;
	struct regs regs = { 0 };

	if (advance(walk, &before, slot + 8) != STEP_NEXT)
		return STEP_FAILED;
	regs_set(&regs, REG_IP, ip);
	regs_set(&regs, REG_SP, slot + 8);
	if (has_bp)
		regs_set(&regs, REG_X86_RBP, bp);
	walk->regs = regs;
	walk->exact = walk->full = false;
	return STEP_NEXT;
}

static enum step walk_interrupted(struct walk *walk, const struct stack_area *before,
				  const struct regs *regs, bool full, bool signal)
{
	if ((regs->v[REG_X86_CS] & 3) == 3)
		return STEP_BOTTOM;
	if (!regs->v[REG_X86_CS] || regs->v[REG_X86_CS] > 0xffff ||
	    !kernel_is_address(regs->v[REG_SP]))
		return failed(walk, "saved registers with CS %#lx and RSP %#lx are none",
			      (unsigned long)regs->v[REG_X86_CS], (unsigned long)regs->v[REG_SP]);
	if (advance(walk, before, regs->v[REG_SP]) != STEP_NEXT)
		return STEP_FAILED;
	walk->regs = *regs;
	walk->full = full;
	walk->exact = signal;
	return STEP_NEXT;
}

enum step walk_regs_at(struct walk *walk, uint64_t address)
{
	const struct stack_area before = walk->area;
	uint64_t words[PT_REGS_WORDS];
	struct regs regs;

	if (walk_read(walk, address, words, PT_REGS_WORDS))
		return failed(walk, "the registers saved at %#lx cannot be read",
			      (unsigned long)address);
	regs_from_pt_regs(words, &regs);
	return walk_interrupted(walk, &before, &regs, true, true);
}

/* The frame that the processor pushed; entry code has not changed other registers yet. */
static enum step step_iret(struct walk *walk, const struct stack_area *before, uint64_t address,
			   bool signal)
{
	static const uint8_t slots[5] = { REG_IP, REG_X86_CS, REG_FLAGS, REG_SP, REG_X86_SS };
	struct regs regs = walk->regs;
	uint64_t words[5];

	if (walk_read(walk, address, words, 5))
		return failed(walk, "the interrupt frame at %#lx cannot be read",
			      (unsigned long)address);
	for (int i = 0; i < 5; i++)
		regs_set(&regs, slots[i], words[i]);
	regs.v[REG_X86_CS] &= 0xffff;
	regs.v[REG_X86_SS] &= 0xffff;
	return walk_interrupted(walk, before, &regs, false, signal);
}

/* The stack pointer before the call or interrupt, by the entry's base register. */
static enum step previous_sp(struct walk *walk, const struct orc_entry *orc, uint64_t *ret_sp)
{
	static const uint8_t bases[] = {
		[ORC_REG_DX] = REG_X86_RDX,	     [ORC_REG_DI] = REG_X86_RDI,
		[ORC_REG_BP] = REG_X86_RBP,	     [ORC_REG_SP] = REG_SP,
		[ORC_REG_R10] = REG_X86_R10,	     [ORC_REG_R13] = REG_X86_R13,
		[ORC_REG_BP_INDIRECT] = REG_X86_RBP, [ORC_REG_SP_INDIRECT] = REG_SP,
	};
	uint64_t base, sp;
	bool after = orc->sp_reg == ORC_REG_SP_INDIRECT && orc->sp_after;

	if (orc->sp_reg >= sizeof(bases) || !bases[orc->sp_reg])
		return failed(walk, "ORC entry with the unknown base register %u", orc->sp_reg);
	if (!regs_has(&walk->regs, bases[orc->sp_reg]))
		return failed(walk, "the register that the frame is found by is not known");
	base = walk->regs.v[bases[orc->sp_reg]];
	switch (orc->sp_reg) {
	case ORC_REG_SP:
	case ORC_REG_BP:
		sp = base + (uint64_t)(int64_t)orc->sp_offset;
		break;
	case ORC_REG_SP_INDIRECT:
	case ORC_REG_BP_INDIRECT:
		base += after ? 0 : (uint64_t)(int64_t)orc->sp_offset;
		if (walk_read(walk, base, &sp, 1))
			return failed(walk, "the saved stack pointer at %#lx cannot be read",
				      (unsigned long)base);
		sp += after ? (uint64_t)(int64_t)orc->sp_offset : 0;
		break;
	default: /* whole registers: the offset is not used, as in the kernel */
		sp = base;
		break;
	}
	*ret_sp = sp;
	return STEP_NEXT;
}

static enum step previous_bp(struct walk *walk, const struct orc_entry *orc, uint64_t sp,
			     uint64_t *ret_bp, bool *ret_has_bp)
{
	uint64_t address;

	*ret_bp = walk->regs.v[REG_X86_RBP];
	*ret_has_bp = regs_has(&walk->regs, REG_X86_RBP);
	if (orc->bp_reg == ORC_REG_UNDEFINED)
		return STEP_NEXT;
	if (orc->bp_reg == ORC_REG_PREV_SP)
		address = sp + (uint64_t)(int64_t)orc->bp_offset;
	else if (orc->bp_reg == ORC_REG_BP && *ret_has_bp)
		address = *ret_bp + (uint64_t)(int64_t)orc->bp_offset;
	else
		return failed(walk, "ORC entry with the unknown frame register %u", orc->bp_reg);
	*ret_has_bp = true;
	if (walk_read(walk, address, ret_bp, 1))
		return failed(walk, "the saved frame pointer at %#lx cannot be read",
			      (unsigned long)address);
	return STEP_NEXT;
}

static enum step step_call(struct walk *walk, const struct stack_area *before,
			   const struct orc_entry *orc, uint64_t sp, bool derived)
{
	uint64_t slot = sp - 8, ip, bp;
	struct regs regs = { 0 };
	const struct code *code;
	bool has_bp;

	if (walk_read(walk, slot, &ip, 1))
		return failed(walk, "the return address at %#lx cannot be read",
			      (unsigned long)slot);
	if (previous_bp(walk, orc, sp, &bp, &has_bp) != STEP_NEXT)
		return STEP_FAILED;
	ip = return_hooks_resolve(walk->u->hooks, walk->task, slot, ip);
	code = unwinder_code(walk->u, ip - 1);
	if (!code || (!code->text && !code->generated) ||
	    (derived && !return_address_plausible(walk->u, ip, NULL)))
		return failed(walk, "the return address %#lx at %#lx is no code", (unsigned long)ip,
			      (unsigned long)slot);
	if (advance(walk, before, sp) != STEP_NEXT)
		return STEP_FAILED;
	regs_set(&regs, REG_IP, ip);
	regs_set(&regs, REG_SP, sp);
	if (has_bp)
		regs_set(&regs, REG_X86_RBP, bp);
	walk->regs = regs;
	walk->full = false;
	walk->exact = orc->signal;
	return STEP_NEXT;
}

static enum step step_orc_entry(struct walk *walk, const struct orc_entry *orc, bool derived)
{
	const struct stack_area before = walk->area;
	uint64_t sp = 0, words[PT_REGS_WORDS];
	struct regs regs;

	if (orc->type == ORC_TYPE_END_OF_STACK)
		return STEP_BOTTOM;
	if (orc->type == ORC_TYPE_UNDEFINED)
		return failed(walk, "no unwind information for this code");
	if (previous_sp(walk, orc, &sp) != STEP_NEXT)
		return STEP_FAILED;
	if (orc->type == ORC_TYPE_CALL)
		return step_call(walk, &before, orc, sp, derived);
	if (orc->type == ORC_TYPE_REGS_PARTIAL)
		return step_iret(walk, &before, sp, orc->signal);
	if (walk_read(walk, sp, words, PT_REGS_WORDS))
		return failed(walk, "the registers saved at %#lx cannot be read",
			      (unsigned long)sp);
	regs_from_pt_regs(words, &regs);
	return walk_interrupted(walk, &before, &regs, true, orc->signal);
}

static enum step step_orc(struct walk *walk, const struct code *code)
{
	const struct orc_entry orc = code->orc; /* the table that @code is in may move */
	const struct stack_set set = walk->set;
	const struct stack_area area = walk->area;
	const bool guessed = walk->guessed;
	enum step step = step_orc_entry(walk, &orc, code->derived);

	if (step == STEP_FAILED) {
		walk->set = set;
		walk->area = area;
		walk->guessed = guessed;
	}
	return step;
}

/* --- the walk --- */

static int add_frame(struct walk *walk, const struct code *code, uint32_t i)
{
	struct frame frame = {
		.address = walk->regs.v[REG_IP],
		.function = code->function,
		.module = code->module,
		.size = code->size,
		.interrupted = walk->exact,
		.reliable = !walk->guessed && !walk->anchored,
		.sp = walk->regs.v[REG_SP],
	};
	struct regs *regs;

	if (code->function_address && frame.address >= code->function_address &&
	    frame.address - code->function_address <= UINT32_MAX)
		frame.offset = (uint32_t)(frame.address - code->function_address);
	if (walk->full || walk->exact || i == 0) {
		regs = arena_alloc(walk->arena, sizeof(*regs));
		if (!regs)
			return -ENOMEM;
		*regs = walk->regs;
		frame.regs = regs;
	}
	walk->u->frames[i] = frame;
	walk->u->classes[i] = walk->guessed ? ENTRY_NONE : code->class;
	return 0;
}

static int walk_run(struct walk *walk, struct stack *ret_stack)
{
	struct unwinder *u = walk->u;
	struct stack stack = { 0 };
	enum step step = STEP_NEXT;

	walk->why[0] = 0;
	while (step == STEP_NEXT) {
		uint64_t ip = walk->regs.v[REG_IP];
		uint64_t pc = walk->exact ? ip : ip - 1;
		const struct code *code = unwinder_code(u, pc);

		if (!code || add_frame(walk, code, stack.n) < 0)
			return -ENOMEM;
		if (++stack.n == UNWIND_FRAMES_MAX) {
			step = failed(walk, "more than %u frames", UNWIND_FRAMES_MAX - 1);
			break;
		}
		code_derive(u, pc);
		if (code->has_orc)
			step = step_orc(walk, code);
		else
			step = failed(walk, "no unwind information for this code");
		if (step == STEP_FAILED)
			step = walk_fallback(walk, unwinder_code(u, pc));
	}
	if (stack.n) {
		stack.frames = arena_calloc(walk->arena, stack.n, sizeof(*stack.frames));
		if (!stack.frames)
			return -ENOMEM;
		frame_contexts_assign(u->frames, u->classes, stack.n, walk->area.kind);
		memcpy(stack.frames, u->frames, stack.n * sizeof(*stack.frames));
	}
	if (step == STEP_FAILED) {
		const struct frame *last = &u->frames[stack.n - 1];

		stack.stopped = arena_printf(walk->arena, "below %s: %s",
					     last->function ? last->function : "unnamed code",
					     walk->why);
		if (!stack.stopped)
			return -ENOMEM;
	}
	*ret_stack = stack;
	return 0;
}

static int stopped_at_once(struct arena *arena, const char *why, struct stack *ret_stack)
{
	struct stack stack = { .stopped = arena_strdup(arena, why) };

	if (!stack.stopped)
		return -ENOMEM;
	*ret_stack = stack;
	return 0;
}

static void walk_begin(struct walk *walk, struct unwinder *u, struct arena *arena, uint32_t cpu,
		       uint64_t task)
{
	memset(walk, 0, sizeof(*walk));
	u->arena = arena;
	walk->u = u;
	walk->arena = arena;
	walk->task = task;
	stacks_collect(u->stacks, cpu, task, &walk->set);
	/* A live kernel's stacks change from walk to walk. */
	for (unsigned int i = 0; i < UNWIND_PAGES; i++)
		u->pages[i].va = 0;
}

/* Unwinds from an anchor: the CPU gave no registers. */
static int unwind_anchored(struct walk *walk, uint32_t cpu, struct stack *ret_stack)
{
	const char *text = "no registers of this CPU, and nothing on its stacks tells where it was";
	struct stack stack;
	int r;

	if (stacks_nmi_anchor(walk->u->stacks, cpu, &walk->regs) == 0) {
		walk->exact = walk->full = true;
		text = "no registers of this CPU: unwound from what its NMI entry saved";
	} else if (stacks_irq_anchor(walk->u->stacks, cpu, &walk->regs) == 0) {
		text = "no registers of this CPU: unwound from its interrupt stack's first frame; "
		       "what is above that is not known";
	} else {
		return stopped_at_once(walk->arena, text, ret_stack);
	}
	walk->anchored = true;
	if (stack_set_enter(walk->u->stacks, &walk->set, walk->regs.v[REG_SP], &walk->area) < 0)
		return stopped_at_once(walk->arena, text, ret_stack);
	r = walk_run(walk, &stack);
	if (r < 0)
		return r;
	stack.stopped = stack.stopped ? arena_printf(walk->arena, "%s; %s", text, stack.stopped)
				      : arena_strdup(walk->arena, text);
	if (!stack.stopped)
		return -ENOMEM;
	*ret_stack = stack;
	return 0;
}

int unwind_cpu(struct unwinder *unwinder, struct arena *arena, const struct regs *regs,
	       uint32_t cpu, uint64_t task, struct stack *ret_stack)
{
	struct walk walk;

	if (cpu == SNAPSHOT_NONE)
		return unwind_task(unwinder, arena, task, ret_stack);
	walk_begin(&walk, unwinder, arena, cpu, task);
	if (!regs || !regs_has(regs, REG_IP) || !regs_has(regs, REG_SP))
		return unwind_anchored(&walk, cpu, ret_stack);
	if (regs_has(regs, REG_X86_CS) && (regs->v[REG_X86_CS] & 3) == 3) {
		*ret_stack = (struct stack){ 0 }; /* user mode: no kernel frames */
		return 0;
	}
	walk.regs = *regs;
	walk.full = walk.exact = true;
	if (stack_set_enter(unwinder->stacks, &walk.set, regs->v[REG_SP], &walk.area) < 0)
		return stopped_at_once(arena, "the stack pointer is no kernel address", ret_stack);
	return walk_run(&walk, ret_stack);
}

int unwind_task(struct unwinder *unwinder, struct arena *arena, uint64_t task,
		struct stack *ret_stack)
{
	struct unwinder *u = unwinder;
	uint64_t sp, words[16];
	struct walk walk;
	uint32_t on_cpu;

	walk_begin(&walk, u, arena, SNAPSHOT_NONE, task);
	if (u->thread_sp < 0)
		return stopped_at_once(arena, "the layout of task_struct is not known", ret_stack);
	if (u->on_cpu >= 0 &&
	    kernel_read_u32(u->kernel, task + (uint64_t)u->on_cpu, &on_cpu) == 0 && on_cpu)
		return stopped_at_once(arena, "the task is on a CPU: what it saved is out of date",
				       ret_stack);
	if (kernel_read_u64(u->kernel, task + (uint64_t)u->thread_sp, &sp) < 0)
		return stopped_at_once(arena, "the task cannot be read", ret_stack);
	if (stack_set_enter(u->stacks, &walk.set, sp, &walk.area) < 0 ||
	    walk_read(&walk, sp, words, (unsigned int)(u->inactive_size / 8)))
		return stopped_at_once(arena, "the task's stack cannot be read", ret_stack);
	for (int i = 0; i < 7; i++)
		regs_set(&walk.regs, inactive_regs[i], words[u->inactive[i] / 8]);
	regs_set(&walk.regs, REG_SP, sp + u->inactive_size);
	/* A task that never ran begins at the first instruction. */
	walk.exact = u->fork_return && walk.regs.v[REG_IP] == u->fork_return;
	return walk_run(&walk, ret_stack);
}
