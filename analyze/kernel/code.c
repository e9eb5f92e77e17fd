// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/code.h"

#include <errno.h>
#include <stdlib.h>

/* The number of the register that @reg is, or is a part of; CODE_NO_REG none. */
static int reg_number(unsigned int reg)
{
	static const struct {
		uint16_t parts[5];
	} regs[CODE_REGS] = {
		{ { X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH } },
		{ { X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH } },
		{ { X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH } },
		{ { X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH } },
		{ { X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, X86_REG_SPL } },
		{ { X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, X86_REG_BPL } },
		{ { X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, X86_REG_SIL } },
		{ { X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, X86_REG_DIL } },
		{ { X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, X86_REG_R8B } },
		{ { X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, X86_REG_R9B } },
		{ { X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, X86_REG_R10B } },
		{ { X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, X86_REG_R11B } },
		{ { X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, X86_REG_R12B } },
		{ { X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, X86_REG_R13B } },
		{ { X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, X86_REG_R14B } },
		{ { X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, X86_REG_R15B } },
	};

	for (int i = 0; i < CODE_REGS; i++)
		for (int k = 0; k < 5; k++)
			if (regs[i].parts[k] == reg)
				return i;
	return CODE_NO_REG;
}

static uint16_t insn_writes(csh capstone, const cs_insn *in)
{
	cs_regs read, write;
	uint8_t n_read, n_write;
	uint16_t mask = 0;

	if (cs_regs_access(capstone, in, read, &n_read, write, &n_write) != CS_ERR_OK)
		return 0xffff;
	for (uint8_t k = 0; k < n_write; k++) {
		int reg = reg_number(write[k]);

		if (reg >= 0)
			mask |= (uint16_t)(1 << reg);
	}
	return mask;
}

/* The address that memory operand @op has: a register (or none) and a displacement. */
static int memory_base(const cs_x86_op *op, uint64_t next, int64_t *ret_disp)
{
	*ret_disp = op->mem.disp;
	if (op->mem.segment != X86_REG_INVALID || op->mem.index != X86_REG_INVALID)
		return CODE_NO_REG;
	if (op->mem.base == X86_REG_RIP) {
		*ret_disp = (int64_t)(next + (uint64_t)op->mem.disp);
		return CODE_ABSOLUTE;
	}
	return op->mem.base == X86_REG_INVALID ? CODE_ABSOLUTE : reg_number(op->mem.base);
}

static bool is_register(const cs_x86_op *op)
{
	return op->type == X86_OP_REG && op->size == 8 && reg_number(op->reg) >= 0;
}

static void effect_mov(struct code_insn *slot, const cs_x86 *x, uint64_t next)
{
	const cs_x86_op *to = &x->operands[0], *from = &x->operands[1];

	if (to->type == X86_OP_MEM) {
		slot->effect = EFFECT_STORE;
		slot->src = (int8_t)memory_base(to, next, &slot->disp);
		slot->width = to->size;
		slot->dst = (int8_t)(is_register(from) ? reg_number(from->reg) : CODE_NO_REG);
		return;
	}
	if (!is_register(to))
		return;
	slot->dst = (int8_t)reg_number(to->reg);
	if (from->type == X86_OP_IMM) {
		slot->effect = EFFECT_COPY;
		slot->src = CODE_ABSOLUTE;
		slot->disp = from->imm;
	} else if (is_register(from)) {
		slot->effect = EFFECT_COPY;
		slot->src = (int8_t)reg_number(from->reg);
	} else if (from->type == X86_OP_MEM) {
		slot->src = (int8_t)memory_base(from, next, &slot->disp);
		if (slot->src != CODE_NO_REG)
			slot->effect = EFFECT_LOAD;
	}
}

static void effect_add(struct code_insn *slot, const cs_insn *in, const cs_x86 *x)
{
	const cs_x86_op *to = &x->operands[0];

	if (!is_register(to) || x->operands[1].type != X86_OP_IMM)
		return;
	slot->effect = EFFECT_COPY;
	slot->dst = slot->src = (int8_t)reg_number(to->reg);
	slot->disp = in->id == X86_INS_SUB ? -x->operands[1].imm : x->operands[1].imm;
}

