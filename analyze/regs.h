/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_REGS_H
#define HOLDUP_REGS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One register set, of any architecture: the three that every one has, then the general ones.
 * x86-64 uses the REG_X86_* slots; others (arm64, ppc64, arm from a text report) fill REG_GP + n
 * with x<n>, r<n>. Only what a set bit of @known names has a value.
 */
enum {
	REG_IP,
	REG_SP,
	REG_FLAGS,
	REG_GP,
	REG_X86_RAX = REG_GP,
	REG_X86_RBX,
	REG_X86_RCX,
	REG_X86_RDX,
	REG_X86_RSI,
	REG_X86_RDI,
	REG_X86_RBP,
	REG_X86_R8,
	REG_X86_R9,
	REG_X86_R10,
	REG_X86_R11,
	REG_X86_R12,
	REG_X86_R13,
	REG_X86_R14,
	REG_X86_R15,
	REG_X86_CS,
	REG_X86_SS,
	REG_MAX = 40,
};

struct regs {
	uint64_t v[REG_MAX];
	uint64_t known; /* bit n: v[n] has a value */
};

static inline bool regs_has(const struct regs *regs, unsigned int reg)
{
	return regs->known >> reg & 1;
}

static inline void regs_set(struct regs *regs, unsigned int reg, uint64_t value)
{
	regs->v[reg] = value;
	regs->known |= 1ULL << reg;
}

#define USER_REGS_SIZE (27 * 8)

/*
 * Sets the registers of x86-64's user_regs_struct (arch/x86/include/asm/user_64.h), USER_REGS_SIZE
 * bytes, as NT_PRSTATUS has it. Its fs_base and gs_base are the user's and left out.
 */
void regs_from_user_regs(const void *bytes, struct regs *regs);

/*
 * The registers that a call leaves alone on x86-64, as one frame has them: short, because every
 * frame of every task may keep a set.
 */
struct kept_regs {
	uint64_t v[6];
	uint8_t known; /* bit n: v[n] has a value */
};

#define KEPT_REGS                                                                                  \
	{                                                                                          \
		REG_X86_RBX, REG_X86_RBP, REG_X86_R12, REG_X86_R13, REG_X86_R14, REG_X86_R15,      \
	}

static inline void regs_get_kept(const struct regs *regs, struct kept_regs *ret_kept)
{
	static const uint8_t which[6] = KEPT_REGS;

	ret_kept->known = 0;
	for (unsigned int i = 0; i < 6; i++) {
		ret_kept->v[i] = regs->v[which[i]];
		ret_kept->known |= (uint8_t)(regs_has(regs, which[i]) << i);
	}
}

static inline void regs_set_kept(struct regs *regs, const struct kept_regs *kept)
{
	static const uint8_t which[6] = KEPT_REGS;

	for (unsigned int i = 0; i < 6; i++)
		if (kept->known >> i & 1)
			regs_set(regs, which[i], kept->v[i]);
}

#endif
