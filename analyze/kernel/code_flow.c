// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small part of what objtool does, at run time and for one function: the state of the frame at
 * each instruction is where the caller's stack pointer (CFA) is, as SP + n or BP + n, and in which
 * slot below it the caller's BP was saved. States flow along jumps and fall-throughs; where two
 * that meet differ, there is no rule. Calls are taken to leave the stack as it was. Indirect jumps
 * (jump tables) are not followed: what only they reach has no rule.
 */
#include "kernel/code_flow.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct frame_state {
	bool known;
	bool bp_based; /* CFA = BP + cfa, else SP + cfa */
	bool sp_known; /* CFA = SP + depth holds too, when bp_based */
	int32_t cfa;
	int32_t depth;
	int32_t bp_slot; /* caller's BP is at CFA - bp_slot; 0: still in BP */
};

struct flow {
	csh handle;
	cs_insn *insn;
	const uint8_t *bytes;
	size_t size;
	uint64_t start;
	struct frame_state *states; /* by offset; known where a state arrived */
	bool *conflict;
	uint32_t *work; /* offsets still to follow; each at most twice: by state, by conflict */
	size_t n_work;
};

#define DEPTH_MAX 32760 /* of an ORC entry's s16, and no kernel stack is larger */

static bool is_reg(const cs_x86_op *op, x86_reg reg)
{
	return op->type == X86_OP_REG && op->reg == reg;
}

static void set_depth(struct frame_state *s, int64_t depth)
{
	if (depth < 0 || depth > DEPTH_MAX) {
		s->known = s->bp_based;
		s->sp_known = false;
		return;
	}
	s->depth = (int32_t)depth;
	if (!s->bp_based)
		s->cfa = s->depth;
}

static void lose_sp(struct frame_state *s)
{
	s->sp_known = false;
	if (!s->bp_based)
		s->known = false;
}

static void do_push(struct frame_state *s, bool bp)
{
	if (s->sp_known)
		set_depth(s, (int64_t)s->depth + 8);
	if (bp && !s->bp_based && !s->bp_slot && s->known)
		s->bp_slot = s->depth;
}

static void restored_bp(struct frame_state *s)
{
	if (s->bp_based) {
		s->bp_based = false;
		if (!s->sp_known)
			s->known = false;
		else
			s->cfa = s->depth;
	}
	s->bp_slot = 0;
}

static void do_pop(struct frame_state *s, bool bp)
{
	bool ours = bp && s->sp_known && s->bp_slot && s->bp_slot == s->depth;

	if (s->sp_known)
		set_depth(s, (int64_t)s->depth - 8);
	if (ours)
		restored_bp(s);
	else if (bp && s->bp_based)
		s->known = false;
}

static void do_leave(struct frame_state *s)
{
	if (!s->bp_based || s->cfa < 16) {
		s->known = false;
		return;
	}
	/* mov rsp, rbp; pop rbp */
	s->sp_known = true;
	s->depth = s->cfa - 8;
	restored_bp(s);
}

/* rsp = base + displacement */
static void do_lea_sp(struct frame_state *s, const x86_op_mem *mem)
{
	if (mem->index != X86_REG_INVALID) {
		lose_sp(s);
	} else if (mem->base == X86_REG_RSP && s->sp_known) {
		set_depth(s, (int64_t)s->depth - mem->disp);
	} else if (mem->base == X86_REG_RBP && s->bp_based) {
		s->sp_known = true;
		set_depth(s, (int64_t)s->cfa - mem->disp);
	} else {
		lose_sp(s);
	}
}

static void write_sp(struct frame_state *s, const cs_insn *insn, const cs_x86 *x)
{
	const cs_x86_op *src = &x->operands[1];

	if ((insn->id == X86_INS_SUB || insn->id == X86_INS_ADD) && src->type == X86_OP_IMM) {
		if (s->sp_known)
			set_depth(s, (int64_t)s->depth +
					     (insn->id == X86_INS_SUB ? src->imm : -src->imm));
	} else if (insn->id == X86_INS_LEA) {
		do_lea_sp(s, &src->mem);
	} else if (insn->id == X86_INS_MOV && is_reg(src, X86_REG_RBP) && s->bp_based) {
		s->sp_known = true;
		set_depth(s, s->cfa);
	} else {
		lose_sp(s);
	}
}

