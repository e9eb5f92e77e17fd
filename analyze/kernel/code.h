/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_CODE_H
#define HOLDUP_KERNEL_CODE_H

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"

/*
 * The instructions of one function, decoded once into what the rest asks about: where control goes,
 * and what becomes of registers and stack. x86-64. Pure: bytes in, instructions out.
 */

#define CODE_REGS 16 /* in the processor's own numbering: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8… */

enum {
	CODE_RAX,
	CODE_RCX,
	CODE_RDX,
	CODE_RBX,
	CODE_RSP,
	CODE_RBP,
	CODE_RSI,
	CODE_RDI,
	CODE_NO_REG = -1,   /* none, or memory that cannot be told */
	CODE_ABSOLUTE = -2, /* an address in itself */
};

#define CODE_CALLER_SAVED 0x0fc7 /* RAX, RCX, RDX, RSI, RDI, R8 to R11 */
#define CODE_CALLEE_SAVED 0xf028 /* RBX, RBP, R12 to R15 */

/* What an instruction does to 64-bit values, where that is simple. */
enum code_effect {
	EFFECT_NONE,
	EFFECT_COPY,  /* dst = src + disp; src CODE_ABSOLUTE: dst = disp */
	EFFECT_LOAD,  /* dst = 8 bytes at src + disp */
	EFFECT_STORE, /* 8 bytes at src + disp = dst; dst CODE_NO_REG: of @width, something else */
	EFFECT_PUSH,  /* dst, CODE_NO_REG something else */
	EFFECT_POP,
	EFFECT_LEAVE,
};

/* Unlocks that the compiler put into the function. */
enum code_unlock {
	UNLOCK_NONE,
	UNLOCK_BYTE,   /* a zero byte stored: spin_unlock(), write_unlock(), or none of them */
	UNLOCK_SPIN,   /* the same in the place of a paravirt call: spin_unlock() for certain */
	UNLOCK_READER, /* an atomic subtraction of one reader: read_unlock() */
	UNLOCK_BIT,    /* an atomic clear of one bit: bit_spin_unlock(), or none */
	LOCK_BIT,      /* an atomic test and set of one bit: bit_spin_lock()'s attempt, or none */
};

struct code_insn {
	uint64_t address;
	uint8_t size;
	bool call;
	bool falls;	/* control may go on to the next instruction */
	bool returns;	/* leaves for the caller: ret, or a jump to another function */
	bool indirect;	/* a jump to who knows where; counts as leaving */
	bool leader;	/* something jumps here */
	uint8_t effect, unlock;
	int8_t dst, src;
	int8_t unlock_reg; /* the lock's address: this register + unlock_disp */
	uint8_t width;
	uint16_t writes;   /* registers changed otherwise than by @effect */
	int32_t jump;	   /* index of the instruction jumped to, -1 none */
	int64_t disp, unlock_disp;
	bool pause;	   /* cpu_relax() */
	bool stores;	   /* to memory that is no variable of the CPU's own, and not atomically */
	int8_t read_reg;   /* memory that it reads or writes: this register + read_disp */
	uint8_t read_size; /* 0: none */
	int64_t read_disp;
	int64_t imm;	   /* its immediate operand; 0 none */
	uint64_t target;   /* of a direct call, or of a jump out of the function; 0 none */
	/*
	 * A conditional jump on whether the call at index @tested returned zero, or the bit that was
	 * tested there was: taken when so, or when not. -1 none.
	 */
	int32_t tested;
	bool taken_on_zero;
};

/* A function has one or two pieces: the compiler puts what is seldom run elsewhere (.cold). */
#define CODE_RANGES 2

struct code_range {
	uint64_t start;
	const uint8_t *bytes;
	size_t size;
};

struct code {
	struct code_insn *insns;
	uint32_t n;
	uint32_t end[CODE_RANGES]; /* index after the last instruction of each range */
	unsigned int n_ranges;
};

/*
 * Decodes the function whose pieces are @ranges; it begins with the first. 0, -ENOMEM, or -EINVAL
 * when they are no straight sequence of instructions (@ret_code is then undefined).
 */
int code_decode(struct arena *arena, csh capstone, const struct code_range *ranges,
		unsigned int n_ranges, struct code *ret_code);

/* The instruction that begins at @address, or NULL; the one that ends there. */
struct code_insn *code_insn_at(const struct code *code, uint64_t address);
struct code_insn *code_insn_before(const struct code *code, uint64_t address);

#endif