static void insn_effect(csh capstone, struct code_insn *slot, const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;
	uint64_t next = in->address + in->size;

	slot->writes = insn_writes(capstone, in);
	switch (in->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
		if (x->op_count == 2)
			effect_mov(slot, x, next);
		break;
	case X86_INS_LEA:
		if (x->op_count == 2 && is_register(&x->operands[0])) {
			slot->dst = (int8_t)reg_number(x->operands[0].reg);
			slot->src = (int8_t)memory_base(&x->operands[1], next, &slot->disp);
			if (slot->src != CODE_NO_REG)
				slot->effect = EFFECT_COPY;
		}
		break;
	case X86_INS_ADD:
	case X86_INS_SUB:
		if (x->op_count == 2)
			effect_add(slot, in, x);
		break;
	case X86_INS_PUSH:
	case X86_INS_POP:
		slot->effect = in->id == X86_INS_PUSH ? EFFECT_PUSH : EFFECT_POP;
		slot->dst = (int8_t)(is_register(&x->operands[0]) ?
					     reg_number(x->operands[0].reg) :
					     CODE_NO_REG);
		slot->writes = 0;
		break;
	case X86_INS_LEAVE:
		slot->effect = EFFECT_LEAVE;
		slot->writes = 0;
		break;
	default:
		/* Any other write to memory may be to the stack. */
		if (x->op_count && x->operands[0].type == X86_OP_MEM &&
		    (x->operands[0].access & CS_AC_WRITE)) {
			slot->effect = EFFECT_STORE;
			slot->src = (int8_t)memory_base(&x->operands[0], next, &slot->disp);
			slot->width = x->operands[0].size;
			slot->dst = CODE_NO_REG;
		}
		break;
	}
	if (slot->effect != EFFECT_NONE && slot->effect != EFFECT_STORE)
		slot->writes &= (uint16_t)~(slot->dst >= 0 ? 1 << slot->dst : 0);
}

/* Do these bytes begin with a NOP of three or four bytes, in any of the kernel's two styles? */
static bool is_nop(const uint8_t *bytes, size_t left)
{
	static const uint8_t nops[][4] = {
		{ 0x0f, 0x1f, 0x40, 0x00 }, { 0x66, 0x66, 0x66, 0x90 },
		{ 0x0f, 0x1f, 0x00 },	    { 0x66, 0x66, 0x90 },
	};

	for (size_t i = 0; i < 4; i++) {
		size_t size = i < 2 ? 4 : 3;

		if (left >= size && memcmp(bytes, nops[i], size) == 0)
			return true;
	}
	return false;
}

/*
 * Unlocks compiled into the function (include/asm-generic/qspinlock.h, qrwlock.h). queued_spin_unlock()
 * is "movb $0, (lock)"; with paravirt locks compiled in it is that with RDI and filled up with a
 * NOP of 3 or 4 bytes to the length of the call it replaces (@after: the bytes that follow).
 * queued_read_unlock() subtracts _QR_BIAS, 0x200: "lock xadd", "lock sub" or "lock add".
 */
static enum code_unlock insn_unlock(struct code_insn *slot, const cs_insn *in, const uint8_t *after,
				    size_t left)
{
	const cs_x86 *x = &in->detail->x86;
	const cs_x86_op *memory = &x->operands[0], *value = &x->operands[1];

	if (x->op_count != 2 || memory->type != X86_OP_MEM)
		return UNLOCK_NONE;
	slot->unlock_reg = (int8_t)memory_base(memory, in->address + in->size, &slot->unlock_disp);
	if (in->id == X86_INS_MOV && memory->size == 1 && value->type == X86_OP_IMM &&
	    value->imm == 0) {
		if (in->size == 3 && memory->mem.base == X86_REG_RDI && is_nop(after, left))
			return UNLOCK_SPIN;
		return slot->unlock_reg == CODE_NO_REG ? UNLOCK_NONE : UNLOCK_BYTE;
	}
	if (x->prefix[0] != X86_PREFIX_LOCK || slot->unlock_reg == CODE_NO_REG)
		return UNLOCK_NONE;
	if (in->id == X86_INS_BTS && value->type == X86_OP_IMM)
		return LOCK_BIT;
	/* clear_bit_unlock() of a constant bit is "lock andb $~bit" (arch/x86/include/asm/bitops.h). */
	if ((in->id == X86_INS_BTR && value->type == X86_OP_IMM) ||
	    (in->id == X86_INS_AND && memory->size == 1 && value->type == X86_OP_IMM))
		return UNLOCK_BIT;
	if (memory->size != 4)
		return UNLOCK_NONE;
	if (in->id == X86_INS_XADD ||
	    (in->id == X86_INS_SUB && value->type == X86_OP_IMM && value->imm == 0x200) ||
	    (in->id == X86_INS_ADD && value->type == X86_OP_IMM && (int32_t)value->imm == -0x200))
		return UNLOCK_READER;
	return UNLOCK_NONE;
}

