// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For each instruction two sets of acquires are kept: those that may be held when control comes to
 * it, and those that are held on every way to it. A release takes away those of the same lock; where
 * there is none, all of its kind that are not known to be other locks, and first those that have no
 * release of their own. Iterated until nothing changes.
 */
#include "kernel/lock_flow.h"

#include <errno.h>

#define MAX_PASSES 32

/*
 * The bit of an earlier action of the same sort about the same lock, so that what is taken in one
 * branch and in the other is taken on all ways; -1 none.
 */
static int same_bit(const struct lock_flow *flow, const struct lock_effect *effect,
		    struct value operand)
{
	bool release = effect->what.act == PRIMITIVE_RELEASE;

	for (uint32_t i = 0; i < flow->n_actions; i++) {
		const struct primitive *p = &flow->actions[i].effect->what;

		if ((p->act == PRIMITIVE_RELEASE) == release && p->kind == effect->what.kind &&
		    p->write == effect->what.write &&
		    value_same(flow->values, flow->actions[i].operand, operand))
			return flow->actions[i].bit;
	}
	return -1;
}

int lock_flow_add(struct lock_flow *flow, struct arena *arena, uint32_t insn,
		  const struct lock_effect *effect, struct value operand, bool only_same)
{
	bool release = effect->what.act == PRIMITIVE_RELEASE;
	uint8_t *n = release ? &flow->n_releases : &flow->n_acquires;
	struct lock_action *action;
	int bit = same_bit(flow, effect, operand);

	if (bit < 0 && *n == LOCK_SITES && !release)
		return effect->via ? 0 : -E2BIG;
	action = ARENA_APPEND(arena, flow->actions, flow->n_actions);
	if (!action)
		return -ENOMEM;
	*action = (struct lock_action){ .insn = insn, .effect = effect, .operand = operand,
					.only_same = only_same };
	/* Releases that are too many are not told to the caller. */
	if (bit < 0 && *n < LOCK_SITES)
		bit = (*n)++;
	action->bit = (int8_t)bit;
	action->origin = value_origin(flow->values, operand, &action->origin_merge);
	return 0;
}

static bool is_acquire(const struct lock_action *action)
{
	return action->effect->what.act != PRIMITIVE_RELEASE;
}

/* An acquire that its caller must ask for success; *@ret_zero: success is zero. */
static bool may_fail(const struct lock_effect *effect, bool *ret_zero)
{
	if (effect->via)
		return false;
	if (effect->what.act == PRIMITIVE_TRYLOCK) {
		/* A bit that was zero is ours now. */
		*ret_zero = strcmp(effect->name, "down_trylock") == 0 ||
			    effect->what.kind == LOCK_BIT_SPINLOCK;
		return true;
	}
	*ret_zero = true;
	return effect->what.sleeps && (strstr(effect->name, "ible") || strstr(effect->name, "able") ||
				       strstr(effect->name, "timeout"));
}

static void apply_acquire(const struct lock_action *action, struct lock_state *state)
{
	uint64_t bit = 1ULL << action->bit;
	bool zero;

	state->may |= bit;
	state->stale &= ~bit;
	state->doubt &= ~bit;
	if (action->effect->sure && !may_fail(action->effect, &zero))
		state->must |= bit;
}

static void apply_release(const struct lock_flow *flow, const struct lock_action *action,
			  struct lock_state *state)
{
	const struct primitive *what = &action->effect->what;
	uint64_t same = 0, kind = 0, undone = 0, mask;

