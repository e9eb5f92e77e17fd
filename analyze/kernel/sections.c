// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions are read once: decoded (code.c), their values followed (code_values.c), then their lock
 * state (lock_flow.c). A call of a function that returns with a lock held, or releases one of its
 * caller's (lock_sock(), task_rq_lock(), pte_offset_map_lock()), counts as a lock call with the lock
 * that the arguments name: callees with lock calls of their own are read as well, a few levels deep.
 *
 * Not followed: indirect calls and jumps. An address that no followed way reaches is "not read",
 * never "no lock held".
 */
#include "kernel/sections_internal.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_FUNCTION 65536
#define MAX_HELPER 4096 /* bytes of a function that is read for what it leaves its caller with */
#define MAX_WRAPPER 256 /* … and that may be one only by what it calls */
#define MAX_DEPTH 8
#define MAX_CLEAR 512 /* bytes of a function that is looked at for whom it calls */
#define MAX_CLEAR_DEPTH 2
#define MAX_HELPERS 4000 /* read in all: time is bounded, CPUs' stacks come first */
#define MAX_CALLERS 6 /* frames out for the value of an argument */

static int address_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b; /* struct target begins with its address, too */

	return *x < *y ? -1 : *x > *y;
}

const struct target *target_find(const struct sections *s, uint64_t address)
{
	return bsearch(&address, s->targets, s->n_targets, sizeof(*s->targets), address_compare);
}

/* In a KVM or Xen guest the paravirt call of an inlined unlock is a direct call of one of these. */
static const char *const paravirt_unlocks[] = {
	"__raw_callee_save___pv_queued_spin_unlock",
	"__raw_callee_save___native_queued_spin_unlock",
};

static const char *const noreturn_functions[] = {
	"panic", "__stack_chk_fail", "do_exit", "make_task_dead", "rewind_stack_and_make_dead",
	"kthread_exit", "kthread_complete_and_exit", "nmi_panic_self_stop", "die", "oops_end",
	"do_group_exit", "do_task_dead", "__reiserfs_panic", "ex_handler_msr_mce",
};

#define N_PARAVIRT (sizeof(paravirt_unlocks) / sizeof(*paravirt_unlocks))
#define N_NORETURN (sizeof(noreturn_functions) / sizeof(*noreturn_functions))

/* The compiled-in unlocks, as what they are called in the sources. */
static const struct lock_effect inlined_spin = {
	.name = "queued_spin_unlock", .sure = true,
	.what = { LOCK_SPINLOCK, PRIMITIVE_RELEASE, -1, false },
};
static const struct lock_effect inlined_writer = {
	.name = "queued_write_unlock", .sure = true,
	.what = { LOCK_RWLOCK, PRIMITIVE_RELEASE, 1, false },
};
static const struct lock_effect inlined_reader = {
	.name = "queued_read_unlock", .sure = true,
	.what = { LOCK_RWLOCK, PRIMITIVE_RELEASE, 0, false },
};

static const struct lock_effect inlined_bit_lock = {
	.name = "bit_spin_trylock", .sure = true,
	.what = { LOCK_BIT_SPINLOCK, PRIMITIVE_TRYLOCK, -1, false },
};
static const struct lock_effect inlined_bit_unlock = {
	.name = "bit_spin_unlock", .sure = true,
	.what = { LOCK_BIT_SPINLOCK, PRIMITIVE_RELEASE, -1, false },
};

static void target_add(struct sections *s, const char *symbol, const char *name,
		       const struct primitive *what)
{
	struct target *t = &s->targets[s->n_targets];

	if (kernel_symbol(s->kernel, symbol, &t->address) < 0)
		return;
	t->effect = (struct lock_effect){ .name = name, .what = *what, .has_path = true,
					  .sure = true, .path = { .reg = CODE_RDI } };
	s->n_targets++;
}

