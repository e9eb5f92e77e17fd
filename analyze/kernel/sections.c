// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For each instruction of a function two sets of lock calls are kept: those that may be held when
 * control comes to it, and those that are held on every way to it. A call of an acquire function
 * adds itself, a release takes away the calls it undoes: those with the same argument (register and
 * displacement, or address), or all of its kind where arguments cannot be compared. Iterated until
 * nothing changes. Kernels without preemption (Debian until 5.16) inline the unlocks of spinlocks
 * and rwlocks: a zero byte or an atomic subtraction, seen as well.
 *
 * Not followed: indirect jumps, jumps out of the function (.cold parts) and back. An address that
 * no followed way reaches is "not read", never "no lock held".
 */
#include "kernel/sections.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>

#include "diagnose/primitives.h"

#define MAX_FUNCTION 65536
#define MAX_SITES 64 /* bits of a mask; a function with more lock calls is left unread */
#define MAX_PASSES 32
#define N_BUCKETS 256

struct target {
	uint64_t address;
	const char *name;
	struct primitive what;
};

/* What a lock call's argument is, as far as it can be compared within the function. */
struct operand {
	enum { OPERAND_UNKNOWN, OPERAND_REGISTER, OPERAND_LOADED, OPERAND_ADDRESS } kind;
	unsigned int reg; /* capstone's */
	int64_t value;	  /* displacement or address */
};

struct site {
	uint32_t insn;	  /* index of the call */
	const struct target *target;
	struct operand operand;
};

enum inlined {
	INLINED_NONE,
	INLINED_BYTE,	/* a zero byte stored: spin_unlock(), write_unlock(), or none of them */
	INLINED_SPIN,	/* the same in the place of a paravirt call: spin_unlock() for certain */
	INLINED_READER, /* an atomic subtraction of one reader: read_unlock() */
};

struct insn {
	uint32_t offset;
	uint8_t size;
	int8_t site;	  /* index of the lock call here, -1 none */
	bool falls;	  /* control may go on to the next instruction */
	int32_t jump;	  /* index of the instruction jumped to, -1 none */
	uint8_t writes;	  /* callee-saved registers that it changes, bits by base_registers[] */
	uint8_t drops;	  /* enum inlined: an unlock compiled into the function, perhaps */
	struct operand dropped; /* of that lock */
	uint64_t may, must; /* sites held when control comes here */
	uint64_t stale;	    /* sites whose operand's register has been changed since, on some way */
	bool reached;
};

/* Registers that live through calls: what locks are reached by. In the order of KEPT_REGS. */
static const unsigned int base_registers[] = {
	X86_REG_RBX, X86_REG_RBP, X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15,
};

#define N_BASE (sizeof(base_registers) / sizeof(*base_registers))

struct function {
	uint64_t start, size;
	bool read;	  /* false: its code could not be read or followed */
	struct insn *insns;
	uint32_t n_insns;
	struct site sites[MAX_SITES];
	uint32_t n_sites;
	struct function *next;
};

struct sections {
	struct kernel *kernel;
	struct arena arena;
	struct target *targets; /* sorted by address */
	size_t n_targets;
	csh capstone;
	struct function *buckets[N_BUCKETS];
};

