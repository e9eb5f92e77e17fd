// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_unwind.h"

static struct orc_entry decode(enum orc_format format, uint8_t flags_low, uint8_t flags_high)
{
	const uint8_t raw[ORC_ENTRY_SIZE] = { 0x10, 0x00, 0xf0, 0xff, flags_low, flags_high };
	struct orc_entry e;

	orc_entry_decode(format, raw, &e);
	return e;
}

/* Bit layouts by hand from the kernel's struct orc_entry of each era. */
static void test_decode_offsets(void **state)
{
	struct orc_entry e = decode(ORC_FORMAT_6_4, ORC_REG_SP | ORC_REG_PREV_SP << 4, 2);

	assert_int_equal(e.sp_offset, 16);
	assert_int_equal(e.bp_offset, -16);
	assert_int_equal(e.sp_reg, ORC_REG_SP);
	assert_int_equal(e.bp_reg, ORC_REG_PREV_SP);
	assert_int_equal(e.type, ORC_TYPE_CALL);
	assert_false(e.signal);
}

static void test_decode_4_14(void **state)
{
	assert_int_equal(decode(ORC_FORMAT_4_14, ORC_REG_SP, 0).type, ORC_TYPE_CALL);
	assert_int_equal(decode(ORC_FORMAT_4_14, ORC_REG_SP, 1).type, ORC_TYPE_REGS);
	assert_int_equal(decode(ORC_FORMAT_4_14, ORC_REG_SP, 2).type, ORC_TYPE_REGS_PARTIAL);
	assert_true(decode(ORC_FORMAT_4_14, ORC_REG_SP, 1).signal);
	/* No "end" yet: an undefined SP is the end. */
	assert_int_equal(decode(ORC_FORMAT_4_14, ORC_REG_UNDEFINED, 0).type,
			 ORC_TYPE_END_OF_STACK);
}

static void test_decode_4_18(void **state)
{
	assert_int_equal(decode(ORC_FORMAT_4_18, ORC_REG_UNDEFINED, 0).type, ORC_TYPE_UNDEFINED);
	assert_int_equal(decode(ORC_FORMAT_4_18, ORC_REG_UNDEFINED, 4).type,
			 ORC_TYPE_END_OF_STACK);
	assert_int_equal(decode(ORC_FORMAT_4_18, ORC_REG_SP, 1).type, ORC_TYPE_REGS);
	assert_true(decode(ORC_FORMAT_4_18, ORC_REG_SP, 2).signal);
	assert_false(decode(ORC_FORMAT_4_18, ORC_REG_SP, 0).signal);
}

static void test_decode_6_3(void **state)
{
	struct orc_entry e = decode(ORC_FORMAT_6_3, ORC_REG_SP, 1 | 4);

	assert_int_equal(e.type, ORC_TYPE_REGS);
	assert_true(e.signal);
	/* Registers of ret_from_fork(): no signal. */
	e = decode(ORC_FORMAT_6_3, ORC_REG_SP, 1);
	assert_int_equal(e.type, ORC_TYPE_REGS);
	assert_false(e.signal);
	assert_int_equal(decode(ORC_FORMAT_6_3, ORC_REG_UNDEFINED, 8).type, ORC_TYPE_END_OF_STACK);
	assert_int_equal(decode(ORC_FORMAT_6_3, ORC_REG_UNDEFINED, 0).type, ORC_TYPE_UNDEFINED);
}

static void test_decode_6_4(void **state)
{
	assert_int_equal(decode(ORC_FORMAT_6_4, 0, 0).type, ORC_TYPE_UNDEFINED);
	assert_int_equal(decode(ORC_FORMAT_6_4, 0, 1).type, ORC_TYPE_END_OF_STACK);
	assert_int_equal(decode(ORC_FORMAT_6_4, ORC_REG_SP, 3 | 8).type, ORC_TYPE_REGS);
	assert_true(decode(ORC_FORMAT_6_4, ORC_REG_SP, 3 | 8).signal);
	assert_int_equal(decode(ORC_FORMAT_6_4, ORC_REG_SP, 4).type, ORC_TYPE_REGS_PARTIAL);
	assert_false(decode(ORC_FORMAT_6_4, ORC_REG_SP, 4).signal);
}

static struct orc *build(void)
{
	struct orc *orc;

	fu_orc_write();
	assert_int_equal(orc_new(&fu.kernel, &orc), 0);
	return orc;
}

static int16_t offset_at(struct orc *orc, uint64_t pc)
{
	struct orc_entry e;

	assert_int_equal(orc_find(orc, pc, &e), 0);
	return e.sp_offset;
}