int sections_new(struct kernel *kernel, struct sections **ret)
{
	struct sections *s = calloc(1, sizeof(*s));
	const char *const *names;
	size_t n = primitive_lock_calls(&names);
	struct primitive what;
	uint64_t address;

	if (!s)
		return -ENOMEM;
	s->kernel = kernel;
	s->helpers_left = MAX_HELPERS;
	arena_init(&s->arena);
	s->targets = arena_calloc(&s->arena, n + N_PARAVIRT, sizeof(*s->targets));
	s->never_return = arena_calloc(&s->arena, N_NORETURN, sizeof(*s->never_return));
	if (!s->targets || !s->never_return ||
	    cs_open(CS_ARCH_X86, CS_MODE_64, &s->capstone) != CS_ERR_OK) {
		arena_done(&s->arena);
		free(s);
		return -ENOMEM;
	}
	cs_option(s->capstone, CS_OPT_DETAIL, CS_OPT_ON);
	for (size_t i = 0; i < n; i++)
		if (primitive_find(names[i], &what))
			target_add(s, names[i], names[i], &what);
	for (size_t i = 0; i < N_PARAVIRT; i++)
		target_add(s, paravirt_unlocks[i], inlined_spin.name, &inlined_spin.what);
	for (size_t i = 0; i < N_NORETURN; i++)
		if (kernel_symbol(kernel, noreturn_functions[i], &address) == 0)
			s->never_return[s->n_never_return++] = address;
	s->unlocks_inlined = kernel_symbol(kernel, "_raw_spin_unlock", &address) < 0;
	qsort(s->targets, s->n_targets, sizeof(*s->targets), address_compare);
	qsort(s->never_return, s->n_never_return, sizeof(*s->never_return), address_compare);
	*ret = s;
	return 0;
}

void sections_free(struct sections *s)
{
	if (!s)
		return;
	cs_close(&s->capstone);
	arena_done(&s->arena);
	free(s);
}

/* --- functions, each read once --- */

/* -EINVAL when they cannot be read; *@ret_bytes is to be freed. */
static int bytes_read(struct sections *s, uint64_t start, uint64_t size, uint8_t **ret_bytes)
{
	uint8_t *bytes;

	if (size == 0 || size > MAX_FUNCTION)
		return -EINVAL;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	if (kernel_read(s->kernel, start, bytes, size) < 0) {
		free(bytes);
		return -EINVAL;
	}
	*ret_bytes = bytes;
	return 0;
}

static int function_effects(struct sections *s, struct function *f);
static int function_get(struct sections *s, uint64_t start, uint64_t size,
			struct function **ret_function);

/*
 * What calling @address may mean for the caller's locks: *@ret_function NULL when nothing. Not
 * asked about: the scheduler and waits, which return as they were called, and large functions.
 */
static int helper_find(struct sections *s, struct function *caller, uint64_t address,
		       struct function **ret_function)
{
	struct function *f = NULL;
	struct symbol symbol;
	struct primitive p;
	int r;

	*ret_function = NULL;
	if (!kernel_is_text(s->kernel, address) ||
	    kernel_symbol_at(s->kernel, address, &symbol) < 0 || symbol.address != address ||
	    symbol.size == 0 || symbol.size > MAX_HELPER || function_is_generic(symbol.name) ||
	    (primitive_find(symbol.name, &p) && p.act != PRIMITIVE_ACQUIRE &&
	     p.act != PRIMITIVE_TRYLOCK && p.act != PRIMITIVE_RELEASE))
		return 0;
	r = function_get(s, symbol.address, symbol.size, &f);
	if (r == 0 && f->progress == UNREAD)
		f->depth = caller->depth + 1;
	if (r == 0)
		r = function_effects(s, f);
	if (r == 0 && !f->reading && f->flow.n_effects)
		*ret_function = f;
	return r;
}

/* Each direct call or jump in these bytes, or what may be one: its target; 0 at the end. */
static uint64_t next_target(uint64_t start, const uint8_t *bytes, size_t n, size_t *at)
{
	while (*at + 2 <= n) {
		size_t i = (*at)++;
		int32_t rel;

		/* A function next door is near enough for a short jump. */
		if (bytes[i] == 0xeb)
			return start + i + 2 + (uint64_t)(int64_t)(int8_t)bytes[i + 1];
		if ((bytes[i] != 0xe8 && bytes[i] != 0xe9) || i + 5 > n)
			continue;
		memcpy(&rel, bytes + i + 1, sizeof(rel));
		return start + i + 5 + (uint64_t)(int64_t)rel;
	}
	return 0;
}

static bool has_lock_call(struct sections *s, const struct function *f, const uint8_t *bytes)
{
	uint64_t target;

	for (size_t at = 0; (target = next_target(f->start, bytes, f->size, &at));)
		if (target_find(s, target))
			return true;
	return false;
}

