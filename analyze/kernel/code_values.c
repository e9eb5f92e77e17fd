// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/code_values.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_PASSES 64
#define MAX_ATOMS 512 /* of memory and constants; more are told by their instruction */
#define MAX_DEPTH 8

/*
 * Atoms as numbers: the table's (memory, constants) from 0; the others carry what they are about:
 * instruction and place.
 */
#define ATOM_KIND 0x70000000
#define ATOM_ENTRY 0x10000000	/* | place */
#define ATOM_DEFINED 0x20000000 /* | instruction << 6 | place */
#define ATOM_MERGED 0x30000000	/* | instruction << 6 | place */
#define PLACE_BITS 6
#define MAX_INSNS (1 << 20)

struct atom {
	bool memory;	     /* else a constant */
	struct value base;   /* memory at this */
	int64_t constant;
};

struct code_values {
	struct arena *arena;
	const struct code *code;
	struct atom *atoms;
	uint32_t n_atoms;
	int32_t *leader;     /* by instruction: index in states, -1 no leader */
	struct value_state *states;
	bool *reached;	     /* by leader */
	uint32_t n_leaders;
	struct value *stored; /* addresses that the function writes 8 bytes to, not on the stack */
	uint32_t n_stored;
	int32_t taken;	     /* lowest stack offset whose address is taken; 0 none */
};

static const struct value unknown = { VALUE_UNKNOWN, 0 };

static struct value value_of(int32_t atom, int64_t add)
{
	if (atom == VALUE_UNKNOWN || add != (int32_t)add)
		return unknown;
	return (struct value){ atom, (int32_t)add };
}

static struct value value_defined(uint32_t insn, unsigned int place, int32_t kind)
{
	return value_of(kind | (int32_t)(insn << PLACE_BITS | place), 0);
}

static bool value_equal(struct value a, struct value b)
{
	return a.atom == b.atom && a.add == b.add;
}

/* The atom of memory at @base, or of @constant; VALUE_UNKNOWN when the table is full. */
static int32_t atom_get(struct code_values *c, bool memory, struct value base, int64_t constant)
{
	struct atom *atom;

	for (uint32_t i = 0; i < c->n_atoms; i++)
		if (c->atoms[i].memory == memory && value_equal(c->atoms[i].base, base) &&
		    c->atoms[i].constant == constant)
			return (int32_t)i;
	if (c->n_atoms == MAX_ATOMS)
		return VALUE_UNKNOWN;
	atom = ARENA_APPEND(c->arena, c->atoms, c->n_atoms);
	if (!atom)
		return VALUE_UNKNOWN;
	*atom = (struct atom){ memory, base, constant };
	return (int32_t)c->n_atoms - 1;
}

static const struct atom *atom_of(const struct code_values *c, struct value value)
{
	return value.atom >= 0 && (uint32_t)value.atom < c->n_atoms ? &c->atoms[value.atom] : NULL;
}

/* The offset of @address from the stack pointer at entry, when it is one. */
static bool stack_offset(struct value address, int32_t *ret_offset)
{
	if (address.atom != (ATOM_ENTRY | CODE_RSP))
		return false;
	*ret_offset = address.add;
	return true;
}

static int slot_place(int32_t offset)
{
	if (offset >= 0 || offset < -8 * VALUE_SLOTS || offset % 8)
		return -1;
	return CODE_REGS - offset / 8 - 1;
}

static struct value address_of(struct code_values *c, const struct value_state *s, int reg,
			       int64_t disp)
{
	if (reg == CODE_ABSOLUTE)
		return value_of(atom_get(c, false, unknown, disp), 0);
	if (reg < 0 || s->v[reg].atom == VALUE_UNKNOWN)
		return unknown;
	return value_of(s->v[reg].atom, s->v[reg].add + disp);
}

static bool is_stored(const struct code_values *c, struct value address)
{
	for (uint32_t i = 0; i < c->n_stored; i++)
		if (value_equal(c->stored[i], address))
			return true;
	return false;
}

/* What 8 bytes at @address hold for instruction @insn, that puts them into @place. */
static struct value load(struct code_values *c, const struct value_state *s, struct value address,
			 uint32_t insn, unsigned int place)
{
	int32_t offset, atom;

	if (stack_offset(address, &offset) && slot_place(offset) >= 0)
		return s->v[slot_place(offset)];
	if (address.atom == VALUE_UNKNOWN || is_stored(c, address))
		return value_defined(insn, place, ATOM_DEFINED);
	atom = atom_get(c, true, address, 0);
	return atom == VALUE_UNKNOWN ? value_defined(insn, place, ATOM_DEFINED) : value_of(atom, 0);
}

