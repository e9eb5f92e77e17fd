// SPDX-License-Identifier: GPL-2.0-or-later
#include "regs.h"

#include <stddef.h>
#include <string.h>

void regs_from_user_regs(const void *bytes, struct regs *regs)
{
	static const int8_t order[] = {
		REG_X86_R15, REG_X86_R14, REG_X86_R13, REG_X86_R12,	  REG_X86_RBP, REG_X86_RBX,
		REG_X86_R11, REG_X86_R10, REG_X86_R9,  REG_X86_R8,	  REG_X86_RAX, REG_X86_RCX,
		REG_X86_RDX, REG_X86_RSI, REG_X86_RDI, -1 /* orig_rax */, REG_IP,      REG_X86_CS,
		REG_FLAGS,   REG_SP,	  REG_X86_SS,
	};

	_Static_assert(sizeof(order) * 8 <= USER_REGS_SIZE, "what follows is of no use here");
	for (size_t i = 0; i < sizeof(order); i++) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)bytes + 8 * i, sizeof(v));
		if (order[i] >= 0)
			regs_set(regs, (unsigned int)order[i], v);
	}
}