/* "lock bts $bit, memory", with or without a REX prefix. */
static bool has_bit_lock(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + 5 <= n; i++) {
		size_t op = i + 1;

		if (bytes[i] != 0xf0)
			continue;
		op += (bytes[op] & 0xf0) == 0x40;
		if (bytes[op] == 0x0f && bytes[op + 1] == 0xba && (bytes[op + 2] >> 3 & 7) == 5)
			return true;
	}
	return false;
}

/* Does it call anybody who leaves it with a lock more or less? 0, 1, -ENOMEM. */
static int has_helper_call(struct sections *s, struct function *f, const uint8_t *bytes)
{
	uint64_t target;

	for (size_t at = 0; (target = next_target(f->start, bytes, f->size, &at));) {
		struct function *helper;
		int r;

		if (target >= f->start && target < f->start + f->size)
			continue;
		r = helper_find(s, f, target, &helper);
		if (r < 0 || helper)
			return r < 0 ? r : 1;
	}
	return 0;
}

static int add_helper(struct sections *s, struct function *f, uint32_t insn,
		      const struct value_state *state, uint64_t target)
{
	struct function *helper;
	struct symbol symbol;
	int r = helper_find(s, f, target, &helper);

	for (uint32_t i = 0; r == 0 && helper && i < helper->flow.n_effects; i++) {
		struct lock_effect *effect = &helper->flow.effects[i];
		struct value lock = { VALUE_UNKNOWN, 0 };

		if (!effect->via && kernel_symbol_at(s->kernel, target, &symbol) == 0)
			effect->via = symbol.name;
		if (effect->has_path)
			lock = value_from_path(f->flow.values, state, &effect->path);
		r = lock_flow_add(&f->flow, &s->arena, insn, effect, lock, false);
	}
	return r;
}

static int add_unlock(struct sections *s, struct function *f, uint32_t index,
		      const struct value_state *state)
{
	const struct code_insn *insn = &f->code.insns[index];
	struct value lock = { VALUE_UNKNOWN, 0 };
	int r;

	if (insn->unlock_reg >= 0)
		lock = (struct value){ state->v[insn->unlock_reg].atom,
				       state->v[insn->unlock_reg].add + (int32_t)insn->unlock_disp };
	switch (insn->unlock) {
	case UNLOCK_SPIN:
		return lock_flow_add(&f->flow, &s->arena, index, &inlined_spin, lock, false);
	case UNLOCK_READER:
		return lock_flow_add(&f->flow, &s->arena, index, &inlined_reader, lock, true);
	case LOCK_BIT:
		return lock_flow_add(&f->flow, &s->arena, index, &inlined_bit_lock, lock, false);
	case UNLOCK_BIT:
		return lock_flow_add(&f->flow, &s->arena, index, &inlined_bit_unlock, lock, true);
	default:
		r = lock_flow_add(&f->flow, &s->arena, index, &inlined_spin, lock, true);
		return r ? r :
			   lock_flow_add(&f->flow, &s->arena, index, &inlined_writer, lock, true);
	}
}