static void slots_forget(struct value_state *s, int32_t from, int32_t to, uint32_t insn)
{
	for (int32_t offset = from & ~7; offset < to; offset += 8)
		if (slot_place(offset) >= 0)
			s->v[slot_place(offset)] =
				value_defined(insn, (unsigned int)slot_place(offset), ATOM_DEFINED);
}

static int store(struct code_values *c, struct value_state *s, struct value address,
		 struct value value, unsigned int width, uint32_t insn)
{
	struct value *slot;
	int32_t offset;

	if (stack_offset(address, &offset)) {
		slots_forget(s, offset, offset + (int32_t)(width ? width : 64), insn);
		if (width == 8 && slot_place(offset) >= 0 && value.atom != VALUE_UNKNOWN)
			s->v[slot_place(offset)] = value;
		return 0;
	}
	/* Through a pointer that may be to the stack. */
	if (c->taken && address.atom == VALUE_UNKNOWN)
		slots_forget(s, c->taken, 0, insn);
	if (address.atom == VALUE_UNKNOWN || width != 8 || is_stored(c, address))
		return 0;
	slot = ARENA_APPEND(c->arena, c->stored, c->n_stored);
	if (!slot)
		return -ENOMEM;
	*slot = address;
	return 0;
}

static void registers_forget(struct value_state *s, uint16_t mask, uint32_t insn)
{
	for (unsigned int reg = 0; reg < CODE_REGS; reg++)
		if (mask >> reg & 1)
			s->v[reg] = value_defined(insn, reg, ATOM_DEFINED);
}

static void stack_move(struct value_state *s, int32_t by)
{
	s->v[CODE_RSP] = value_of(s->v[CODE_RSP].atom, (int64_t)s->v[CODE_RSP].add + by);
}

/* An address on the stack that goes into another register may be passed on. */
static void take_address(struct code_values *c, int dst, struct value value)
{
	int32_t offset;

	if (dst != CODE_RSP && dst != CODE_RBP && stack_offset(value, &offset) && offset < c->taken)
		c->taken = offset;
}

/* The state after instruction @index. */
static int step(struct code_values *c, struct value_state *s, uint32_t index)
{
	const struct code_insn *in = &c->code->insns[index];
	struct value value;

	if (in->call) {
		/* The first may be of __fentry__, which saves everything. */
		if (in->address - c->code->insns[0].address > 4)
			registers_forget(s, CODE_CALLER_SAVED, index);
		if (c->taken)
			slots_forget(s, c->taken, 0, index);
		return 0;
	}
	switch (in->effect) {
	case EFFECT_COPY:
		value = address_of(c, s, in->src, in->disp);
		registers_forget(s, in->writes, index);
		take_address(c, in->dst, value);
		s->v[in->dst] = value.atom == VALUE_UNKNOWN ?
					value_defined(index, (unsigned int)in->dst, ATOM_DEFINED) :
					value;
		return 0;
	case EFFECT_LOAD:
		value = load(c, s, address_of(c, s, in->src, in->disp), index,
			     (unsigned int)in->dst);
		registers_forget(s, in->writes, index);
		s->v[in->dst] = value;
		return 0;
	case EFFECT_STORE:
		registers_forget(s, in->writes, index);
		return store(c, s, address_of(c, s, in->src, in->disp),
			     in->dst >= 0 ? s->v[in->dst] : unknown, in->width, index);
	case EFFECT_PUSH:
		stack_move(s, -8);
		return store(c, s, s->v[CODE_RSP], in->dst >= 0 ? s->v[in->dst] : unknown, 8,
			     index);
	case EFFECT_POP:
		if (in->dst >= 0)
			s->v[in->dst] = load(c, s, s->v[CODE_RSP], index, (unsigned int)in->dst);
		stack_move(s, 8);
		return 0;
	case EFFECT_LEAVE:
		s->v[CODE_RSP] = s->v[CODE_RBP];
		s->v[CODE_RBP] = load(c, s, s->v[CODE_RSP], index, CODE_RBP);
		stack_move(s, 8);
		return 0;
	default:
		registers_forget(s, in->writes, index);
		return 0;
	}
}