/*
 * "test %eax, %eax; je": does the jump ask what the last call returned? @test is the instruction
 * before the jump; what lies between the call and it may move the result, but not change it.
 */
static void insn_ask(struct code *code, struct code_insn *jump, unsigned int id, bool test_rax)
{
	uint32_t at = (uint32_t)(jump - code->insns);

	/* "lock bts; jb" jumps when the bit was set already. */
	if (at && code->insns[at - 1].unlock == LOCK_BIT &&
	    (id == X86_INS_JB || id == X86_INS_JAE)) {
		jump->tested = (int32_t)at - 1;
		jump->taken_on_zero = id == X86_INS_JAE;
		return;
	}

	if (!test_rax || at < 2 || (id != X86_INS_JE && id != X86_INS_JNE))
		return;
	for (uint32_t i = at - 1; i > 0 && at - i < 4; i--) {
		const struct code_insn *in = &code->insns[i - 1];

		if (in->call) {
			jump->tested = (int32_t)(i - 1);
			jump->taken_on_zero = id == X86_INS_JE;
			return;
		}
		if (!in->falls || in->jump >= 0 || in->writes & 1 << CODE_RAX ||
		    (in->effect != EFFECT_NONE && in->effect != EFFECT_STORE &&
		     in->dst == CODE_RAX))
			return;
	}
}

static bool tests_rax(const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;

	return in->id == X86_INS_TEST && x->op_count == 2 && x->operands[0].type == X86_OP_REG &&
	       x->operands[1].type == X86_OP_REG && x->operands[0].reg == x->operands[1].reg &&
	       reg_number(x->operands[0].reg) == CODE_RAX;
}

struct decoder {
	struct arena *arena;
	csh capstone;
	const struct code_range *ranges;
	unsigned int n_ranges;
	struct code *code;
	bool test_rax; /* the last instruction asked whether RAX is zero */
};

static bool inside(const struct decoder *d, uint64_t address)
{
	for (unsigned int i = 0; i < d->n_ranges; i++)
		if (address >= d->ranges[i].start &&
		    address - d->ranges[i].start < d->ranges[i].size)
			return true;
	return false;
}

static void insn_jump(struct decoder *d, struct code_insn *slot, const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;

	slot->falls = in->id != X86_INS_JMP;
	slot->returns = in->id == X86_INS_JMP;
	if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM) {
		slot->target = (uint64_t)x->operands[0].imm;
		if (inside(d, slot->target))
			slot->returns = false;
	} else {
		slot->indirect = true;
	}
	if (slot->falls)
		insn_ask(d->code, slot, in->id, d->test_rax);
}

/* The memory that an instruction uses, for those who look at loops. */
static void insn_memory(struct code_insn *slot, const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;

	slot->pause = in->id == X86_INS_PAUSE;
	if (in->id == X86_INS_LEA || in->id == X86_INS_NOP)
		return;
	for (uint8_t i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		if (op->type == X86_OP_IMM)
			slot->imm = op->imm;
		if (op->type != X86_OP_MEM)
			continue;
		slot->read_reg = (int8_t)memory_base(op, in->address + in->size, &slot->read_disp);
		slot->read_size = op->size;
		slot->stores = (op->access & CS_AC_WRITE) && x->prefix[0] != X86_PREFIX_LOCK &&
			       op->mem.segment == X86_REG_INVALID;
	}
}