	for (uint32_t i = 0; i < flow->n_actions; i++) {
		const struct lock_action *taken = &flow->actions[i];
		const struct primitive *p = &taken->effect->what;
		uint64_t bit = 1ULL << taken->bit;
		bool fresh = !(state->stale & bit);

		if (!is_acquire(taken) || !(state->may & bit) || p->kind != what->kind ||
		    p->write != what->write)
			continue;
		if (fresh && value_same(flow->values, taken->operand, action->operand))
			same |= bit;
		if (fresh && value_differs(flow->values, taken->operand, action->operand))
			continue;
		kind |= bit;
		undone |= taken->undone ? bit : 0;
	}
	if (kind & ~undone)
		kind &= ~undone;
	mask = same || action->only_same || !action->effect->sure ? same : kind;
	if (action->effect->sure)
		state->may &= ~mask;
	state->must &= ~mask;
	if (mask || action->only_same || action->bit < 0)
		return;
	state->let_go |= 1ULL << action->bit;
	if (action->effect->sure)
		state->let_go_sure |= 1ULL << action->bit;
}

/* The first action of instruction @insn or later. */
static uint32_t action_first(const struct lock_flow *flow, uint32_t insn)
{
	uint32_t low = 0, high = flow->n_actions;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (flow->actions[mid].insn < insn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void apply(const struct lock_flow *flow, uint32_t insn, struct lock_state *state)
{
	for (uint32_t i = 0; i < flow->n_actions; i++)
		if (is_acquire(&flow->actions[i]) && flow->actions[i].origin == (int32_t)insn &&
		    !flow->actions[i].origin_merge)
			state->stale |= 1ULL << flow->actions[i].bit;
	if (flow->opaque && flow->opaque[insn])
		state->doubt |= state->may;
	for (uint32_t i = action_first(flow, insn);
	     i < flow->n_actions && flow->actions[i].insn == insn; i++) {
		if (is_acquire(&flow->actions[i]))
			apply_acquire(&flow->actions[i], state);
		else
			apply_release(flow, &flow->actions[i], state);
	}
}

/* What is known on one way of a jump that asks whether the call before got the lock. */
static void apply_answer(const struct lock_flow *flow, const struct code_insn *jump, bool taken,
			 struct lock_state *state)
{
	uint32_t insn = (uint32_t)jump->tested;
	bool zero = taken == jump->taken_on_zero, success_is_zero;

	for (uint32_t i = action_first(flow, insn);
	     i < flow->n_actions && flow->actions[i].insn == insn; i++) {
		uint64_t bit = 1ULL << flow->actions[i].bit;

		if (!is_acquire(&flow->actions[i]) ||
		    !may_fail(flow->actions[i].effect, &success_is_zero) || !(state->may & bit))
			continue;
		if (zero == success_is_zero) {
			state->must |= bit;
		} else {
			state->must &= ~bit;
			state->may &= ~bit;
		}
	}
}

static bool merge(struct lock_flow *flow, uint32_t insn, struct lock_state from)
{
	struct lock_state *to = &flow->states[insn], old = *to;

	for (uint32_t i = 0; i < flow->n_actions && flow->code->insns[insn].leader; i++)
		if (is_acquire(&flow->actions[i]) && flow->actions[i].origin == (int32_t)insn &&
		    flow->actions[i].origin_merge)
			from.stale |= 1ULL << flow->actions[i].bit;
	if (!to->reached) {
		*to = from;
		to->reached = true;
		return true;
	}
	to->may |= from.may;
	to->must &= from.must;
	to->stale |= from.stale;
	to->doubt |= from.doubt;
	to->let_go |= from.let_go;
	to->let_go_sure &= from.let_go_sure;
	return to->may != old.may || to->must != old.must || to->stale != old.stale ||
	       to->doubt != old.doubt || to->let_go != old.let_go || to->let_go_sure != old.let_go_sure;
}

static bool follow_insn(struct lock_flow *flow, uint32_t i)
{
	const struct code_insn *insn = &flow->code->insns[i];
	struct lock_state state = flow->states[i], way;
	bool changed = false;

	if (!state.reached)
		return false;
	apply(flow, i, &state);
	if (insn->falls && i + 1 < flow->code->n) {
		way = state;
		if (insn->tested >= 0)
			apply_answer(flow, insn, false, &way);
		changed |= merge(flow, i + 1, way);
	}
	if (insn->jump >= 0) {
		way = state;
		if (insn->tested >= 0)
			apply_answer(flow, insn, true, &way);
		changed |= merge(flow, (uint32_t)insn->jump, way);
	}
	return changed;
}

const struct lock_action *lock_flow_action(const struct lock_flow *flow, int bit, bool acquire)
{
	for (uint32_t i = 0; i < flow->n_actions; i++)
		if (flow->actions[i].bit == bit && is_acquire(&flow->actions[i]) == acquire)
			return &flow->actions[i];
	return NULL;
}

static int effect_add(struct lock_flow *flow, struct arena *arena, const struct lock_action *action,
		      bool stale, bool sure)
{
	struct lock_effect *effect, e = *action->effect;

	e.sure = sure;
	e.has_path = !stale && value_to_path(flow->values, action->operand, &e.path);
	/* What may be released counts only where it is this very lock. */
	if (!sure && !e.has_path)
		return 0;
	effect = ARENA_APPEND(arena, flow->effects, flow->n_effects);
	if (!effect)
		return -ENOMEM;
	*effect = e;
	return 0;
}

/*
 * What the caller is left with: over all ways out. A lock that is held on some only is mostly an
 * error of ours (if (x) lock; …; if (x) unlock), and what the caller would be told of it of no use.
 */
static int effects_sum(struct lock_flow *flow, struct arena *arena)
{
	struct lock_state out = { .must = UINT64_MAX, .let_go_sure = UINT64_MAX };
	bool any = false;

	for (uint32_t i = 0; i < flow->code->n; i++) {
		struct lock_state state = flow->states[i];

		if (!state.reached || !flow->code->insns[i].returns)
			continue;
		apply(flow, i, &state);
		any = true;
		out.may |= state.may;
		out.must &= state.must;
		out.stale |= state.stale;
		out.doubt |= state.doubt;
		out.let_go |= state.let_go;
		out.let_go_sure &= state.let_go_sure;
	}
	flow->effects = NULL;
	flow->n_effects = 0;
	if (!any)
		return 0;
	out.must &= ~out.doubt;
	/* Releases first: who lets go of a lock and takes it again leaves it taken. */
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < flow->n_actions; i++) {
			const struct lock_action *action = &flow->actions[i];
			uint64_t bit = action->bit < 0 ? 0 : 1ULL << action->bit;
			bool acquire = is_acquire(action);
			int r;

			if (acquire != (pass == 1) || !((acquire ? out.must : out.let_go) & bit) ||
			    lock_flow_action(flow, action->bit, acquire) != action)
				continue;
			r = effect_add(flow, arena, action, acquire && out.stale & bit,
				       (acquire ? out.must : out.let_go_sure) & bit);
			if (r < 0)
				return r;
		}
	return 0;
}

static void find_undone(struct lock_flow *flow)
{
	for (uint32_t i = 0; i < flow->n_actions; i++)
		for (uint32_t k = 0; k < flow->n_actions && is_acquire(&flow->actions[i]); k++) {
			const struct lock_action *release = &flow->actions[k];

			flow->actions[i].undone |=
				!is_acquire(release) && !release->only_same &&
				release->effect->what.kind == flow->actions[i].effect->what.kind &&
				release->effect->what.write == flow->actions[i].effect->what.write &&
				value_same(flow->values, flow->actions[i].operand,
					   release->operand);
		}
}

int lock_flow_follow(struct lock_flow *flow, struct arena *arena)
{
	bool changed;

	find_undone(flow);
	flow->states = arena_calloc(arena, flow->code->n, sizeof(*flow->states));
	if (!flow->states)
		return -ENOMEM;
	changed = merge(flow, 0, (struct lock_state){ 0 });
	for (unsigned int pass = 0; changed; pass++) {
		if (pass == MAX_PASSES)
			return -E2BIG;
		changed = false;
		for (uint32_t i = 0; i < flow->code->n; i++)
			changed |= follow_insn(flow, i);
	}
	return effects_sum(flow, arena);
}