static void write_bp(struct frame_state *s, const cs_insn *insn, const cs_x86 *x)
{
	if (insn->id == X86_INS_MOV && is_reg(&x->operands[1], X86_REG_RSP) && s->sp_known &&
	    s->bp_slot && !s->bp_based) {
		s->bp_based = true;
		s->cfa = s->depth;
	} else if (s->bp_based || !s->bp_slot) {
		s->known = false; /* BP is put to other use, and nowhere to be found */
	}
}

/* What one instruction does to the frame. */
static void apply(struct frame_state *s, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	const cs_x86_op *dst = &x->operands[0];

	switch (insn->id) {
	case X86_INS_PUSH:
		do_push(s, x->op_count && is_reg(dst, X86_REG_RBP));
		return;
	case X86_INS_PUSHFQ:
	case X86_INS_PUSHF:
		do_push(s, false);
		return;
	case X86_INS_POP:
		if (x->op_count && is_reg(dst, X86_REG_RSP))
			s->known = false;
		else
			do_pop(s, x->op_count && is_reg(dst, X86_REG_RBP));
		return;
	case X86_INS_POPFQ:
	case X86_INS_POPF:
		do_pop(s, false);
		return;
	case X86_INS_LEAVE:
		do_leave(s);
		return;
	case X86_INS_ENTER:
		s->known = false;
		return;
	case X86_INS_CMP:
	case X86_INS_TEST:
	case X86_INS_CALL:
		return;
	}
	if (!x->op_count)
		return;
	if (is_reg(dst, X86_REG_RSP))
		write_sp(s, insn, x);
	else if (is_reg(dst, X86_REG_RBP))
		write_bp(s, insn, x);
	if (insn->id == X86_INS_XCHG &&
	    (is_reg(&x->operands[1], X86_REG_RSP) || is_reg(&x->operands[1], X86_REG_RBP)))
		s->known = false;
}

static bool states_equal(const struct frame_state *a, const struct frame_state *b)
{
	if (a->bp_based != b->bp_based || a->cfa != b->cfa || a->bp_slot != b->bp_slot)
		return false;
	return a->bp_based || a->depth == b->depth;
}

/*
 * Two different states meet at @address: one of the paths is none (it goes on after a call that
 * does not return), but which? So nothing that follows has a rule.
 */
static void poison(struct flow *f, uint64_t address)
{
	uint64_t offset = address - f->start;

	if (address < f->start || offset >= f->size || f->conflict[offset])
		return;
	f->conflict[offset] = true;
	f->work[f->n_work++] = (uint32_t)offset;
}

static void arrive(struct flow *f, uint64_t address, const struct frame_state *state)
{
	uint64_t offset = address - f->start;

	if (!state->known || address < f->start || offset >= f->size || f->conflict[offset])
		return;
	if (!f->states[offset].known) {
		f->states[offset] = *state;
		f->work[f->n_work++] = (uint32_t)offset;
	} else if (!states_equal(&f->states[offset], state)) {
		poison(f, address);
	} else if (!state->sp_known) {
		f->states[offset].sp_known = false;
	}
}

static bool decode(struct flow *f, uint64_t offset)
{
	const uint8_t *code = f->bytes + offset;
	uint64_t address = f->start + offset;
	size_t left = f->size - offset;

	return cs_disasm_iter(f->handle, &code, &left, &address, f->insn);
}

