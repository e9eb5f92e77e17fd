// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * GCC and clang push the callee-saved registers they need at the beginning of a function, in one
 * run that only moves between registers interrupt. The first push goes below the return address.
 * Whether a push had been made at the frame's address is told by the frame's own stack pointer: a
 * slot below it was not. A function that pushes after it has realigned its stack, or after a branch,
 * ends the chain: better no register than a wrong one.
 */
#include "kernel/saved_regs.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>

#include "diagnose/primitives.h"

#define PROLOGUE_BYTES 96
#define N_BUCKETS 256
#define N_SAVED 6

struct prologue {
	uint64_t function;
	bool followed;	       /* false: it does something not understood */
	bool realigned;	       /* what is pushed from here on lies who knows where */
	uint8_t n;
	struct {
		uint8_t reg;   /* REG_X86_* */
		uint8_t end;   /* offset of the instruction after the push */
	} push[N_SAVED];
	struct prologue *next;
};

struct saved_regs {
	struct kernel *kernel;
	struct arena arena;
	csh capstone;
	struct prologue *buckets[N_BUCKETS];
};

int saved_regs_new(struct kernel *kernel, struct saved_regs **ret)
{
	struct saved_regs *saved = calloc(1, sizeof(*saved));

	if (!saved)
		return -ENOMEM;
	saved->kernel = kernel;
	arena_init(&saved->arena);
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &saved->capstone) != CS_ERR_OK) {
		free(saved);
		return -ENOMEM;
	}
	cs_option(saved->capstone, CS_OPT_DETAIL, CS_OPT_ON);
	*ret = saved;
	return 0;
}

void saved_regs_free(struct saved_regs *saved)
{
	if (!saved)
		return;
	cs_close(&saved->capstone);
	arena_done(&saved->arena);
	free(saved);
}

static int callee_saved(unsigned int reg)
{
	switch (reg) {
	case X86_REG_RBX:
		return REG_X86_RBX;
	case X86_REG_RBP:
		return REG_X86_RBP;
	case X86_REG_R12:
		return REG_X86_R12;
	case X86_REG_R13:
		return REG_X86_R13;
	case X86_REG_R14:
		return REG_X86_R14;
	case X86_REG_R15:
		return REG_X86_R15;
	default:
		return -1;
	}
}

/* One instruction of a prologue. 1: go on; 0: the prologue is over; -1: not understood. */
static int prologue_step(struct prologue *p, const cs_insn *in, csh capstone)
{
	const cs_x86 *x = &in->detail->x86;
	int reg;

	if (in->id == X86_INS_PUSH) {
		if (x->operands[0].type != X86_OP_REG || p->realigned)
			return -1;
		reg = callee_saved(x->operands[0].reg);
		if (reg < 0 || p->n == N_SAVED)
			return -1;
		p->push[p->n].reg = (uint8_t)reg;
		p->push[p->n++].end = (uint8_t)(in->address + in->size - p->function);
		return 1;
	}
	/* The call of __fentry__, when tracing is on, saves everything. */
	if (in->id == X86_INS_CALL)
		return in->address == p->function || in->address == p->function + 4 ? 1 : 0;
	if (cs_insn_group(capstone, in, CS_GRP_JUMP) || cs_insn_group(capstone, in, CS_GRP_RET))
		return 0;
	if (x->op_count && x->operands[0].type == X86_OP_REG &&
	    (x->operands[0].access & CS_AC_WRITE) && x->operands[0].reg == X86_REG_RSP) {
		/* "and $-16, %rsp", as in __mutex_lock(): what was pushed before has its place. */
		p->realigned = in->id == X86_INS_AND && p->n;
		return in->id == X86_INS_SUB ? 0 : p->realigned ? 1 : -1;
	}
	return 1;
}

static int prologue_get(struct saved_regs *saved, uint64_t function, const struct prologue **ret)
{
	struct prologue **bucket = &saved->buckets[(function >> 4) % N_BUCKETS], *p;
	uint8_t code[PROLOGUE_BYTES];
	const uint8_t *at = code;
	size_t left = sizeof(code);
	uint64_t address = function;
	cs_insn *in;
	int go = 1;

	for (p = *bucket; p; p = p->next)
		if (p->function == function) {
			*ret = p;
			return 0;
		}
	p = arena_alloc(&saved->arena, sizeof(*p));
	in = cs_malloc(saved->capstone);
	if (!p || !in) {
		if (in)
			cs_free(in, 1);
		return -ENOMEM;
	}
	p->function = function;
	p->next = *bucket;
	*bucket = p;
	if (kernel_read(saved->kernel, function, code, sizeof(code)) == 0) {
		while (go > 0 && cs_disasm_iter(saved->capstone, &at, &left, &address, in))
			go = prologue_step(p, in, saved->capstone);
		p->followed = go == 0;
	}
	cs_free(in, 1);
	*ret = p;
	return 0;
}

/*
 * The caller's registers, from those of @frame: what its function pushed comes from the stack, and
 * what it did not push it has left alone. @cfa: the stack pointer after its return.
 */
static int regs_unwind(struct saved_regs *saved, const struct frame *frame, uint64_t cfa,
		       struct regs *regs)
{
	const struct prologue *p;
	int r;

	r = prologue_get(saved, frame->address - frame->offset, &p);
	if (r < 0)
		return r;
	if (!p->followed || !frame->sp || cfa <= frame->sp) {
		regs->known = 0;
		return 0;
	}
	for (unsigned int i = 0; i < p->n; i++) {
		uint64_t slot = cfa - 16 - 8 * i, value;

		if (slot < frame->sp || p->push[i].end > frame->offset)
			break;
		if (kernel_read_u64(saved->kernel, slot, &value) == 0)
			regs_set(regs, p->push[i].reg, value);
		else
			regs->known &= ~(1ULL << p->push[i].reg);
	}
	return 0;
}

static void regs_keep_callee_saved(struct regs *regs)
{
	regs->known &= 1ULL << REG_X86_RBX | 1ULL << REG_X86_RBP | 1ULL << REG_X86_R12 |
		       1ULL << REG_X86_R13 | 1ULL << REG_X86_R14 | 1ULL << REG_X86_R15;
}

int saved_regs_fill(struct saved_regs *saved, struct arena *arena, struct stack *stack)
{
	struct regs regs = { 0 };

	for (uint32_t i = 0; i < stack->n; i++) {
		struct frame *frame = &stack->frames[i];
		struct kept_regs *kept;
		int r;

		if (frame->regs) {
			regs = *frame->regs;
			regs_keep_callee_saved(&regs);
		}
		if (!frame->reliable || !frame->function)
			regs.known = 0;
		if (!regs.known)
			continue;
		kept = arena_alloc(arena, sizeof(*kept));
		if (!kept)
			return -ENOMEM;
		regs_get_kept(&regs, kept);
		frame->saved = kept;
		if (i + 1 >= stack->n || stack->frames[i + 1].interrupted) {
			regs.known = 0;
			continue;
		}
		r = regs_unwind(saved, frame, stack->frames[i + 1].sp, &regs);
		if (r < 0)
			return r;
	}
	return 0;
}