static int add_actions(struct sections *s, struct function *f, bool helpers)
{
	for (uint32_t i = 0; i < f->code.n; i++) {
		const struct code_insn *insn = &f->code.insns[i];
		const struct target *target;
		struct value_state state;
		int r = 0;

		if ((!insn->unlock && !insn->target) || !code_values_at(f->flow.values, i, &state))
			continue;
		target = insn->target ? target_find(s, insn->target) : NULL;
		/* Bits are locks only to whoever is found to wait for one; no caller is told. */
		if (insn->unlock && (f->depth == 0 || insn->unlock < UNLOCK_BIT))
			r = add_unlock(s, f, i, &state);
		else if (insn->unlock)
			continue;
		else if (target)
			r = lock_flow_add(&f->flow, &s->arena, i, &target->effect,
					  state.v[CODE_RDI], false);
		else if (helpers)
			r = add_helper(s, f, i, &state, insn->target);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Follows the locks of @f: those it takes itself, or those of its helpers as well. */
static int flow_follow(struct sections *s, struct function *f, bool helpers)
{
	int r;

	f->flow = (struct lock_flow){ .code = &f->code, .values = f->flow.values };
	r = add_actions(s, f, helpers);
	return r == 0 ? lock_flow_follow(&f->flow, &s->arena) : r;
}

static bool is_cold(const char *name)
{
	const char *tail = strrchr(name, '.');

	/* "f.cold", of older compilers "f.cold.12". */
	return strstr(name, ".cold") && tail &&
	       (strcmp(tail, ".cold") == 0 || strspn(tail, ".0123456789") == strlen(tail));
}

/* The piece that the function's code jumps to elsewhere; *@ret_cold: its bytes, to be freed. */
static int cold_find(struct sections *s, const struct function *f, struct code_range *ret_range,
		     uint8_t **ret_cold)
{
	struct symbol symbol;

	for (uint32_t i = 0; i < f->code.n; i++) {
		const struct code_insn *insn = &f->code.insns[i];

		if (insn->call || !insn->target ||
		    kernel_symbol_at(s->kernel, insn->target, &symbol) < 0 ||
		    !is_cold(symbol.name))
			continue;
		if (bytes_read(s, symbol.address, symbol.size, ret_cold) < 0)
			return -ENOENT;
		*ret_range = (struct code_range){ symbol.address, *ret_cold, symbol.size };
		return 0;
	}
	return -ENOENT;
}

static int function_decode(struct sections *s, struct function *f, const uint8_t *bytes)
{
	struct code_range ranges[CODE_RANGES] = { { f->start, bytes, f->size } };
	int r = code_decode(&s->arena, s->capstone, ranges, 1, &f->code);
	uint8_t *cold;

	if (r == 0 && cold_find(s, f, &ranges[1], &cold) == 0) {
		r = code_decode(&s->arena, s->capstone, ranges, 2, &f->code);
		free(cold);
	}
	for (uint32_t i = 0; r == 0 && i < f->code.n; i++) {
		struct code_insn *insn = &f->code.insns[i];

		if (insn->target && bsearch(&insn->target, s->never_return, s->n_never_return,
					    sizeof(uint64_t), address_compare))
			insn->falls = insn->returns = false;
	}
	if (r == 0)
		r = code_values_new(&s->arena, &f->code, &f->flow.values);
	f->flow.code = &f->code;
	f->decoded = r == 0;
	return r;
}

static int function_get(struct sections *s, uint64_t start, uint64_t size,
			struct function **ret_function)
{
	struct function **bucket = &s->buckets[(start >> 4) % SECTIONS_BUCKETS], *f;

	for (f = *bucket; f; f = f->next)
		if (f->start == start) {
			*ret_function = f;
			return 0;
		}
	f = arena_alloc(&s->arena, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->start = start;
	f->size = size;
	f->next = *bucket;
	*bucket = f;
	*ret_function = f;
	return 0;
}

/* Functions that all others call now and then, and that release nobody's locks. */
static bool is_harmless(const char *name)
{
	static const char *const names[] = {
		"__cond_resched", "__might_sleep", "__might_resched", "__rcu_read_lock",
		"__rcu_read_unlock", "preempt_count_add", "preempt_count_sub", "__SCT__might_resched",
		"__SCT__cond_resched", "__SCT__preempt_schedule", "preempt_schedule_thunk",
		"preempt_schedule_notrace_thunk", "rcu_read_unlock_strict", "memset", "memcpy",
		"__memset", "__memcpy", "_printk", "printk", "__warn_printk", "__list_add_valid",
		"__list_del_entry_valid", "__sanitizer_cov_trace_pc",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strstr(name, "return_thunk") != NULL;
}

/*
 * Is all that @target does to locks known? Of small functions that call nobody else, or only such
 * ones. *@ret_clear; 0 or -ENOMEM.
 */
static int target_clear(struct sections *s, uint64_t target, unsigned int depth, bool *ret_clear)
{
	struct code_range range;
	struct function *f = NULL;
	struct symbol symbol;
	struct code code;
	uint8_t *bytes;
	int r;

	*ret_clear = false;
	if (target_find(s, target)) {
		*ret_clear = true;
		return 0;
	}
	if (!target || kernel_symbol_at(s->kernel, target, &symbol) < 0 || symbol.address != target)
		return 0;
	*ret_clear = is_harmless(symbol.name);
	if (*ret_clear || depth > MAX_CLEAR_DEPTH || symbol.size > MAX_CLEAR)
		return 0;
	r = function_get(s, target, symbol.size, &f);
	if (r < 0 || f->clear != CLEAR_UNKNOWN) {
		*ret_clear = r == 0 && f->clear == CLEAR;
		return r;
	}
	f->clear = NOT_CLEAR; /* until all is seen; a function that calls itself is none */
	if (bytes_read(s, target, symbol.size, &bytes) < 0)
		return 0;
	range = (struct code_range){ target, bytes, symbol.size };
	r = code_decode(&s->arena, s->capstone, &range, 1, &code);
	free(bytes);
	*ret_clear = r == 0;
	for (uint32_t i = 0; r == 0 && *ret_clear && i < code.n; i++) {
		const struct code_insn *insn = &code.insns[i];

		/* A ret has no target, and goes nowhere else; the first call may be of __fentry__. */
		if ((insn->call && i > 1) || (insn->returns && (insn->target || insn->indirect)))
			r = target_clear(s, insn->target, depth + 1, ret_clear);
	}
	f->clear = r == 0 && *ret_clear ? CLEAR : NOT_CLEAR;
	return r == -ENOMEM ? r : 0;
}

/* Is it another such helper that has been checked? */
static int target_takes(struct sections *s, struct function *caller, uint64_t target,
			bool *ret_takes)
{
	struct function *helper = NULL;
	int r = target ? helper_find(s, caller, target, &helper) : 0;

	*ret_takes = false;
	for (uint32_t i = 0; r == 0 && helper && i < helper->flow.n_effects; i++)
		*ret_takes |= helper->flow.effects[i].what.act != PRIMITIVE_RELEASE;
	return r;
}

/*
 * What is not believed: that a function keeps a lock when it called somebody unknown after taking
 * it; or where unlocks are compiled in, as one that is not recognised would make a holder of
 * everybody who calls this function.
 */
static int effects_check(struct sections *s, struct function *f)
{
	bool *opaque, any = false;
	uint32_t n = 0;
	int r = 0;

	for (uint32_t i = 0; i < f->flow.n_effects; i++) {
		const struct lock_effect *effect = &f->flow.effects[i];
		bool spins = effect->what.kind == LOCK_SPINLOCK || effect->what.kind == LOCK_RWLOCK;

		if (effect->what.kind == LOCK_BIT_SPINLOCK ||
		    (effect->what.act != PRIMITIVE_RELEASE && s->unlocks_inlined && spins))
			continue;
		any |= effect->what.act != PRIMITIVE_RELEASE;
		f->flow.effects[n++] = *effect;
	}
	f->flow.n_effects = n;
	if (!any)
		return 0;
	opaque = arena_calloc(&s->arena, f->code.n, sizeof(*opaque));
	if (!opaque)
		return -ENOMEM;
	for (uint32_t i = 0; i < f->code.n && r == 0; i++) {
		const struct code_insn *insn = &f->code.insns[i];
		bool clear = false;

		if (!f->flow.states[i].may ||
		    !(insn->call || (insn->returns && (insn->target || insn->indirect))))
			continue;
		r = target_takes(s, f, insn->target, &clear);
		if (r == 0 && !clear)
			r = target_clear(s, insn->target, 0, &clear);
		opaque[i] = !clear;
	}
	f->flow.opaque = opaque;
	return r == 0 ? lock_flow_follow(&f->flow, &s->arena) : r;
}

/* Decodes it when it has to do with locks, by its own calls or by its helpers'. */
static int function_open(struct sections *s, struct function *f, bool helpers)
{
	uint8_t *bytes;
	int r = bytes_read(s, f->start, f->size, &bytes);

	if (r < 0)
		return r;
	f->locks = has_lock_call(s, f, bytes) || (f->depth == 0 && has_bit_lock(bytes, f->size));
	r = f->locks || !helpers ? f->locks : has_helper_call(s, f, bytes);
	if (r > 0)
		r = f->decoded ? 0 : function_decode(s, f, bytes);
	free(bytes);
	return r;
}

/*
 * What @f does to its caller's locks. Nearly all functions release what they take; only one that
 * does not by its own calls is looked into any deeper, or a small one that may be a wrapper.
 */
static int function_effects(struct sections *s, struct function *f)
{
	int r;

	if (f->progress >= OWN_CALLS || f->reading)
		return 0;
	if (s->helpers_left == 0 || f->depth > MAX_DEPTH)
		return 0;
	s->helpers_left--;
	f->progress = OWN_CALLS;
	f->reading = true;
	r = function_open(s, f, f->size <= MAX_WRAPPER);
	if (r == 0 && f->decoded)
		r = flow_follow(s, f, !f->locks);
	if (r == 0 && f->locks && f->flow.n_effects)
		r = flow_follow(s, f, true);
	if (r == 0 && f->flow.n_effects)
		r = effects_check(s, f);
	f->reading = false;
	if (r < 0)
		f->flow.n_effects = 0;
	return r == -ENOMEM ? r : 0;
}

int function_read(struct sections *s, uint64_t start, uint64_t size,
		  struct function **ret_function)
{
	struct function *f = NULL;
	int r = function_get(s, start, size, &f);

	if (r < 0)
		return r;
	*ret_function = f;
	if (f->progress == ALL_CALLS)
		return 0;
	f->progress = ALL_CALLS;
	f->depth = 0;
	f->reading = true;
	r = function_open(s, f, true);
	if (r == 0 && f->decoded)
		r = flow_follow(s, f, true);
	f->read = r == 0;
	if (r == 0 && f->flow.n_effects)
		r = effects_check(s, f);
	f->reading = false;
	if (r < 0)
		f->flow.n_effects = 0;
	return r == -ENOMEM ? r : 0;
}

int function_need_code(struct sections *s, struct function *f)
{
	uint8_t *bytes;
	int r;

	if (f->decoded)
		return 0;
	r = f->read ? bytes_read(s, f->start, f->size, &bytes) : -EINVAL;
	if (r < 0)
		return r;
	r = function_decode(s, f, bytes);
	f->read = r == 0;
	free(bytes);
	return r;
}

/* --- frames --- */

bool frame_at_call(const struct frame *frame)
{
	return !frame->interrupted && !frame->regs;
}

const struct code_insn *frame_insn(const struct frame *frame, const struct function *f)
{
	const struct code_insn *insn;

	if (!frame_at_call(frame))
		return code_insn_at(&f->code, frame->address);
	insn = code_insn_before(&f->code, frame->address);
	return insn && insn->call ? insn : NULL;
}

static bool read_reg(void *arg, unsigned int reg, uint64_t *ret)
{
	/* In the order of CODE_*; IP for none. */
	static const uint8_t full[CODE_REGS] = {
		REG_X86_RAX, REG_X86_RCX, REG_X86_RDX, REG_X86_RBX, REG_SP,	 REG_X86_RBP,
		REG_X86_RSI, REG_X86_RDI, REG_X86_R8,  REG_X86_R9,  REG_X86_R10, REG_X86_R11,
		REG_X86_R12, REG_X86_R13, REG_X86_R14, REG_X86_R15,
	};
	const struct reading *reading = arg;
	const struct frame *frame = &reading->stack->frames[reading->index];
	struct regs regs = { 0 };

	if (reg == CODE_RSP) {
		*ret = frame->sp;
		return frame->sp != 0;
	}
	if (frame->regs)
		regs = *frame->regs;
	else if (frame->saved)
		regs_set_kept(&regs, frame->saved);
	*ret = regs.v[full[reg]];
	return regs_has(&regs, full[reg]);
}

static bool read_memory(void *arg, uint64_t address, uint64_t *ret)
{
	const struct reading *reading = arg;

	return kernel_read_u64(reading->s->kernel, address, ret) == 0;
}

/* An argument: what the caller put into the register at its call of this very function. */
static bool read_entry(void *arg, unsigned int reg, uint64_t *ret)
{
	const struct reading *reading = arg;
	struct reading caller = *reading;
	const struct code_insn *insn;
	struct function *f;
	const struct frame *frame;

	caller.index++;
	if (caller.index >= reading->stack->n || ++caller.depth > MAX_CALLERS)
		return false;
	frame = &reading->stack->frames[caller.index];
	if (!frame->reliable || !frame->function || !frame_at_call(frame) ||
	    frame->offset == SNAPSHOT_NONE || frame->address < frame->offset ||
	    function_read(caller.s, frame->address - frame->offset, frame->size, &f) < 0)
		return false;
	if (function_need_code(caller.s, f) < 0)
		return false;
	insn = frame_insn(frame, f);
	if (!insn || insn->target != reading->function->start)
		return false;
	caller.function = f;
	return reading_value(&caller, (uint32_t)(insn - f->code.insns), (struct value){ -1, 0 },
			     (int)reg, ret);
}

bool reading_value(struct reading *reading, uint32_t insn, struct value value, int reg,
		   uint64_t *ret)
{
	const struct value_reader reader = { read_reg, read_memory, read_entry, reading };
	const struct code_values *values = reading->function->flow.values;
	struct value_state state;

	if (!code_values_at(values, insn, &state))
		return false;
	return value_read(values, &state, reg >= 0 ? state.v[reg] : value, &reader, ret);
}

/* The lock that @action is about, as the frame can still tell it; 0 unknown. */
static uint64_t action_lock(struct reading *reading, uint32_t insn,
			    const struct lock_action *action)
{
	uint64_t address;

	if (!reading_value(reading, insn, action->operand, -1, &address) ||
	    !kernel_is_address(address))
		return 0;
	return address;
}

static int frame_set_held(struct reading *reading, struct arena *arena, struct frame *frame)
{
	const struct function *f = reading->function;
	const struct lock_flow *flow = &f->flow;
	const struct code_insn *insn;
	const struct lock_state *state;
	struct held_call *held = NULL;
	uint32_t n = 0, at;

	if (!f->read)
		return 0;
	if (!flow->states) {
		frame->code_read = true;
		return 0;
	}
	/* A return address: the call before it has not come back, so the state is the call's. */
	insn = frame_insn(frame, f);
	at = insn ? (uint32_t)(insn - f->code.insns) : 0;
	if (!insn || !flow->states[at].reached)
		return 0;
	state = &flow->states[at];
	frame->code_read = true;
	for (uint32_t i = 0; i < flow->n_actions; i++) {
		const struct lock_action *action = &flow->actions[i];
		uint64_t bit = 1ULL << action->bit;
		struct held_call *slot;

		if (action->insn == at && frame_at_call(frame) && !action->effect->via)
			frame->callee_lock = action_lock(reading, at, action);
		if (action->effect->what.act == PRIMITIVE_RELEASE || !(state->may & bit) ||
		    lock_flow_action(flow, action->bit, true) != action)
			continue;
		slot = ARENA_APPEND(arena, held, n);
		if (!slot)
			return -ENOMEM;
		*slot = (struct held_call){
			.address = f->code.insns[action->insn].address +
				   f->code.insns[action->insn].size,
			.target = action->effect->name,
			/* The kernel's names do not outlive the dump. */
			.via = action->effect->via ? arena_strdup(arena, action->effect->via) :
						     NULL,
			.lock = state->stale & bit ? 0 : action_lock(reading, at, action),
			.always = (state->must & bit) != 0,
		};
		if (action->effect->via && !slot->via)
			return -ENOMEM;
	}
	frame->held = held;
	frame->n_held = n;
	return 0;
}

/* The lock function that the direct call before a return address calls. */
static void frame_set_callee(struct sections *s, struct frame *frame)
{
	const struct target *target;
	uint8_t code[5];
	int32_t rel;

	if (!frame_at_call(frame) || frame->offset < sizeof(code) ||
	    kernel_read(s->kernel, frame->address - sizeof(code), code, sizeof(code)) < 0 ||
	    code[0] != 0xe8)
		return;
	memcpy(&rel, code + 1, sizeof(rel));
	target = target_find(s, frame->address + (uint64_t)(int64_t)rel);
	if (target)
		frame->callee = target->effect.name;
}

int sections_annotate(struct sections *s, struct arena *arena, struct stack *stack)
{
	for (uint32_t i = 0; i < stack->n; i++) {
		struct reading reading = { .s = s, .stack = stack, .index = i };
		struct frame *frame = &stack->frames[i];
		struct function *f;
		struct primitive p;
		int r;

		if (!frame->reliable || !frame->function || frame->offset == SNAPSHOT_NONE ||
		    frame->address < frame->offset || primitive_find(frame->function, &p) ||
		    function_is_generic(frame->function))
			continue;
		frame_set_callee(s, frame);
		r = function_read(s, frame->address - frame->offset, frame->size, &f);
		if (r < 0)
			return r;
		reading.function = f;
		r = frame_set_held(&reading, arena, frame);
		if (r < 0)
			return r;
	}
	return 0;
}
