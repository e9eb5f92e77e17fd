// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "source/crash_session.h"

static const struct {
	const char *name;
	int8_t reg; /* -1: known and of no use */
} x86_names[] = {
	{ "RIP", REG_IP },	{ "RSP", REG_SP },	{ "RFLAGS", REG_FLAGS },
	{ "RAX", REG_X86_RAX }, { "RBX", REG_X86_RBX }, { "RCX", REG_X86_RCX },
	{ "RDX", REG_X86_RDX }, { "RSI", REG_X86_RSI }, { "RDI", REG_X86_RDI },
	{ "RBP", REG_X86_RBP }, { "EIP", REG_IP },	{ "ESP", REG_SP },
	{ "EFLAGS", REG_FLAGS }, { "EAX", REG_X86_RAX }, { "EBX", REG_X86_RBX },
	{ "ECX", REG_X86_RCX }, { "EDX", REG_X86_RDX }, { "ESI", REG_X86_RSI },
	{ "EDI", REG_X86_RDI }, { "EBP", REG_X86_RBP }, { "CS", REG_X86_CS },
	{ "SS", REG_X86_SS },	{ "ORIG_RAX", -1 },	{ "DS", -1 },
	{ "ES", -1 },		{ "FS", -1 },		{ "GS", -1 },
	{ "ERR", -1 },		{ "PC", REG_IP },	{ "SP", REG_SP },
	{ "PSTATE", REG_FLAGS }, { "NIP", REG_IP },	{ "MSR", REG_FLAGS },
	{ "LR", -1 },		{ "CTR", -1 },		{ "XER", -1 },
	{ "CCR", -1 },		{ "DAR", -1 },		{ "DSISR", -1 },
	{ "OR3", -1 },		{ "MQ", -1 },		{ "ORIG_X0", -1 },
	{ "SYSCALLNO", -1 },
};

/* "R12" or "X3": the number, -1 no such register. */
static int numbered_register(const char *name, size_t n)
{
	int v = 0;

	if (n < 2 || n > 3 || (name[0] != 'R' && name[0] != 'X'))
		return -1;
	for (size_t i = 1; i < n; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + name[i] - '0';
	}
	return v < 32 ? v : -1;
}

const char *crash_regs_scan(struct crash_regs *regs, const char *p, const char *end)
{
	const char *name = p, *value_end;
	size_t n, i = 0, n_names = sizeof(x86_names) / sizeof(*x86_names);
	uint64_t value;
	int number;

	while (p < end && ((*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_') &&
	       p - name < 10)
		p++;
	n = (size_t)(p - name);
	if (n < 2 || p == end || *p != ':')
		return NULL;
	number = numbered_register(name, n);
	while (number < 0 && i < n_names &&
	       (strlen(x86_names[i].name) != n || memcmp(x86_names[i].name, name, n) != 0))
		i++;
	if (i == n_names)
		return NULL;
	for (p++; p < end && (*p == ' ' || *p == '\t' || *p == '\n'); p++)
		;
	value_end = crash_hex(p, end, &value);
	if (!value_end)
		return NULL;
	regs->any = true;
	regs->nip |= strncmp(name, "NIP:", 4) == 0;
	regs->pc |= strncmp(name, "PC:", 3) == 0;
	regs->eip |= strncmp(name, "EIP:", 4) == 0;
	if (number >= 0) {
		regs_set(&regs->numbered, REG_GP + (unsigned int)number, value);
		if (number >= 8 && number <= 15)
			regs_set(&regs->x86, REG_X86_R8 + (unsigned int)number - 8, value);
	} else if (x86_names[i].reg >= 0) {
		regs_set(&regs->x86, (unsigned int)x86_names[i].reg, value);
	}
	return value_end;
}

bool crash_regs_make(const struct crash_regs *regs, struct regs *ret_regs, const char **ret_arch)
{
	static const unsigned int shared[] = { REG_IP, REG_SP, REG_FLAGS };

	if (!regs_has(&regs->x86, REG_IP))
		return false;
	if (!regs->nip && !regs->pc) {
		*ret_regs = regs->x86;
		*ret_arch = regs->eip ? "i386" : "x86_64";
		return true;
	}
	*ret_regs = regs->numbered;
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
		if (regs_has(&regs->x86, shared[i]))
			regs_set(ret_regs, shared[i], regs->x86.v[shared[i]]);
	/* ppc64's stack pointer is r1. */
	if (regs->nip && regs_has(&regs->numbered, REG_GP + 1))
		regs_set(ret_regs, REG_SP, regs->numbered.v[REG_GP + 1]);
	*ret_arch = regs->nip ? "ppc64" : "aarch64";
	return true;
}
