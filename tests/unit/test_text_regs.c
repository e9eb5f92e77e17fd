// SPDX-License-Identifier: GPL-2.0-or-later
/* Register dumps of five architectures, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "snapshot.h"
#include "source/text_regs.h"

struct dump {
	enum text_arch arch;
	struct regs regs;
	struct text_regs_line line;
	char place[64];
	bool user;
};

static bool dump_line(struct dump *d, const char *text)
{
	if (!text_regs_scan(text, text + strlen(text), &d->arch, &d->regs, &d->line))
		return false;
	if (d->line.ip && d->line.frame.function.p) {
		assert_true(d->line.frame.function.n < sizeof(d->place));
		memcpy(d->place, d->line.frame.function.p, d->line.frame.function.n);
		d->place[d->line.frame.function.n] = '\0';
	}
	d->user |= d->line.ip && d->line.user;
	return true;
}

static void check(const struct dump *d, unsigned int reg, uint64_t want)
{
	if (!regs_has(&d->regs, reg) || d->regs.v[reg] != want)
		fail_msg("register %u: known %d, 0x%llx", reg, regs_has(&d->regs, reg),
			 (unsigned long long)d->regs.v[reg]);
}

static void test_x86_64(void **state)
{
	struct dump d = { 0 };

	assert_true(dump_line(&d, "RIP: 0010:ring_walk+0x1d/0x40 [ring]"));
	assert_string_equal(d.place, "ring_walk");
	assert_int_equal(d.line.frame.offset, 0x1d);
	assert_true(dump_line(&d, "RSP: 0018:ffffc90000123e40 EFLAGS: 00000246 ORIG_RAX: ffffffffffffff13"));
	assert_true(dump_line(&d, "RAX: 0000000000000001 RBX: ffff888001002003 RCX: 0000000000000000"));
	assert_true(dump_line(&d, "R10: ffff888001002010 R11: 0000000000000011 R12: ffff888001002012"));
	assert_true(dump_line(&d, "CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033"));
	check(&d, REG_SP, 0xffffc90000123e40);
	check(&d, REG_FLAGS, 0x246);
	check(&d, REG_X86_RBX, 0xffff888001002003);
	check(&d, REG_X86_R12, 0xffff888001002012);
	assert_false(regs_has(&d.regs, REG_X86_R13));
	assert_int_equal(d.arch, TEXT_ARCH_X86_64);
	assert_int_equal(text_regs_irqs_off(d.arch, &d.regs), 0);
	assert_false(d.user);
	assert_true(dump_line(&d, "RIP: 0033:0x7f0011223344"));
	assert_true(d.user);
}

static void test_x86_64_old(void **state)
{
	struct dump d = { 0 };

	assert_true(dump_line(&d, "RIP: 0010:[<ffffffff81234567>]  [<ffffffff81234567>] ring_walk+0x67/0x90"));
	assert_string_equal(d.place, "ring_walk");
	check(&d, REG_IP, 0xffffffff81234567);
	assert_true(dump_line(&d, "RSP: 0018:ffff880012345678  EFLAGS: 00000002"));
	assert_int_equal(text_regs_irqs_off(d.arch, &d.regs), 1);
}

static void test_i386(void **state)
{
	struct dump d = { 0 };

	assert_true(dump_line(&d, "EIP: 0060:[<c1234567>] EFLAGS: 00010046 CPU: 0"));
	assert_true(dump_line(&d, "EIP is at ring_walk+0x7/0x20 [ring]"));
	assert_string_equal(d.place, "ring_walk");
	assert_true(dump_line(&d, "EAX: c1234000 EBX: f6001234 ECX: 00000000 EDX: 00000001"));
	assert_true(dump_line(&d, "ESI: f6000001 EDI: f6000002 EBP: f6000003 ESP: f6000004"));
	check(&d, REG_X86_RBX, 0xf6001234);
	check(&d, REG_SP, 0xf6000004);
	assert_int_equal(d.arch, TEXT_ARCH_I386);
	assert_int_equal(text_regs_irqs_off(d.arch, &d.regs), 1);
}

static void test_arm64(void **state)
{
	struct dump d = { 0 };

	assert_true(dump_line(&d, "pstate: 604000c5 (nZCv daIF +PAN -UAO -TCO BTYPE=--)"));
	assert_true(dump_line(&d, "pc : ring_walk+0x1c/0x40 [ring]"));
	assert_string_equal(d.place, "ring_walk");
	assert_true(dump_line(&d, "lr : ring_open+0x20/0x60"));
	assert_true(dump_line(&d, "sp : ffff800012345670"));
	assert_true(dump_line(&d, "x29: ffff800012345670 x28: ffff000001002028 x27: 0000000000000000"));
	assert_true(dump_line(&d, "x2 : 0000000000000002 x1 : ffff000001002001 x0 : ffff000001002000"));
	check(&d, REG_GP + 0, 0xffff000001002000);
	check(&d, REG_GP + 28, 0xffff000001002028);
	check(&d, REG_SP, 0xffff800012345670);
	assert_int_equal(d.arch, TEXT_ARCH_ARM64);
	assert_int_equal(text_regs_irqs_off(d.arch, &d.regs), 1);
}

static void test_arm(void **state)
{
	struct dump d = { 0 };

	assert_true(dump_line(&d, "PC is at ring_walk+0x1c/0x40"));
	assert_string_equal(d.place, "ring_walk");
	assert_true(dump_line(&d, "pc : [<c0123456>]    lr : [<c0234567>]    psr: 60000093"));
	assert_true(dump_line(&d, "sp : c1234560  ip : c1234570  fp : c1234580"));
	assert_true(dump_line(&d, "r10: c000000a  r9 : c0000009  r8 : c0000008"));
	assert_true(dump_line(&d, "r3 : c0000003  r2 : c0000002  r1 : c0000001  r0 : c0000000"));
	check(&d, REG_GP + 10, 0xc000000a);
	check(&d, REG_GP + 0, 0xc0000000);
	check(&d, REG_SP, 0xc1234560);
	assert_int_equal(d.arch, TEXT_ARCH_ARM);
	assert_int_equal(text_regs_irqs_off(d.arch, &d.regs), 1);
}

static void test_ppc64(void **state)
{
	struct dump d = { 0 };

	assert_true(dump_line(&d, "NIP:  c000000000123456 LR: c000000000234567 CTR: 0000000000000000"));
	assert_true(dump_line(&d, "REGS: c000000fff123450 TRAP: 0901   Not tainted  (5.4.0)"));
	assert_true(dump_line(&d, "MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 28002824  XER: 00000000"));
	assert_true(dump_line(&d, "GPR00: c000000000000100 c000000000000101 c000000000000102 c000000000000103 "));
	assert_true(dump_line(&d, "GPR04: c000000000000104 c000000000000105 c000000000000106 c000000000000107 "));
	assert_true(dump_line(&d, "NIP [c000000000123456] ring_walk+0x26/0x80"));
	assert_string_equal(d.place, "ring_walk");
	check(&d, REG_GP + 3, 0xc000000000000103);
	check(&d, REG_GP + 7, 0xc000000000000107);
	check(&d, REG_IP, 0xc000000000123456);
	assert_int_equal(d.arch, TEXT_ARCH_PPC64);
	assert_int_equal(text_regs_irqs_off(d.arch, &d.regs), 0);
}

/* Lines of other kinds are left alone, and so is the set. */
static void test_none(void **state)
{
	static const char *const lines[] = {
		"Code: 48 89 e5 <48> 8b", "Call Trace:", "ring_walk+0x1/0x2", "RIX: 0000000000000001",
		"Modules linked in: a b", "PC", "RAX:", "RAX: zzzz", "x31: 0000000000000000",
		"r13: 00000000", "GPR32: 0000000000000000", "sp", "", "RSI",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct dump d = { 0 };

		if (dump_line(&d, lines[i]) || d.regs.known)
			fail_msg("\"%s\" was taken for registers", lines[i]);
	}
}