static bool merge(struct code_values *c, uint32_t insn, const struct value_state *s)
{
	int32_t leader = c->leader[insn];
	struct value_state *to = &c->states[leader];
	bool changed = false;

	if (!c->reached[leader]) {
		*to = *s;
		c->reached[leader] = true;
		return true;
	}
	for (unsigned int place = 0; place < VALUE_PLACES; place++) {
		struct value merged = value_defined(insn, place, ATOM_MERGED);

		if (value_equal(to->v[place], s->v[place]) || value_equal(to->v[place], merged))
			continue;
		to->v[place] = merged;
		changed = true;
	}
	return changed;
}

/* From leader @index to the next jump away. *@changed: some other leader's state was. */
static int follow_run(struct code_values *c, uint32_t index, bool *changed)
{
	struct value_state s = c->states[c->leader[index]];

	for (uint32_t i = index; i < c->code->n; i++) {
		const struct code_insn *in = &c->code->insns[i];
		int r;

		if (i != index && in->leader) {
			*changed |= merge(c, i, &s);
			return 0;
		}
		r = step(c, &s, i);
		if (r < 0)
			return r;
		if (in->jump >= 0)
			*changed |= merge(c, (uint32_t)in->jump, &s);
		if (!in->falls)
			return 0;
	}
	return 0;
}

