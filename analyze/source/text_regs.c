// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Register dumps: arch/x86/kernel/process_{32,64}.c and dumpstack.c, arch/arm/kernel/process.c,
 * arch/arm64/kernel/process.c, arch/powerpc/kernel/process.c.
 */
#include "source/text_regs.h"

#include <string.h>

struct reg_name {
	const char *name;
	enum text_arch arch;
	unsigned int reg;
};

#define X(name, reg) { name, TEXT_ARCH_X86_64, REG_X86_##reg }
#define I(name, reg) { name, TEXT_ARCH_I386, REG_X86_##reg }

static const struct reg_name names[] = {
	X("RAX", RAX), X("RBX", RBX), X("RCX", RCX), X("RDX", RDX), X("RSI", RSI), X("RDI", RDI),
	X("RBP", RBP), X("R08", R8), X("R09", R9), X("R10", R10), X("R11", R11), X("R12", R12),
	X("R13", R13), X("R14", R14), X("R15", R15),
	I("EAX", RAX), I("EBX", RBX), I("ECX", RCX), I("EDX", RDX), I("ESI", RSI), I("EDI", RDI),
	I("EBP", RBP), { "ESP", TEXT_ARCH_I386, REG_SP },
	{ "RSP", TEXT_ARCH_X86_64, REG_SP }, { "EFLAGS", TEXT_ARCH_UNKNOWN, REG_FLAGS },
	{ "NIP", TEXT_ARCH_PPC64, REG_IP }, { "MSR", TEXT_ARCH_PPC64, REG_FLAGS },
	{ "sp", TEXT_ARCH_UNKNOWN, REG_SP }, { "pstate", TEXT_ARCH_ARM64, REG_FLAGS },
	{ "psr", TEXT_ARCH_ARM, REG_FLAGS }, { "ip", TEXT_ARCH_ARM, REG_GP + 12 },
	{ "fp", TEXT_ARCH_ARM, REG_GP + 11 },
};

/* Printed beside the general registers; their values are not kept. */
static const char *const others[] = { "ORIG_RAX", "FS", "GS", "knlGS", "CS", "DS", "ES", "SS", "CR0",
				      "CR2", "CR3", "CR4", "DR0", "DR1", "DR2", "DR3", "DR6", "DR7",
				      "PKRU", "CPU", "LR", "CTR", "REGS", "TRAP", "CR", "XER", "lr",
				      "CFAR", "DAR", "DSISR", "IRQMASK", "SOFTE", "TASK", "THREAD" };

const char *text_arch_name(enum text_arch arch)
{
	static const char *const list[] = { [TEXT_ARCH_X86_64] = "x86_64",
					    [TEXT_ARCH_I386] = "i686",
					    [TEXT_ARCH_ARM] = "armv7l",
					    [TEXT_ARCH_ARM64] = "aarch64",
					    [TEXT_ARCH_PPC64] = "ppc64" };

	return arch < sizeof(list) / sizeof(*list) ? list[arch] : NULL;
}