static void test_truncated(void **state)
{
	static const char *const lines[] = {
		"RIP: 0010:[<ffffffff81234567>]  [<ffffffff81234567>] ring_walk+0x67/0x90",
		"RSP: 0018:ffffc90000123e40 EFLAGS: 00000246 ORIG_RAX: ffffffffffffff13",
		"MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 28002824  XER: 00000000",
		"pc : [<c0123456>]    lr : [<c0234567>]    psr: 60000093",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		for (size_t n = 0; n <= strlen(lines[i]); n++) {
			char *copy = test_malloc(n + 1);
			struct dump d = { 0 };

			memcpy(copy, lines[i], n);
			copy[n] = 'F'; /* may not be read */
			text_regs_scan(copy, copy + n, &d.arch, &d.regs, &d.line);
			/* A part of an address is none. */
			if (regs_has(&d.regs, REG_IP) && d.regs.v[REG_IP] != 0xffffffff81234567 &&
			    d.regs.v[REG_IP] != 0xc0123456)
				fail_msg("0x%llx", (unsigned long long)d.regs.v[REG_IP]);
			test_free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86_64), cmocka_unit_test(test_x86_64_old),
		cmocka_unit_test(test_i386),   cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_arm),    cmocka_unit_test(test_ppc64),
		cmocka_unit_test(test_none),   cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
