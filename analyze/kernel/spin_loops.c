// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/spin_loops.h"

#include <errno.h>

#include "kernel/sections_internal.h"

#define LOOP_INSNS_MAX 40

struct spin {
	enum lock_kind kind;
	const char *primitive;
	uint64_t lock;
	int8_t write;
};

struct search {
	struct reading reading;
	const struct code *code;
	uint32_t at;	       /* index of the instruction where the CPU is */
	uint32_t first, last;  /* of the loop */
};

/* The tightest loop around the CPU's instruction that relaxes the CPU. */
static bool loop_find(struct search *s)
{
	uint32_t best = LOOP_INSNS_MAX;

	for (uint32_t i = s->at; i < s->code->n && i - s->at < LOOP_INSNS_MAX; i++) {
		int32_t to = s->code->insns[i].jump;
		bool pause = false;

		if (to < 0 || (uint32_t)to > s->at || i - (uint32_t)to >= best)
			continue;
		for (uint32_t k = (uint32_t)to; k <= i; k++)
			pause |= s->code->insns[k].pause;
		if (!pause)
			continue;
		best = i - (uint32_t)to;
		s->first = (uint32_t)to;
		s->last = i;
	}
	return best < LOOP_INSNS_MAX;
}

/* The address of the memory that instruction @index uses, as the CPU's registers tell it now. */
static bool memory_address(struct search *s, uint32_t index, uint64_t *ret)
{
	const struct code_insn *insn = &s->code->insns[index];
	const struct code_values *values = s->reading.function->flow.values;
	struct value_state state;
	struct value value;

	if (!insn->read_size || insn->read_reg == CODE_NO_REG)
		return false;
	if (insn->read_reg == CODE_ABSOLUTE) {
		*ret = (uint64_t)insn->read_disp;
		return true;
	}
	if (!code_values_at(values, index, &state))
		return false;
	value = state.v[insn->read_reg];
	if (!reading_value(&s->reading, s->at, value, -1, ret))
		return false;
	*ret += (uint64_t)insn->read_disp;
	return true;
}

/* while (!spin_trylock(lock)) cpu_relax(); */
static bool find_trylock(struct search *s, struct spin *ret)
{
	const struct lock_flow *flow = &s->reading.function->flow;
	const struct lock_action *found = NULL;

	for (uint32_t i = s->first; i <= s->last; i++) {
		const struct code_insn *insn = &s->code->insns[i];
		const struct lock_action *action = NULL;

		if (!insn->call)
			continue;
		for (uint32_t k = 0; k < flow->n_actions; k++)
			if (flow->actions[k].insn == i)
				action = &flow->actions[k];
		if (found || !action || action->effect->via ||
		    action->effect->what.act != PRIMITIVE_TRYLOCK || action->effect->what.sleeps)
			return false; /* it calls others: they may be what it is busy with */
		found = action;
	}
	if (!found || (found->effect->what.kind != LOCK_SPINLOCK &&
		       found->effect->what.kind != LOCK_RWLOCK) ||
	    !reading_value(&s->reading, s->at, found->operand, -1, &ret->lock))
		return false;
	ret->kind = found->effect->what.kind;
	ret->write = found->effect->what.write;
	ret->primitive = found->effect->name;
	return true;
}

static bool reads_word(struct search *s, uint32_t i, unsigned int size, uint64_t *ret)
{
	const struct code_insn *insn = &s->code->insns[i];

	return !insn->stores && !insn->unlock && insn->read_size == size &&
	       memory_address(s, i, ret) && kernel_is_address(*ret);
}

/* bit_spin_lock(): the loop reads a word in which the function tries to set a bit; the bit is set. */
static bool find_bit(struct search *s, struct spin *ret)
{
	uint64_t word, polled = 0, value;

	for (uint32_t i = s->first; i <= s->last; i++)
		if (s->code->insns[i].unlock == LOCK_BIT || reads_word(s, i, 8, &polled))
			break;
	for (uint32_t i = 0; i < s->code->n; i++) {
		const struct code_insn *insn = &s->code->insns[i];

		if (insn->unlock != LOCK_BIT || insn->imm < 0 || insn->imm > 63 ||
		    !memory_address(s, i, &word) || (polled && word != polled) ||
		    kernel_read_u64(s->reading.s->kernel, word, &value) < 0 ||
		    !(value >> insn->imm & 1))
			continue;
		*ret = (struct spin){ LOCK_BIT_SPINLOCK, "bit_spin_lock", word, -1 };
		return true;
	}
	return false;
}