static int insn_add(struct decoder *d, const cs_insn *in, const uint8_t *after, size_t left)
{
	struct code_insn *slot = ARENA_APPEND(d->arena, d->code->insns, d->code->n);
	const cs_x86 *x = &in->detail->x86;

	if (!slot)
		return -ENOMEM;
	*slot = (struct code_insn){ .address = in->address, .size = (uint8_t)in->size,
				    .falls = true, .jump = -1, .dst = CODE_NO_REG,
				    .src = CODE_NO_REG, .tested = -1 };
	if (cs_insn_group(d->capstone, in, CS_GRP_CALL)) {
		slot->call = true;
		if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM)
			slot->target = (uint64_t)x->operands[0].imm;
	} else if (cs_insn_group(d->capstone, in, CS_GRP_JUMP)) {
		insn_jump(d, slot, in);
	} else if (cs_insn_group(d->capstone, in, CS_GRP_RET)) {
		slot->falls = false;
		slot->returns = true;
	} else if (in->id == X86_INS_UD2) {
		slot->falls = false;
	} else {
		insn_effect(d->capstone, slot, in);
		insn_memory(slot, in);
		slot->unlock = (uint8_t)insn_unlock(slot, in, after, left);
	}
	d->test_rax = tests_rax(in);
	return 0;
}

/* The index of the first instruction of @range at @address or after. */
static uint32_t lower_bound(const struct code *code, unsigned int range, uint64_t address)
{
	uint32_t low = range ? code->end[range - 1] : 0, high = code->end[range];

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (code->insns[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct code_insn *code_insn_at(const struct code *code, uint64_t address)
{
	for (unsigned int i = 0; i < code->n_ranges; i++) {
		uint32_t at = lower_bound(code, i, address);

		if (at < code->end[i] && code->insns[at].address == address)
			return &code->insns[at];
	}
	return NULL;
}

struct code_insn *code_insn_before(const struct code *code, uint64_t address)
{
	for (unsigned int i = 0; i < code->n_ranges; i++) {
		uint32_t at = lower_bound(code, i, address);

		if (at > (i ? code->end[i - 1] : 0) &&
		    code->insns[at - 1].address + code->insns[at - 1].size == address)
			return &code->insns[at - 1];
	}
	return NULL;
}

static int decode_range(struct decoder *d, const struct code_range *range)
{
	cs_insn *in = cs_malloc(d->capstone);
	const uint8_t *bytes = range->bytes;
	uint64_t address = range->start;
	size_t left = range->size;
	int r = in ? 0 : -ENOMEM;

	d->test_rax = false;
	while (r == 0 && left && cs_disasm_iter(d->capstone, &bytes, &left, &address, in))
		r = insn_add(d, in, bytes, left);
	if (in)
		cs_free(in, 1);
	if (d->code->n)
		d->code->insns[d->code->n - 1].falls = false;
	return r;
}

int code_decode(struct arena *arena, csh capstone, const struct code_range *ranges,
		unsigned int n_ranges, struct code *ret_code)
{
	struct decoder d = { arena, capstone, ranges, n_ranges, ret_code, false };

	*ret_code = (struct code){ .n_ranges = n_ranges };
	for (unsigned int i = 0; i < n_ranges; i++) {
		int r = decode_range(&d, &ranges[i]);

		if (r < 0)
			return r;
		ret_code->end[i] = ret_code->n;
	}
	if (ret_code->end[0] == 0)
		return -EINVAL;
	ret_code->insns[0].leader = true;
	for (uint32_t i = 0; i < ret_code->n; i++) {
		struct code_insn *in = &ret_code->insns[i], *to;

		if (in->call || !in->target || !inside(&d, in->target))
			continue;
		to = code_insn_at(ret_code, in->target);
		if (!to)
			return -EINVAL; /* into the middle of an instruction: not what it seems */
		to->leader = true;
		in->jump = (int32_t)(to - ret_code->insns);
		in->target = 0;
	}
	return 0;
}
