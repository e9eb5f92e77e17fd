// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way on where ORC has none: in code written at run time, in assembly without annotations, on
 * a damaged stack. In this order: a call through a bad pointer left its return address on top of
 * the stack; a frame pointer that stands up to inspection; the next word on the stack that could be
 * a return address. Only the frame pointer of a BPF program and the return address below a call of
 * NULL are beyond doubt; everything else marks the walk as guessed.
 */
#include "kernel/unwind_internal.h"

#include <stdio.h>

#define SCAN_WORDS 1024
/* Where modules, BPF images and trampolines live: MODULES_VADDR and up, asm/pgtable_64_types.h. */
#define GENERATED_BEGIN 0xffffffff80000000ULL
#define GENERATED_END 0xffffffffff000000ULL

/* Length of the call instruction that ends right before @ip, 0 none; its direct target or 0. */
static unsigned int call_before(struct kernel *k, uint64_t ip, uint64_t *ret_target)
{
	uint8_t b[7]; /* the bytes before ip */
	uint32_t rel;

	*ret_target = 0;
	if (kernel_read(k, ip - sizeof(b), b, sizeof(b)))
		return 0;
	if (b[2] == 0xe8) {
		rel = b[3] | b[4] << 8 | b[5] << 16 | (uint32_t)b[6] << 24;
		*ret_target = ip + (uint64_t)(int64_t)(int32_t)rel;
		return 5;
	}
	/* ff /2: register; memory with no, 8-bit or 32-bit displacement, with or without SIB */
	for (unsigned int length = 2; length <= 7; length++) {
		const uint8_t *op = b + sizeof(b) - length;
		unsigned int mod, rm, need;

		if (op[0] != 0xff || (op[1] >> 3 & 7) != 2)
			continue;
		mod = op[1] >> 6;
		rm = op[1] & 7;
		need = 2 + (mod != 3 && rm == 4) + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
		if (mod == 0 && (rm == 5 || (rm == 4 && length > 2 && (op[2] & 7) == 5)))
			need += 4;
		if (need == length)
			return length;
	}
	return 0;
}

bool return_address_plausible(struct unwinder *u, uint64_t ip, uint64_t *ret_target)
{
	const struct code *code;
	uint64_t target;

	if (ip < GENERATED_BEGIN || ip >= GENERATED_END)
		return false;
	code = unwinder_code(u, ip - 1);
	if (!code || (!code->text && !code->generated))
		return false;
	if (!call_before(u->kernel, ip, &target))
		return false;
	if (ret_target)
		*ret_target = target;
	return true;
}

/* A jump or call went where no code is: the return address is still on top of the stack. */
static enum step after_bad_call(struct walk *walk)
{
	uint64_t sp = walk->regs.v[REG_SP], ip;
	enum step step;

	if (walk_read(walk, sp, &ip, 1) || !return_address_plausible(walk->u, ip, NULL))
		return STEP_FAILED;
	step = walk_return_to(walk, sp, ip, walk->regs.v[REG_X86_RBP],
			      regs_has(&walk->regs, REG_X86_RBP));
	return step;
}

/*
 * Inside a prologue the frame pointer is still the caller's: then the return address is on top of
 * the stack or below the pushed frame pointer, and the call before it has this function as target.
 */
static enum step before_frame_pointer(struct walk *walk, const struct code *from)
{
	uint64_t sp = walk->regs.v[REG_SP], bp = walk->regs.v[REG_X86_RBP], w[2], target;
	unsigned int i;

	if (!walk->exact || !from->function_address || walk_read(walk, sp, w, 2))
		return STEP_FAILED;
	i = w[0] == bp ? 1 : 0;
	if (!return_address_plausible(walk->u, w[i], &target) || target != from->function_address)
		return STEP_FAILED;
	return walk_return_to(walk, sp + 8 * i, w[i], bp, true);
}

/*
 * Kernels built with frame pointers (CONFIG_UNWINDER_FRAME_POINTER) mark saved registers by a frame
 * pointer with bit 0 set (ENCODE_FRAME_POINTER in arch/x86/include/asm/frame.h).
 */
static enum step by_frame_pointer(struct walk *walk)
{
	uint64_t bp = walk->regs.v[REG_X86_RBP], sp = walk->regs.v[REG_SP], w[2];

	if (!regs_has(&walk->regs, REG_X86_RBP))
		return STEP_FAILED;
	if ((bp & 7) == 1 && !orc_available(walk->u->orc))
		return walk_regs_at(walk, bp - 1);
	if ((bp & 7) || (bp < sp && bp >= walk->area.begin))
		return STEP_FAILED;
	if (walk_read(walk, bp, w, 2) || !return_address_plausible(walk->u, w[1], NULL))
		return STEP_FAILED;
	return walk_return_to(walk, bp + 8, w[1], w[0], true);
}

/*
 * The next word that could be a return address. A direct call of another function than the one we
 * come from did not lead here, tail calls aside: such a word is only taken when there is no better.
 */
static enum step by_scan(struct walk *walk, const struct code *from)
{
	uint64_t sp = (walk->regs.v[REG_SP] + 7) & ~7ULL, word, target, ip = 0, slot = 0;

	for (unsigned int i = 0; i < SCAN_WORDS && sp < walk->area.end; i++, sp += 8) {
		bool fits;

		if (walk_read(walk, sp, &word, 1))
			break;
		if (!return_address_plausible(walk->u, word, &target))
			continue;
		fits = !target || !from->function_address || target == from->function_address;
		if (!ip || fits) {
			ip = word;
			slot = sp;
		}
		if (fits)
			break;
	}
	if (!ip)
		return STEP_FAILED;
	return walk_return_to(walk, slot, ip, 0, false);
}

static enum step fallback(struct walk *walk, const struct code *from)
{
	bool orc = orc_available(walk->u->orc);
	enum step step;

	if (walk->exact && !from->text && !from->generated) {
		step = after_bad_call(walk);
		walk->guessed |= step == STEP_NEXT && from->pc != 0;
		if (step != STEP_FAILED)
			return step;
	}
	if (!orc) {
		step = before_frame_pointer(walk, from);
		if (step != STEP_FAILED)
			return step;
	}
	if (!orc || from->bpf || !from->text) {
		step = by_frame_pointer(walk);
		walk->guessed |= step == STEP_NEXT && orc && !from->bpf;
		if (step != STEP_FAILED)
			return step;
	}
	step = by_scan(walk, from);
	walk->guessed |= step == STEP_NEXT;
	return step;
}

enum step walk_fallback(struct walk *walk, const struct code *code)
{
	const struct code from = *code; /* the table it is in may move */
	const struct stack_set set = walk->set;
	const struct stack_area area = walk->area;
	char why[sizeof(walk->why)];
	enum step step;

	snprintf(why, sizeof(why), "%s", walk->why);
	step = fallback(walk, &from);
	if (step == STEP_FAILED) {
		walk->set = set;
		walk->area = area;
		snprintf(walk->why, sizeof(walk->why), "%s", why);
	}
	return step;
}