static void test_format_by_release(void **state)
{
	static const struct {
		const char *release;
		enum orc_format format;
	} cases[] = {
		{ "4.14.336", ORC_FORMAT_4_14 }, { "4.19.0-27-amd64", ORC_FORMAT_4_18 },
		{ "6.2.0", ORC_FORMAT_4_18 },	 { "6.3.13", ORC_FORMAT_6_3 },
		{ "6.4.0", ORC_FORMAT_6_4 },	 { "6.12.9-amd64", ORC_FORMAT_6_4 },
		{ "7.0.0", ORC_FORMAT_6_4 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct orc_entry e;
		struct orc *orc;

		fu_init(cases[i].format, cases[i].release);
		fu.kernel.types = NULL;
		fu_orc(FU_TEXT, ORC_REG_SP, 40, 0, 0, ORC_TYPE_REGS_PARTIAL);
		fu_orc(FU_TEXT + 0x100, 0, 0, 0, 0, ORC_TYPE_END_OF_STACK);
		orc = build();
		assert_int_equal(orc_find(orc, FU_TEXT + 8, &e), 0);
		assert_int_equal(e.type, ORC_TYPE_REGS_PARTIAL);
		assert_true(e.signal);
		assert_int_equal(orc_find(orc, FU_TEXT + 0x108, &e), 0);
		assert_int_equal(e.type, ORC_TYPE_END_OF_STACK);
		orc_free(orc);
		fu_done();
	}
}

/* A distribution's 5.14 with 6.4's tables: the types in the dump tell. */
static void test_format_by_types(void **state)
{
	struct orc_entry e;
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "5.14.0-503.el9.x86_64");
	fu.members[fu.n_members++] = (struct fu_member){ "orc_entry", "type", 4, 4, 3 };
	fu.members[fu.n_members++] = (struct fu_member){ "orc_entry", "signal", 4, 4, 1 };
	fu_orc(FU_TEXT, ORC_REG_SP, 8, 0, 0, ORC_TYPE_REGS);
	orc = build();
	assert_int_equal(orc_find(orc, FU_TEXT, &e), 0);
	assert_int_equal(e.type, ORC_TYPE_REGS);
	orc_free(orc);
	fu_done();

	fu_init(ORC_FORMAT_6_3, "6.2.0-backport");
	fu.members[fu.n_members++] = (struct fu_member){ "orc_entry", "type", 4, 4, 2 };
	fu.members[fu.n_members++] = (struct fu_member){ "orc_entry", "signal", 4, 4, 1 };
	fu_orc(FU_TEXT, 0, 0, 0, 0, ORC_TYPE_END_OF_STACK);
	orc = build();
	assert_int_equal(orc_find(orc, FU_TEXT, &e), 0);
	assert_int_equal(e.type, ORC_TYPE_END_OF_STACK);
	orc_free(orc);
	fu_done();
}

static void add_many(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fu_orc(FU_TEXT + 16 * i, ORC_REG_SP, (int16_t)(8 * i), 0, 0, ORC_TYPE_CALL);
}

static void test_find(void **state)
{
	struct orc_entry e;
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "6.12.0");
	add_many(200);
	orc = build();
	for (unsigned int i = 0; i < 200; i++) {
		assert_int_equal(offset_at(orc, FU_TEXT + 16 * i), 8 * i);
		assert_int_equal(offset_at(orc, FU_TEXT + 16 * i + 15), 8 * i);
	}
	/* The last entry reaches to the end of the text; nothing is outside. */
	assert_int_equal(offset_at(orc, FU_TEXT + FU_TEXT_SIZE - 1), 8 * 199);
	assert_int_equal(orc_find(orc, FU_TEXT - 1, &e), -ENOENT);
	assert_int_equal(orc_find(orc, FU_TEXT + FU_TEXT_SIZE, &e), -ENOENT);
	assert_int_equal(orc_find(orc, 0, &e), -ENOENT);
	orc_free(orc);
	fu_done();
}

/* Of two entries at one address the last is meant: the first only ends a section. */
static void test_find_terminator(void **state)
{
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "6.12.0");
	fu_orc(FU_TEXT, ORC_REG_SP, 8, 0, 0, ORC_TYPE_CALL);
	fu_orc(FU_TEXT + 0x40, 0, 0, 0, 0, ORC_TYPE_UNDEFINED);
	fu_orc(FU_TEXT + 0x40, ORC_REG_SP, 24, 0, 0, ORC_TYPE_CALL);
	orc = build();
	assert_int_equal(offset_at(orc, FU_TEXT + 0x3f), 8);
	assert_int_equal(offset_at(orc, FU_TEXT + 0x40), 24);
	orc_free(orc);
	fu_done();
}

/* orc_lookup empty (early boot) or damaged: the whole table is searched. */
static void test_find_without_lookup(void **state)
{
	static const uint32_t damage[] = { 0, 0xffffffff, 100000, 7 };

	for (size_t d = 0; d < sizeof(damage) / sizeof(damage[0]); d++) {
		struct orc *orc;

		fu_init(ORC_FORMAT_6_4, "6.12.0");
		add_many(200);
		orc = build();
		for (unsigned int i = 0; i <= FU_TEXT_SIZE / 256; i++)
			fu_put(FU_LOOKUP + 4 * i, &damage[d], 4);
		for (unsigned int i = 0; i < 200; i += 13)
			assert_int_equal(offset_at(orc, FU_TEXT + 16 * i + 3), 8 * i);
		orc_free(orc);
		fu_done();
	}
}

