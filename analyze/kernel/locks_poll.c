// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What does a spinning CPU read? The innermost loop around its instruction pointer says so: the
 * base registers of its memory operands. A spinlock's slow path polls the lock word through a bare
 * register in each of its loops, whatever the compiler made of the rest.
 */
#include <capstone/capstone.h>

#include "kernel/locks_internal.h"

#define CODE_MAX 4096

static const struct {
	x86_reg reg;
	uint8_t slot;
} reg_map[] = {
	{ X86_REG_RAX, REG_X86_RAX }, { X86_REG_RBX, REG_X86_RBX }, { X86_REG_RCX, REG_X86_RCX },
	{ X86_REG_RDX, REG_X86_RDX }, { X86_REG_RSI, REG_X86_RSI }, { X86_REG_RDI, REG_X86_RDI },
	{ X86_REG_RBP, REG_X86_RBP }, { X86_REG_R8, REG_X86_R8 },   { X86_REG_R9, REG_X86_R9 },
	{ X86_REG_R10, REG_X86_R10 }, { X86_REG_R11, REG_X86_R11 }, { X86_REG_R12, REG_X86_R12 },
	{ X86_REG_R13, REG_X86_R13 }, { X86_REG_R14, REG_X86_R14 }, { X86_REG_R15, REG_X86_R15 },
};

static uint64_t operand_registers(const cs_insn *insn)
{
	uint64_t mask = 0;

	/* lea computes, and reads nothing. */
	if (insn->id == X86_INS_LEA || insn->id == X86_INS_NOP)
		return 0;
	for (uint8_t i = 0; i < insn->detail->x86.op_count; i++) {
		const cs_x86_op *op = &insn->detail->x86.operands[i];

		if (op->type != X86_OP_MEM || op->mem.disp || op->mem.segment != X86_REG_INVALID ||
		    op->mem.index != X86_REG_INVALID)
			continue;
		for (size_t k = 0; k < sizeof(reg_map) / sizeof(*reg_map); k++)
			if (op->mem.base == reg_map[k].reg)
				mask |= 1ULL << reg_map[k].slot;
	}
	return mask;
}

/* The tightest backward jump over @ip; [*ret_first, *ret_last] in @insns. */
static bool loop_find(csh handle, const cs_insn *insns, size_t n, uint64_t ip, size_t *ret_first,
		      size_t *ret_last)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		const cs_x86 *x = &insns[i].detail->x86;
		uint64_t target;

		if (!cs_insn_group(handle, &insns[i], CS_GRP_JUMP) || x->op_count != 1 ||
		    x->operands[0].type != X86_OP_IMM)
			continue;
		target = (uint64_t)x->operands[0].imm;
		if (target > ip || insns[i].address < ip ||
		    insns[i].address - target >= best)
			continue;
		for (size_t k = 0; k <= i; k++)
			if (insns[k].address == target) {
				best = insns[i].address - target;
				*ret_first = k;
				*ret_last = i;
			}
	}
	return best != UINT64_MAX;
}

uint64_t poll_registers(struct kernel *kernel, uint64_t ip)
{
	uint8_t code[CODE_MAX];
	struct symbol symbol;
	uint64_t mask = 0;
	size_t n, first, last, size;
	cs_insn *insns;
	csh handle;

	if (kernel_symbol_at(kernel, ip, &symbol) < 0 || !symbol.size || symbol.size > CODE_MAX)
		return 0;
	size = symbol.size;
	if (kernel_read(kernel, symbol.address, code, size) < 0 ||
	    cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		return 0;
	cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
	n = cs_disasm(handle, code, size, symbol.address, 0, &insns);
	if (n && loop_find(handle, insns, n, ip, &first, &last))
		for (size_t i = first; i <= last; i++)
			mask |= operand_registers(&insns[i]);
	if (n)
		cs_free(insns, n);
	cs_close(&handle);
	return mask;
}