/* Passes what is known at @offset on to the instructions after it. */
static void follow(struct flow *f, uint32_t offset)
{
	struct frame_state state = f->states[offset];
	const cs_x86 *x = &f->insn->detail->x86;
	bool conflict = f->conflict[offset];

	if (!decode(f, offset))
		return;
	apply(&state, f->insn);
	if (cs_insn_group(f->handle, f->insn, CS_GRP_JUMP) && x->op_count &&
	    x->operands[0].type == X86_OP_IMM) {
		if (conflict)
			poison(f, (uint64_t)x->operands[0].imm);
		else
			arrive(f, (uint64_t)x->operands[0].imm, &state);
	}
	switch (f->insn->id) {
	case X86_INS_JMP:
	case X86_INS_LJMP:
	case X86_INS_RET:
	case X86_INS_RETF:
	case X86_INS_IRET:
	case X86_INS_IRETD:
	case X86_INS_IRETQ:
	case X86_INS_SYSRET:
	case X86_INS_UD2:
	case X86_INS_HLT:
		return;
	}
	if (conflict)
		poison(f, f->insn->address + f->insn->size);
	else
		arrive(f, f->insn->address + f->insn->size, &state);
}

static int rule_from(const struct frame_state *s, struct orc_entry *ret_rule)
{
	struct orc_entry rule = { .type = ORC_TYPE_CALL };

	if (s->cfa < 8 || s->cfa > DEPTH_MAX || s->bp_slot > DEPTH_MAX)
		return -ENOENT;
	rule.sp_reg = s->bp_based ? ORC_REG_BP : ORC_REG_SP;
	rule.sp_offset = (int16_t)s->cfa;
	if (s->bp_slot) {
		rule.bp_reg = ORC_REG_PREV_SP;
		rule.bp_offset = (int16_t)-s->bp_slot;
	}
	*ret_rule = rule;
	return 0;
}

static int flow_run(struct flow *f, uint64_t pc, struct orc_entry *ret_rule)
{
	const struct frame_state entry = {
		.known = true,
		.sp_known = true,
		.cfa = 8,
		.depth = 8,
	};
	uint64_t wanted = pc - f->start;

	arrive(f, f->start, &entry);
	while (f->n_work)
		follow(f, f->work[--f->n_work]);
	/* The instruction that @pc is in: x86 instructions have up to 15 bytes. */
	for (uint64_t back = 0; back < 15 && back <= wanted; back++) {
		uint64_t offset = wanted - back;

		if (!f->states[offset].known || f->conflict[offset])
			continue;
		if (!decode(f, offset) || f->insn->size <= back)
			continue;
		return rule_from(&f->states[offset], ret_rule);
	}
	return -ENOENT;
}

int code_flow_rule_of(const uint8_t *bytes, size_t size, uint64_t start, uint64_t pc,
		      struct orc_entry *ret_rule)
{
	struct flow f = { .bytes = bytes, .size = size, .start = start };
	int r = -ENOMEM;

	if (pc < start || pc - start >= size || size > CODE_FLOW_MAX)
		return -ENOENT;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &f.handle) != CS_ERR_OK)
		return -ENOMEM;
	cs_option(f.handle, CS_OPT_DETAIL, CS_OPT_ON);
	f.insn = cs_malloc(f.handle);
	f.states = calloc(size, sizeof(*f.states));
	f.conflict = calloc(size, sizeof(*f.conflict));
	f.work = calloc(2 * size, sizeof(*f.work));
	if (f.insn && f.states && f.conflict && f.work)
		r = flow_run(&f, pc, ret_rule);
	if (f.insn)
		cs_free(f.insn, 1);
	cs_close(&f.handle);
	free(f.states);
	free(f.conflict);
	free(f.work);
	return r;
}

int code_flow_rule(struct kernel *kernel, uint64_t start, uint64_t size, uint64_t pc,
		   struct orc_entry *ret_rule)
{
	uint8_t *bytes;
	int r;

	if (size > CODE_FLOW_MAX || pc < start || pc - start >= size)
		return -E2BIG;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	r = kernel_read(kernel, start, bytes, size);
	if (r == 0)
		r = code_flow_rule_of(bytes, size, start, pc, ret_rule);
	free(bytes);
	return r;
}