static int follow(struct code_values *c)
{
	struct value_state entry;
	bool changed = true;

	memset(c->reached, 0, c->n_leaders);
	for (unsigned int place = 0; place < VALUE_PLACES; place++)
		entry.v[place] = value_of(ATOM_ENTRY | (int32_t)place, 0);
	merge(c, 0, &entry);
	for (unsigned int pass = 0; changed; pass++) {
		if (pass == MAX_PASSES)
			return -E2BIG;
		changed = false;
		for (uint32_t i = 0; i < c->code->n; i++) {
			int r;

			if (!c->code->insns[i].leader || !c->reached[c->leader[i]])
				continue;
			r = follow_run(c, i, &changed);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int code_values_new(struct arena *arena, const struct code *code, struct code_values **ret)
{
	struct code_values *c = arena_alloc(arena, sizeof(*c));
	uint32_t n_stored;
	int32_t taken;
	int r;

	if (!c)
		return -ENOMEM;
	if (code->n >= MAX_INSNS)
		return -E2BIG;
	c->arena = arena;
	c->code = code;
	c->leader = arena_calloc(arena, code->n, sizeof(*c->leader));
	if (!c->leader)
		return -ENOMEM;
	for (uint32_t i = 0; i < code->n; i++)
		c->leader[i] = code->insns[i].leader ? (int32_t)c->n_leaders++ : -1;
	c->states = arena_calloc(arena, c->n_leaders, sizeof(*c->states));
	c->reached = arena_calloc(arena, c->n_leaders, sizeof(*c->reached));
	if (!c->states || !c->reached)
		return -ENOMEM;
	/* What is stored to, and which addresses are taken, changes what was read before: again. */
	do {
		n_stored = c->n_stored;
		taken = c->taken;
		r = follow(c);
	} while (r == 0 && (c->n_stored != n_stored || c->taken != taken));
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

bool code_values_at(const struct code_values *c, uint32_t index, struct value_state *ret)
{
	/* step() adds to the atoms only what it added before. */
	struct code_values copy = *c;
	uint32_t first = index;

	while (c->leader[first] < 0)
		first--;
	if (!c->reached[c->leader[first]])
		return false;
	*ret = c->states[c->leader[first]];
	for (uint32_t i = first; i < index; i++) {
		if (!c->code->insns[i].falls || step(&copy, ret, i) < 0)
			return false;
	}
	return true;
}

bool value_same(const struct code_values *c, struct value a, struct value b)
{
	return a.atom != VALUE_UNKNOWN && value_equal(a, b);
}

bool value_differs(const struct code_values *c, struct value a, struct value b)
{
	const struct atom *x = atom_of(c, a), *y = atom_of(c, b);

	if (a.atom == VALUE_UNKNOWN || b.atom == VALUE_UNKNOWN)
		return false;
	if (a.atom == b.atom)
		return a.add != b.add;
	return x && y && !x->memory && !y->memory;
}

int32_t value_origin(const struct code_values *c, struct value value, bool *ret_merge)
{
	const struct atom *atom;

	for (unsigned int i = 0; i < MAX_DEPTH; i++) {
		atom = atom_of(c, value);
		if (!atom || !atom->memory)
			break;
		value = atom->base;
	}
	*ret_merge = value.atom != VALUE_UNKNOWN && (value.atom & ATOM_KIND) == ATOM_MERGED;
	if (value.atom == VALUE_UNKNOWN || atom_of(c, value) ||
	    (value.atom & ATOM_KIND) == ATOM_ENTRY)
		return -1;
	return (value.atom & ~ATOM_KIND) >> PLACE_BITS;
}

bool value_to_path(const struct code_values *c, struct value value, struct value_path *ret)
{
	struct value_path path = { .reg = CODE_NO_REG };
	int32_t adds[VALUE_LOADS + 1];
	const struct atom *atom;

	while (true) {
		adds[path.n_loads] = value.add;
		atom = atom_of(c, value);
		if (!atom || !atom->memory)
			break;
		if (path.n_loads == VALUE_LOADS)
			return false;
		path.n_loads++;
		value = atom->base;
	}
	if (atom) {
		path.reg = CODE_ABSOLUTE;
		path.base = atom->constant;
	} else if (value.atom != VALUE_UNKNOWN && (value.atom & ATOM_KIND) == ATOM_ENTRY &&
		   (value.atom & ~ATOM_KIND) < CODE_REGS && (value.atom & ~ATOM_KIND) != CODE_RSP) {
		path.reg = (int8_t)(value.atom & ~ATOM_KIND);
	} else {
		return false;
	}
	for (unsigned int i = 0; i <= path.n_loads; i++)
		path.add[i] = adds[path.n_loads - i];
	*ret = path;
	return true;
}

struct value value_from_path(struct code_values *c, const struct value_state *s,
			     const struct value_path *path)
{
	struct value value = path->reg == CODE_ABSOLUTE ?
				     value_of(atom_get(c, false, unknown, path->base), 0) :
				     s->v[path->reg];

	for (unsigned int i = 0;; i++) {
		int32_t offset;

		value = value_of(value.atom, (int64_t)value.add + path->add[i]);
		if (i == path->n_loads || value.atom == VALUE_UNKNOWN)
			return value;
		/* What a callee reads of this function's own stack. */
		if (stack_offset(value, &offset) && slot_place(offset) >= 0)
			value = s->v[slot_place(offset)];
		else if (is_stored(c, value))
			return unknown;
		else
			value = value_of(atom_get(c, true, value, 0), 0);
	}
}

/* The number in @place now; of the stack only where nobody else may have written. */
static bool read_place(const struct code_values *c, const struct value_state *s, unsigned int place,
		       const struct value_reader *reader, uint64_t *ret)
{
	int32_t offset = -8 * (int32_t)(place - CODE_REGS + 1), now;
	uint64_t sp;

	if (place < CODE_REGS)
		return reader->reg(reader->arg, place, ret);
	if ((c->taken && offset >= c->taken) || !stack_offset(s->v[CODE_RSP], &now) ||
	    !reader->reg(reader->arg, CODE_RSP, &sp))
		return false;
	return reader->load(reader->arg, sp + (uint64_t)(int64_t)(offset - now), ret);
}

static bool read_depth(const struct code_values *c, const struct value_state *s, struct value value,
		       const struct value_reader *reader, unsigned int depth, uint64_t *ret)
{
	const struct atom *atom = atom_of(c, value);
	uint64_t base;

	if (value.atom == VALUE_UNKNOWN || depth > MAX_DEPTH)
		return false;
	if (atom && !atom->memory) {
		*ret = (uint64_t)(atom->constant + value.add);
		return true;
	}
	for (unsigned int place = 0; place < VALUE_PLACES; place++)
		if (s->v[place].atom == value.atom && read_place(c, s, place, reader, &base)) {
			*ret = base - (uint64_t)(int64_t)s->v[place].add +
			       (uint64_t)(int64_t)value.add;
			return true;
		}
	if (atom) {
		if (!read_depth(c, s, atom->base, reader, depth + 1, &base) ||
		    !reader->load(reader->arg, base, &base))
			return false;
	} else if ((value.atom & ATOM_KIND) != ATOM_ENTRY ||
		   (value.atom & ~ATOM_KIND) >= CODE_REGS ||
		   !reader->entry(reader->arg, (unsigned int)(value.atom & ~ATOM_KIND), &base)) {
		return false;
	}
	*ret = base + (uint64_t)(int64_t)value.add;
	return true;
}

bool value_read(const struct code_values *c, const struct value_state *s, struct value value,
		const struct value_reader *reader, uint64_t *ret)
{
	return read_depth(c, s, value, reader, 0, ret);
}