static bool starts(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

static const char *blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

/* A value: hex digits, 4 to 16 of them, also in [<…>] and behind "0018:" (a selector). */
static const char *scan_value(const char *p, const char *end, uint64_t *ret)
{
	bool bracket = false;
	unsigned int n = 0;
	uint64_t v = 0;

	p = blanks(p, end);
	if (end - p > 5 && p[4] == ':' && hex(p[0]) >= 0)
		p = blanks(p + 5, end);
	if (starts(p, end, "[<")) {
		bracket = true;
		p += 2;
	}
	if (starts(p, end, "0x"))
		p += 2;
	for (; p < end && hex(*p) >= 0 && n < 17; p++, n++)
		v = v << 4 | (uint64_t)hex(*p);
	if (n < 4 || n > 16)
		return NULL;
	if (bracket && !starts(p, end, ">]"))
		return NULL;
	p += bracket ? 2 : 0;
	if (p < end && *p != ' ' && *p != '\t' && *p != '(' && *p != '[')
		return NULL;
	*ret = v;
	return p;
}

/* x0 to x30, r0 to r12, GPR00: by number. */
static bool numbered(const char *p, size_t n, enum text_arch *arch, unsigned int *ret_reg)
{
	unsigned int number = 0;
	size_t at = 1, limit;

	if (n > 3 && memcmp(p, "GPR", 3) == 0) {
		at = 3;
		limit = 32;
	} else if (n > 1 && n < 4 && *p == 'x') {
		limit = 31;
	} else if (n > 1 && n < 4 && *p == 'r') {
		limit = 13;
	} else {
		return false;
	}
	for (; at < n; at++) {
		if (p[at] < '0' || p[at] > '9')
			return false;
		number = number * 10 + (unsigned int)(p[at] - '0');
	}
	if (number >= limit)
		return false;
	*arch = *p == 'G' ? TEXT_ARCH_PPC64 : *p == 'x' ? TEXT_ARCH_ARM64 : TEXT_ARCH_ARM;
	*ret_reg = REG_GP + number;
	return true;
}

/* 1: a register that is kept; 0: one that is not; -1 no register. */
static int name_find(const char *p, size_t n, enum text_arch *arch, unsigned int *ret_reg)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i].name) == n && memcmp(names[i].name, p, n) == 0) {
			if (names[i].arch != TEXT_ARCH_UNKNOWN)
				*arch = names[i].arch;
			*ret_reg = names[i].reg;
			return 1;
		}
	if (numbered(p, n, arch, ret_reg))
		return 1;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strlen(others[i]) == n && memcmp(others[i], p, n) == 0)
			return 0;
	return -1;
}

/* "NAME: value NAME : value …"; false when it begins with none. */
static bool scan_pairs(const char *p, const char *end, enum text_arch *arch, struct regs *regs,
		       struct text_regs_line *line)
{
	bool any = false;

	for (;;) {
		const char *name = p = blanks(p, end), *next;
		unsigned int reg = 0;
		uint64_t value;
		int kind;

		while (p < end && *p != ':' && *p != ' ' && p - name < 9)
			p++;
		kind = name_find(name, (size_t)(p - name), arch, &reg);
		p = blanks(p, end);
		if (kind < 0 || p == end || *p != ':')
			return any;
		next = scan_value(p + 1, end, &value);
		if (!next && kind > 0)
			return any;
		any = true;
		if (!next) { /* "CS:  0010 DS: 0000", "CPU: 0": short or decimal ones */
			p = blanks(p + 1, end);
			while (p < end && *p != ' ')
				p++;
			continue;
		}
		if (kind > 0) {
			regs_set(regs, reg, value);
			line->next_gpr = *arch == TEXT_ARCH_PPC64 && reg >= REG_GP ?
						 reg - REG_GP + 1 :
						 0;
		}
		p = next;
		/* ppc64: GPR00: v v v v; flags in words: "(nZCv daif)", "<SF,EE>". */
		while (line->next_gpr && line->next_gpr < 32 && (next = scan_value(p, end, &value))) {
			regs_set(regs, REG_GP + line->next_gpr++, value);
			p = next;
		}
		p = blanks(p, end);
		if (p < end && (*p == '(' || *p == '<' || *p == '[')) {
			const char *close = memchr(p, *p == '(' ? ')' : *p == '<' ? '>' : ']',
						   (size_t)(end - p));

			p = close ? close + 1 : end;
		}
	}
}