static void test_find_module(void **state)
{
	struct orc_entry e;
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "6.12.0");
	fu_orc(FU_TEXT, ORC_REG_SP, 8, 0, 0, ORC_TYPE_CALL);
	fu_orc(FU_MODULE + 0x10, ORC_REG_SP, 48, 0, 0, ORC_TYPE_CALL);
	fu_orc(FU_MODULE + 0x80, ORC_REG_BP, 16, 0, 0, ORC_TYPE_CALL);
	orc = build();
	assert_int_equal(offset_at(orc, FU_MODULE + 0x20), 48);
	assert_int_equal(offset_at(orc, FU_MODULE + 0x1000), 16);
	/* Before the module's first entry. */
	assert_int_equal(orc_find(orc, FU_MODULE, &e), -ENOENT);
	/* A module without tables, or with a nonsensical one. */
	fu.module.n_orc = 0;
	assert_int_equal(orc_find(orc, FU_MODULE + 0x20, &e), -ENOENT);
	fu.module.n_orc = 2;
	fu.module.orc = 0x1234;
	assert_int_equal(orc_find(orc, FU_MODULE + 0x20, &e), -ENOENT);
	fu.module.orc = FU_MODULE_ORC;
	fu.module.orc_ip = 0xffffc90000000000ULL; /* not in the dump */
	assert_int_equal(orc_find(orc, FU_MODULE + 0x20, &e), -EFAULT);
	orc_free(orc);
	fu_done();
}

static void test_init_text(void **state)
{
	struct orc_entry e;
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "6.12.0");
	fu_orc(FU_TEXT, ORC_REG_SP, 8, 0, 0, ORC_TYPE_CALL);
	fu_orc(FU_TEXT + 0x100000, ORC_REG_SP, 72, 0, 0, ORC_TYPE_CALL);
	fu_symbol("_sinittext", FU_TEXT + 0x100000, 0);
	fu_symbol("_einittext", FU_TEXT + 0x101000, 0);
	orc = build();
	assert_int_equal(offset_at(orc, FU_TEXT + 0x100040), 72);
	assert_int_equal(orc_find(orc, FU_TEXT + 0x101000, &e), -ENOENT);
	orc_free(orc);
	fu_done();
}

static void test_bad_entries(void **state)
{
	uint8_t raw[ORC_ENTRY_SIZE] = { 8, 0, 0, 0, 15, 2 }; /* base register 15 */
	struct orc_entry e;
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "6.12.0");
	fu_orc(FU_TEXT, ORC_REG_SP, 8, 0, 0, ORC_TYPE_CALL);
	orc = build();
	fu_put(FU_ORC, raw, sizeof(raw));
	assert_int_equal(orc_find(orc, FU_TEXT, &e), -EBADMSG);
	raw[4] = ORC_REG_SP;
	raw[5] = 7; /* type 7 */
	fu_put(FU_ORC, raw, sizeof(raw));
	assert_int_equal(orc_find(orc, FU_TEXT, &e), -EBADMSG);
	orc_free(orc);
	fu_done();
}

static void test_no_tables(void **state)
{
	struct orc_entry e;
	struct orc *orc;

	fu_init(ORC_FORMAT_6_4, "6.12.0");
	assert_int_equal(orc_new(&fu.kernel, &orc), 0);
	assert_false(orc_available(orc));
	assert_int_equal(orc_find(orc, FU_TEXT, &e), -ENOENT);
	orc_free(orc);
	/* Symbols the wrong way round. */
	fu_symbol("__start_orc_unwind_ip", FU_ORC_IP + 8, 0);
	fu_symbol("__stop_orc_unwind_ip", FU_ORC_IP, 0);
	fu_symbol("__start_orc_unwind", FU_ORC, 0);
	assert_int_equal(orc_new(&fu.kernel, &orc), 0);
	assert_false(orc_available(orc));
	assert_int_equal(fu.msgs.n, 1);
	orc_free(orc);
	orc_free(NULL);
	fu_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_offsets),
		cmocka_unit_test(test_decode_4_14),
		cmocka_unit_test(test_decode_4_18),
		cmocka_unit_test(test_decode_6_3),
		cmocka_unit_test(test_decode_6_4),
		cmocka_unit_test(test_format_by_release),
		cmocka_unit_test(test_format_by_types),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_terminator),
		cmocka_unit_test(test_find_without_lookup),
		cmocka_unit_test(test_find_module),
		cmocka_unit_test(test_init_text),
		cmocka_unit_test(test_bad_entries),
		cmocka_unit_test(test_no_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
