/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_CODE_VALUES_H
#define HOLDUP_KERNEL_CODE_VALUES_H

#include "kernel/code.h"

/*
 * What registers and stack slots hold at each instruction of a function, in terms of what they held
 * at its beginning: "the first argument plus 8", "what is stored at that plus 16". So two lock
 * calls can be compared, a call's argument be expressed by the caller's, and a value be found again
 * in whatever place still has it. Pure.
 *
 * A value is an atom plus a constant. Atoms: what a register or slot held at entry; memory at a
 * value; a 64-bit constant; and the result of an instruction that is not followed further, or of
 * ways that come together with different values, told by the instruction alone. Memory is taken to
 * be unchanged as long as the function itself does not store there.
 */
#define VALUE_SLOTS 24 /* of 8 bytes below the return address; deeper ones are not followed */
#define VALUE_PLACES (CODE_REGS + VALUE_SLOTS)

struct value {
	int32_t atom; /* VALUE_UNKNOWN, or for code_values' own use */
	int32_t add;
};

#define VALUE_UNKNOWN (-1)

struct value_state {
	struct value v[VALUE_PLACES]; /* registers, then slots from the return address down */
};

struct code_values;

/* Follows all ways through @code. 0, -ENOMEM, or -E2BIG when it does not come to an end. */
int code_values_new(struct arena *arena, const struct code *code, struct code_values **ret_values);

/* The state before instruction @index; false where no followed way leads. */
bool code_values_at(const struct code_values *values, uint32_t index, struct value_state *ret_state);

/* Equal for certain; known not to be equal: constants apart, or apart from the same atom. */
bool value_same(const struct code_values *values, struct value a, struct value b);
bool value_differs(const struct code_values *values, struct value a, struct value b);

/*
 * The instruction whose every execution gives @value another meaning; -1 none. *@ret_merge: the
 * change happens where ways come together before that instruction.
 */
int32_t value_origin(const struct code_values *values, struct value value, bool *ret_merge);

/* A value in terms of the function's beginning: loads through displacements from a register. */
#define VALUE_LOADS 4
struct value_path {
	int8_t reg;	     /* the register at entry, or CODE_ABSOLUTE with @base */
	uint8_t n_loads;
	int64_t base;
	int32_t add[VALUE_LOADS + 1]; /* before the first load, …, after the last */
};

bool value_to_path(const struct code_values *values, struct value value,
		   struct value_path *ret_path);
/* In a caller's terms: @path with the registers as @state has them. */
struct value value_from_path(struct code_values *values, const struct value_state *state,
			     const struct value_path *path);

/*
 * The number behind @value, found where it still is. @reg reads a register as it is now, @load 8
 * bytes of memory, @entry a register as it was when the function was called; each returns false
 * when it cannot.
 */
struct value_reader {
	bool (*reg)(void *arg, unsigned int reg, uint64_t *ret);
	bool (*load)(void *arg, uint64_t address, uint64_t *ret);
	bool (*entry)(void *arg, unsigned int reg, uint64_t *ret);
	void *arg;
};

bool value_read(const struct code_values *values, const struct value_state *state,
		struct value value, const struct value_reader *reader, uint64_t *ret);

#endif