/* The place that a line names, after its label: "f+0x1/0x2", "[<addr>]  [<addr>] f+0x1/0x2", "0xaddr" */
static void scan_place(const char *p, const char *end, struct regs *regs, struct text_frame *ret)
{
	struct text_frame frame;
	uint64_t address;
	const char *next;

	*ret = (struct text_frame){ .number = SNAPSHOT_NONE, .offset = SNAPSHOT_NONE };
	p = blanks(p, end);
	if (starts(p, end, "[<")) {
		next = scan_value(p, end, &address);
		next = next ? blanks(next, end) : NULL;
		/* 2.6 to 4.8 print it twice. */
		if (next && starts(next, end, "[<"))
			p = next;
	}
	/* ppc64: "NIP [c000000000123456] f+0x1/0x2" */
	if (p < end && *p == '[' && !starts(p, end, "[<")) {
		const char *close = memchr(p, ']', (size_t)(end - p));

		next = close ? scan_value(p + 1, close, &address) : NULL;
		if (next != close || !next)
			return;
		ret->address = address;
		regs_set(regs, REG_IP, address);
		if (text_frame_scan(close + 1, end, &frame)) {
			*ret = frame;
			ret->address = address;
		}
		return;
	}
	if (text_frame_scan(p, end, &frame)) {
		*ret = frame;
		if (frame.address)
			regs_set(regs, REG_IP, frame.address);
		return;
	}
	next = scan_value(p, end, &address);
	/* The first pages hold no code; a cut-off line may end inside the selector. */
	if (!next || address < 0x10000)
		return;
	ret->address = address;
	regs_set(regs, REG_IP, address);
	next = blanks(next, end);
	/* "RIP: 0010:[<addr>]  f+0x1/0x2" */
	if (text_frame_scan(next, end, &frame)) {
		*ret = frame;
		ret->address = address;
	}
}

struct place_label {
	const char *label;
	enum text_arch arch;
};

bool text_regs_scan(const char *p, const char *end, enum text_arch *arch, struct regs *regs,
		    struct text_regs_line *line)
{
	static const struct place_label labels[] = {
		{ "RIP: ", TEXT_ARCH_X86_64 },	  { "EIP: ", TEXT_ARCH_I386 },
		{ "EIP is at ", TEXT_ARCH_I386 }, { "pc : ", TEXT_ARCH_UNKNOWN },
		{ "PC is at ", TEXT_ARCH_UNKNOWN }, { "NIP [", TEXT_ARCH_PPC64 },
	};

	line->ip = false;
	/* Where the function would return to: the next frame tells it as well. */
	if (starts(p, end, "lr : ") || starts(p, end, "LR is at ") || starts(p, end, "LR ["))
		return true;
	if (p == end || !strchr("RECDFGPNMXLIOpsrxifSk", *p))
		return false;
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		const char *at;

		if (!starts(p, end, labels[i].label))
			continue;
		at = p + strlen(labels[i].label);
		if (labels[i].arch != TEXT_ARCH_UNKNOWN)
			*arch = labels[i].arch;
		if (*labels[i].label == 'N')
			at--;
		line->ip = true;
		line->user = false;
		/* The selector's two low bits are the privilege level. */
		if (end - at > 5 && at[4] == ':' && hex(at[3]) >= 0) {
			line->user = (hex(at[3]) & 3) == 3;
			at += 5;
		}
		scan_place(at, end, regs, &line->frame);
		/* "EIP: 0060:[<c1>] EFLAGS: 00010246 CPU: 0", "pc : [<c0>]  lr : [<c0>]  psr: 6" */
		at = memmem(at, (size_t)(end - at), "EFLAGS: ", 8);
		if (!at)
			at = memmem(p, (size_t)(end - p), "psr: ", 5);
		if (at)
			scan_pairs(at, end, arch, regs, line);
		return true;
	}
	return scan_pairs(p, end, arch, regs, line);
}

int text_regs_irqs_off(enum text_arch arch, const struct regs *regs)
{
	if (!regs_has(regs, REG_FLAGS))
		return -1;
	switch (arch) {
	case TEXT_ARCH_X86_64:
	case TEXT_ARCH_I386:
		return !(regs->v[REG_FLAGS] & 0x200);
	case TEXT_ARCH_ARM:
	case TEXT_ARCH_ARM64:
		return !!(regs->v[REG_FLAGS] & 0x80);
	case TEXT_ARCH_PPC64:
		return !(regs->v[REG_FLAGS] & 0x8000);
	case TEXT_ARCH_UNKNOWN:
		break;
	}
	return -1;
}