/* read_seqbegin(): the loop reads a word until it is even, and it is odd. */
static bool find_seqcount(struct search *s, struct spin *ret)
{
	uint64_t word = 0;
	uint32_t value;
	bool odd = false;

	for (uint32_t i = s->first; i <= s->last; i++) {
		const struct code_insn *insn = &s->code->insns[i];

		if (insn->call || insn->stores || insn->unlock)
			return false;
		odd |= insn->imm == 1 && i < s->last && s->code->insns[i + 1].jump >= 0;
		if (!insn->read_size)
			continue;
		if (word || !reads_word(s, i, 4, &word))
			return false;
	}
	if (!word || !odd || kernel_read_u32(s->reading.s->kernel, word, &value) < 0 ||
	    !(value & 1))
		return false;
	*ret = (struct spin){ LOCK_SEQCOUNT, "read_seqbegin", word, 0 };
	return true;
}

/* Does @stack's frame @index spin in its own code? 1, 0 or -ENOMEM. */
static int frame_spins(struct sections *sections, const struct stack *stack, uint32_t index,
		       struct spin *ret)
{
	const struct frame *frame = &stack->frames[index];
	struct search s = { .reading = { .s = sections, .stack = stack, .index = index } };
	const struct code_insn *insn;
	struct function *f;
	int r;

	if (!frame->reliable || !frame->function || frame->offset == SNAPSHOT_NONE ||
	    frame->address < frame->offset)
		return 0;
	r = function_read(sections, frame->address - frame->offset, frame->size, &f);
	if (r < 0)
		return r;
	if (!f->read || function_need_code(sections, f) < 0)
		return 0;
	insn = frame_insn(frame, f);
	if (!insn)
		return 0;
	s.reading.function = f;
	s.code = &f->code;
	s.at = (uint32_t)(insn - f->code.insns);
	return loop_find(&s) && (find_trylock(&s, ret) || find_bit(&s, ret) ||
				 find_seqcount(&s, ret));
}

static bool has_wait(const struct wait *waits, uint32_t n, uint32_t first, uint32_t last)
{
	for (uint32_t i = 0; i < n; i++)
		if (waits[i].frame >= first && waits[i].frame <= last)
			return true;
	return false;
}

int spin_loops_find(struct sections *sections, struct arena *arena, struct stack *stack,
		    struct wait **waits, uint32_t *n)
{
	uint32_t last;

	for (uint32_t first = 0; first < stack->n; first = last + 1) {
		uint32_t at = first;
		struct primitive p;
		struct wait *wait;
		struct spin spin;
		int r;

		last = context_outermost(stack, first);
		if (has_wait(*waits, *n, first, last))
			continue;
		/* It may be met in the trylock itself. Any other primitive has no such loop. */
		if (primitive_find(stack->frames[at].function, &p) &&
		    (p.act != PRIMITIVE_TRYLOCK || ++at > last))
			continue;
		r = frame_spins(sections, stack, at, &spin);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		wait = ARENA_APPEND(arena, *waits, *n);
		if (!wait)
			return -ENOMEM;
		/* Innermost first. */
		for (; wait > *waits && wait[-1].frame > at; wait--)
			wait[0] = wait[-1];
		*wait = (struct wait){ .lock = SNAPSHOT_NONE, .frame = at, .kind = spin.kind,
				       .write = spin.write, .queue_pos = -1, .slow = true,
				       .inlined = true, .waited_ns = SNAPSHOT_NO_TIME };
		stack->frames[at].callee = spin.primitive;
		stack->frames[at].callee_lock = spin.lock;
	}
	return 0;
}