static int target_compare(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static const struct target *target_find(const struct sections *s, uint64_t address)
{
	struct target key = { .address = address };

	return bsearch(&key, s->targets, s->n_targets, sizeof(key), target_compare);
}

/* In a KVM or Xen guest the paravirt call of an inlined unlock is a direct call of one of these. */
static const char *const paravirt_unlocks[] = {
	"__raw_callee_save___pv_queued_spin_unlock",
	"__raw_callee_save___native_queued_spin_unlock",
};

#define N_PARAVIRT (sizeof(paravirt_unlocks) / sizeof(*paravirt_unlocks))

int sections_new(struct kernel *kernel, struct sections **ret)
{
	struct sections *s = calloc(1, sizeof(*s));
	const char *const *names;
	size_t n = primitive_lock_calls(&names);

	if (!s)
		return -ENOMEM;
	s->kernel = kernel;
	arena_init(&s->arena);
	s->targets = arena_calloc(&s->arena, n + N_PARAVIRT, sizeof(*s->targets));
	if (!s->targets || cs_open(CS_ARCH_X86, CS_MODE_64, &s->capstone) != CS_ERR_OK) {
		arena_done(&s->arena);
		free(s);
		return -ENOMEM;
	}
	cs_option(s->capstone, CS_OPT_DETAIL, CS_OPT_ON);
	for (size_t i = 0; i < n; i++) {
		struct target *t = &s->targets[s->n_targets];

		if (kernel_symbol(kernel, names[i], &t->address) < 0 ||
		    !primitive_find(names[i], &t->what))
			continue;
		t->name = names[i];
		s->n_targets++;
	}
	for (size_t i = 0; i < N_PARAVIRT; i++) {
		struct target *t = &s->targets[s->n_targets];

		if (kernel_symbol(kernel, paravirt_unlocks[i], &t->address) < 0)
			continue;
		t->name = "queued_spin_unlock";
		t->what = (struct primitive){ LOCK_SPINLOCK, PRIMITIVE_RELEASE, -1, false };
		s->n_targets++;
	}
	qsort(s->targets, s->n_targets, sizeof(*s->targets), target_compare);
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

/* --- reading one function --- */

static struct operand operand_of(const cs_x86_op *op, uint64_t next)
{
	struct operand o = { OPERAND_UNKNOWN, 0, 0 };

	if (op->type == X86_OP_IMM) {
		o.kind = OPERAND_ADDRESS;
		o.value = op->imm;
	} else if (op->type == X86_OP_REG) {
		o.kind = OPERAND_REGISTER;
		o.reg = op->reg;
	} else if (op->type == X86_OP_MEM && op->mem.index == X86_REG_INVALID &&
		   op->mem.segment == X86_REG_INVALID) {
		if (op->mem.base == X86_REG_RIP) {
			o.kind = OPERAND_ADDRESS;
			o.value = (int64_t)(next + (uint64_t)op->mem.disp);
		} else {
			o.kind = OPERAND_REGISTER;
			o.reg = op->mem.base;
			o.value = op->mem.disp;
		}
	}
	return o;
}

static bool operand_same(const struct operand *a, const struct operand *b)
{
	return a->kind != OPERAND_UNKNOWN && a->kind == b->kind && a->value == b->value &&
	       (a->kind == OPERAND_ADDRESS || a->reg == b->reg);
}

/* What this instruction puts into RDI, the first argument; false when it does not touch it. */
static bool sets_rdi(const cs_insn *in, struct operand *ret)
{
	const cs_x86 *x = &in->detail->x86;
	const cs_x86_op *dst = &x->operands[0];

	if (x->op_count == 0 || dst->type != X86_OP_REG || !(dst->access & CS_AC_WRITE) ||
	    (dst->reg != X86_REG_RDI && dst->reg != X86_REG_EDI && dst->reg != X86_REG_DI &&
	     dst->reg != X86_REG_DIL))
		return false;
	*ret = (struct operand){ OPERAND_UNKNOWN, 0, 0 };
	if (x->op_count == 2 && (in->id == X86_INS_MOV || in->id == X86_INS_MOVABS)) {
		*ret = operand_of(&x->operands[1], in->address + in->size);
		if (x->operands[1].type == X86_OP_MEM)
			ret->kind = ret->kind == OPERAND_REGISTER ? OPERAND_LOADED : OPERAND_UNKNOWN;
	} else if (x->op_count == 2 && in->id == X86_INS_LEA) {
		*ret = operand_of(&x->operands[1], in->address + in->size);
	}
	return true;
}

/*
 * A copy of RDI, "mov %rdi, %rbx" or "lea 8(%rdi), %rbx": from here on RDI can be told by the copy,
 * which outlives the calls. So a function's first argument gets its name.
 */
static bool copies_rdi(const cs_insn *in, struct operand *ret)
{
	const cs_x86 *x = &in->detail->x86;
	const cs_x86_op *src = &x->operands[1];

	if (x->op_count != 2 || x->operands[0].type != X86_OP_REG || x->operands[0].size != 8)
		return false;
	if (in->id == X86_INS_MOV && src->type == X86_OP_REG && src->reg == X86_REG_RDI) {
		*ret = (struct operand){ OPERAND_REGISTER, x->operands[0].reg, 0 };
		return true;
	}
	if (in->id == X86_INS_LEA && src->mem.base == X86_REG_RDI &&
	    src->mem.index == X86_REG_INVALID) {
		*ret = (struct operand){ OPERAND_REGISTER, x->operands[0].reg, -src->mem.disp };
		return true;
	}
	return false;
}

/* The index in base_registers[] of @reg or the register it is a part of; -1 none. */
static int base_index(unsigned int reg)
{
	static const unsigned int parts[][5] = {
		{ X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH },
		{ X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, X86_REG_BPL },
		{ X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, X86_REG_R12B },
		{ X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, X86_REG_R13B },
		{ X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, X86_REG_R14B },
		{ X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, X86_REG_R15B },
	};

	for (size_t i = 0; i < N_BASE; i++)
		for (size_t k = 0; k < 5; k++)
			if (parts[i][k] == reg)
				return (int)i;
	return -1;
}

/* The callee-saved registers that @in writes. */
static uint8_t base_writes(csh capstone, const cs_insn *in)
{
	cs_regs read, write;
	uint8_t n_read, n_write, mask = 0;

	if (cs_regs_access(capstone, in, read, &n_read, write, &n_write) != CS_ERR_OK)
		return 0xff;
	for (uint8_t k = 0; k < n_write; k++) {
		int i = base_index(write[k]);

		if (i >= 0)
			mask |= (uint8_t)(1 << i);
	}
	return mask;
}

/* The memory at @op, by what RDI was last told to be where it goes through RDI. */
static struct operand memory_of(const cs_x86_op *op, uint64_t next, const struct operand *rdi)
{
	struct operand o = operand_of(op, next);

	if (o.kind != OPERAND_REGISTER || o.reg != X86_REG_RDI)
		return o;
	if (rdi->kind == OPERAND_LOADED && o.value != 0)
		return (struct operand){ OPERAND_UNKNOWN, 0, 0 };
	return (struct operand){ rdi->kind, rdi->reg, rdi->value + o.value };
}

/* Do these bytes begin with a NOP of three or four bytes, in any of the kernel's two styles? */
static bool is_nop(const uint8_t *code, size_t left)
{
	static const uint8_t nops[][4] = {
		{ 0x0f, 0x1f, 0x40, 0x00 }, { 0x66, 0x66, 0x66, 0x90 },
		{ 0x0f, 0x1f, 0x00 },	    { 0x66, 0x66, 0x90 },
	};

	for (size_t i = 0; i < 4; i++) {
		size_t size = i < 2 ? 4 : 3;

		if (left >= size && memcmp(code, nops[i], size) == 0)
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
static enum inlined inlined_unlock(const cs_insn *in, const uint8_t *after, size_t left,
				   const struct operand *rdi, struct operand *ret)
{
	const cs_x86 *x = &in->detail->x86;
	uint64_t next = in->address + in->size;

	if (x->op_count != 2 || x->operands[0].type != X86_OP_MEM)
		return INLINED_NONE;
	*ret = memory_of(&x->operands[0], next, rdi);
	if (in->id == X86_INS_MOV && x->operands[0].size == 1 &&
	    x->operands[1].type == X86_OP_IMM && x->operands[1].imm == 0) {
		if (in->size == 3 && x->operands[0].mem.base == X86_REG_RDI &&
		    is_nop(after, left))
			return INLINED_SPIN;
		return ret->kind == OPERAND_UNKNOWN ? INLINED_NONE : INLINED_BYTE;
	}
	if (x->prefix[0] != X86_PREFIX_LOCK || x->operands[0].size != 4 ||
	    ret->kind == OPERAND_UNKNOWN)
		return INLINED_NONE;
	if (in->id == X86_INS_XADD ||
	    (in->id == X86_INS_SUB && x->operands[1].type == X86_OP_IMM &&
	     x->operands[1].imm == 0x200) ||
	    (in->id == X86_INS_ADD && x->operands[1].type == X86_OP_IMM &&
	     (int32_t)x->operands[1].imm == -0x200))
		return INLINED_READER;
	return INLINED_NONE;
}

/* Any direct call or jump to a lock function in these bytes? Most functions have none. */
static bool has_lock_call(const struct sections *s, uint64_t start, const uint8_t *code, size_t n)
{
	for (size_t i = 0; i + 5 <= n; i++) {
		int32_t rel;

		if (code[i] != 0xe8 && code[i] != 0xe9)
			continue;
		memcpy(&rel, code + i + 1, sizeof(rel));
		if (target_find(s, start + i + 5 + (uint64_t)(int64_t)rel))
			return true;
	}
	return false;
}

static bool writes_operand(uint8_t writes, const struct operand *operand)
{
	for (size_t i = 0; i < N_BASE; i++)
		if (writes >> i & 1 && base_registers[i] == operand->reg &&
		    (operand->kind == OPERAND_REGISTER || operand->kind == OPERAND_LOADED))
			return true;
	return false;
}

static bool insn_add(struct sections *s, struct function *f, const cs_insn *in,
		     const uint8_t *after, size_t left, struct operand *rdi)
{
	struct insn *slot = ARENA_APPEND(&s->arena, f->insns, f->n_insns);
	const cs_x86 *x = &in->detail->x86;
	const struct target *target = NULL;

	if (!slot)
		return false;
	*slot = (struct insn){ .offset = (uint32_t)(in->address - f->start),
			       .size = (uint8_t)in->size, .site = -1, .falls = true, .jump = -1 };
	if (cs_insn_group(s->capstone, in, CS_GRP_CALL)) {
		if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM)
			target = target_find(s, (uint64_t)x->operands[0].imm);
		if (target) {
			if (f->n_sites == MAX_SITES)
				return false;
			slot->site = (int8_t)f->n_sites;
			f->sites[f->n_sites++] = (struct site){ f->n_insns - 1, target, *rdi };
		}
		rdi->kind = OPERAND_UNKNOWN;
	} else if (cs_insn_group(s->capstone, in, CS_GRP_JUMP)) {
		slot->falls = in->id != X86_INS_JMP;
		if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM) {
			uint64_t to = (uint64_t)x->operands[0].imm;

			/* An offset for now; made an index when all instructions are known. */
			if (to >= f->start && to < f->start + f->size)
				slot->jump = (int32_t)(to - f->start);
		}
	} else if (cs_insn_group(s->capstone, in, CS_GRP_RET) || in->id == X86_INS_UD2) {
		slot->falls = false;
	} else if ((slot->drops = inlined_unlock(in, after, left, rdi, &slot->dropped))) {
		slot->writes = base_writes(s->capstone, in);
	} else {
		struct operand copy;

		slot->writes = base_writes(s->capstone, in);
		/* RDI is told by a register only as long as that one is left alone. */
		if (!sets_rdi(in, rdi) && rdi->kind == OPERAND_REGISTER &&
		    writes_operand(slot->writes, rdi))
			rdi->kind = OPERAND_UNKNOWN;
		if (rdi->kind != OPERAND_ADDRESS && copies_rdi(in, &copy) &&
		    base_index(copy.reg) >= 0)
			*rdi = copy;
	}
	return true;
}

static int insn_compare(const void *key, const void *item)
{
	uint32_t offset = *(const uint32_t *)key, at = ((const struct insn *)item)->offset;

	return offset < at ? -1 : offset > at;
}

static struct insn *insn_at(const struct function *f, uint32_t offset)
{
	return bsearch(&offset, f->insns, f->n_insns, sizeof(*f->insns), insn_compare);
}

static bool function_decode(struct sections *s, struct function *f, const uint8_t *code)
{
	struct operand rdi = { OPERAND_UNKNOWN, 0, 0 };
	cs_insn *in = cs_malloc(s->capstone);
	uint64_t address = f->start;
	size_t left = f->size;
	bool ok = in != NULL;

	while (ok && left && cs_disasm_iter(s->capstone, &code, &left, &address, in))
		ok = insn_add(s, f, in, code, left, &rdi);
	if (in)
		cs_free(in, 1);
	if (!ok || f->n_insns == 0)
		return false;
	for (uint32_t i = 0; i < f->n_insns; i++) {
		struct insn *to;

		if (f->insns[i].jump < 0)
			continue;
		to = insn_at(f, (uint32_t)f->insns[i].jump);
		if (!to)
			return false; /* into the middle of an instruction: not what it seems */
		f->insns[i].jump = (int32_t)(to - f->insns);
	}
	return true;
}

/* --- following the lock state --- */

static uint64_t release_mask(const struct function *f, uint64_t held, uint64_t stale,
			     const struct primitive *what, const struct operand *operand,
			     bool only_same)
{
	uint64_t same = 0, kind = 0;

	for (uint32_t i = 0; i < f->n_sites; i++) {
		const struct primitive *p = &f->sites[i].target->what;

		if (!(held >> i & 1) || p->kind != what->kind || p->write != what->write)
			continue;
		kind |= 1ULL << i;
		if (!(stale >> i & 1) && operand_same(&f->sites[i].operand, operand))
			same |= 1ULL << i;
	}
	return same || only_same ? same : kind;
}

struct lock_state {
	uint64_t may, must, stale;
};

static void state_release(const struct function *f, struct lock_state *state,
			  const struct primitive *what, const struct operand *operand,
			  bool only_same)
{
	uint64_t mask = release_mask(f, state->may, state->stale, what, operand, only_same);

	state->may &= ~mask;
	state->must &= ~mask;
}

static void apply_inlined(const struct function *f, const struct insn *insn,
			  struct lock_state *state)
{
	static const struct primitive spin = { LOCK_SPINLOCK, PRIMITIVE_RELEASE, -1, false };
	static const struct primitive writer = { LOCK_RWLOCK, PRIMITIVE_RELEASE, 1, false };
	static const struct primitive reader = { LOCK_RWLOCK, PRIMITIVE_RELEASE, 0, false };

	switch (insn->drops) {
	case INLINED_BYTE:
		state_release(f, state, &spin, &insn->dropped, true);
		state_release(f, state, &writer, &insn->dropped, true);
		break;
	case INLINED_SPIN:
		state_release(f, state, &spin, &insn->dropped, false);
		break;
	case INLINED_READER:
		state_release(f, state, &reader, &insn->dropped, true);
		break;
	}
}

/* The state after @insn: what its lock call or store does to what was held before. */
static void insn_apply(const struct function *f, const struct insn *insn, struct lock_state *state)
{
	const struct site *site;

	if (insn->drops && state->may)
		apply_inlined(f, insn, state);
	for (uint32_t i = 0; i < f->n_sites && insn->writes; i++)
		if (writes_operand(insn->writes, &f->sites[i].operand))
			state->stale |= 1ULL << i;
	if (insn->site < 0)
		return;
	state->stale &= ~(1ULL << insn->site);
	site = &f->sites[insn->site];
	switch (site->target->what.act) {
	case PRIMITIVE_ACQUIRE:
	case PRIMITIVE_SLOWPATH:
		state->may |= 1ULL << insn->site;
		/* _interruptible, _killable and _timeout may fail; then it is not held. */
		if (!site->target->what.sleeps || (!strstr(site->target->name, "ible") &&
						   !strstr(site->target->name, "able") &&
						   !strstr(site->target->name, "timeout")))
			state->must |= 1ULL << insn->site;
		break;
	case PRIMITIVE_TRYLOCK:
		state->may |= 1ULL << insn->site;
		break;
	case PRIMITIVE_RELEASE:
		state_release(f, state, &site->target->what, &site->operand, false);
		break;
	default:
		break;
	}
}

static bool insn_merge(struct insn *to, const struct lock_state *state)
{
	uint64_t may = to->reached ? to->may | state->may : state->may;
	uint64_t must = to->reached ? to->must & state->must : state->must;
	uint64_t stale = to->reached ? to->stale | state->stale : state->stale;

	if (to->reached && may == to->may && must == to->must && stale == to->stale)
		return false;
	to->reached = true;
	to->may = may;
	to->must = must;
	to->stale = stale;
	return true;
}

static bool function_follow(struct function *f)
{
	const struct lock_state nothing = { 0, 0, 0 };
	bool changed = insn_merge(&f->insns[0], &nothing);

	for (unsigned int pass = 0; changed; pass++) {
		if (pass == MAX_PASSES)
			return false;
		changed = false;
		for (uint32_t i = 0; i < f->n_insns; i++) {
			struct insn *insn = &f->insns[i];
			struct lock_state state = { insn->may, insn->must, insn->stale };

			if (!insn->reached)
				continue;
			insn_apply(f, insn, &state);
			if (insn->falls && i + 1 < f->n_insns)
				changed |= insn_merge(insn + 1, &state);
			if (insn->jump >= 0)
				changed |= insn_merge(&f->insns[insn->jump], &state);
		}
	}
	return true;
}

/* --- functions, each read once --- */

static int function_read(struct sections *s, uint64_t start, uint64_t size,
			 struct function **ret_function)
{
	struct function **bucket = &s->buckets[(start >> 4) % N_BUCKETS], *f;
	uint8_t *code;

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
	if (size == 0 || size > MAX_FUNCTION)
		return 0;
	code = malloc(size);
	if (!code)
		return -ENOMEM;
	if (kernel_read(s->kernel, start, code, size) == 0)
		f->read = !has_lock_call(s, start, code, size) ||
			  (function_decode(s, f, code) && function_follow(f));
	free(code);
	return 0;
}

/* The address that @operand names in this frame, 0 unknown. */
static uint64_t operand_address(struct sections *s, const struct operand *operand,
				const struct frame *frame)
{
	uint64_t base = 0, value;

	if (operand->kind == OPERAND_ADDRESS)
		return (uint64_t)operand->value;
	if (operand->kind == OPERAND_UNKNOWN)
		return 0;
	if (operand->reg == X86_REG_RSP) {
		base = frame->sp;
	} else if (frame->saved) {
		/* base_registers[] and struct kept_regs have one order. */
		for (size_t i = 0; i < N_BASE; i++)
			if (base_registers[i] == operand->reg && frame->saved->known >> i & 1)
				base = frame->saved->v[i];
	}
	if (!base)
		return 0;
	base += (uint64_t)operand->value;
	if (operand->kind == OPERAND_REGISTER)
		return kernel_is_address(base) ? base : 0;
	return kernel_read_u64(s->kernel, base, &value) == 0 && kernel_is_address(value) ? value : 0;
}

static int frame_set_held(struct sections *s, struct arena *arena, struct frame *frame,
			  const struct function *f)
{
	uint32_t offset = frame->offset;
	const struct insn *insn;
	struct held_call *held = NULL;
	uint32_t n = 0;

	if (!f->read)
		return 0;
	if (f->n_insns == 0) {
		frame->code_read = true;
		return 0;
	}
	/* A return address: the call before it has not come back, so the state is the call's. */
	insn = insn_at(f, offset);
	if (!frame->interrupted && !frame->regs) {
		uint32_t last;

		for (last = f->n_insns; last > 0; last--)
			if (f->insns[last - 1].offset < offset)
				break;
		insn = last && f->insns[last - 1].offset + f->insns[last - 1].size == offset ?
			       &f->insns[last - 1] :
			       NULL;
	}
	if (!insn || !insn->reached)
		return 0;
	frame->code_read = true;
	if (insn->site >= 0 && !frame->interrupted && !frame->regs)
		frame->callee_lock = operand_address(s, &f->sites[insn->site].operand, frame);
	for (uint32_t i = 0; i < f->n_sites; i++) {
		struct held_call *slot;

		if (!(insn->may >> i & 1))
			continue;
		slot = ARENA_APPEND(arena, held, n);
		if (!slot)
			return -ENOMEM;
		*slot = (struct held_call){
			.address = f->start + f->insns[f->sites[i].insn].offset +
				   f->insns[f->sites[i].insn].size,
			.target = f->sites[i].target->name,
			.lock = insn->stale >> i & 1 ?
					0 :
					operand_address(s, &f->sites[i].operand, frame),
			.always = insn->must >> i & 1,
		};
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

	if (frame->interrupted || frame->regs || frame->offset < sizeof(code) ||
	    kernel_read(s->kernel, frame->address - sizeof(code), code, sizeof(code)) < 0 ||
	    code[0] != 0xe8)
		return;
	memcpy(&rel, code + 1, sizeof(rel));
	target = target_find(s, frame->address + (uint64_t)(int64_t)rel);
	if (target)
		frame->callee = target->name;
}

int sections_annotate(struct sections *s, struct arena *arena, struct stack *stack)
{
	for (uint32_t i = 0; i < stack->n; i++) {
		struct frame *frame = &stack->frames[i];
		struct function *f;
		struct primitive p;
		int r;

		if (!frame->reliable || !frame->function || frame->address < frame->offset ||
		    primitive_find(frame->function, &p) || function_is_generic(frame->function))
			continue;
		frame_set_callee(s, frame);
		r = function_read(s, frame->address - frame->offset, frame->size, &f);
		if (r < 0)
			return r;
		r = frame_set_held(s, arena, frame, f);
		if (r < 0)
			return r;
	}
	return 0;
}
