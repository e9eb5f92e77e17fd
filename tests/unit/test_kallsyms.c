// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_image.h"
#include "fake_kallsyms.h"
#include "kernel/symbols.h"

#define BASE 0xffffffff81000000ULL
#define TABLES (BASE + 0x300000) /* where the tables are in the made-up image */
#define MANY 6001u

static struct msgs msgs;

static int setup(void **state)
{
	msgs_init(&msgs);
	return 0;
}

static int teardown(void **state)
{
	msgs_done(&msgs);
	return 0;
}

/* A long C++ or Rust name: more than 127 tokens, so that its length takes two bytes. */
#define LONG10 "abcdefghij"
#define LONG150                                                                                    \
	LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 \
		LONG10 LONG10

static const char small_text[] = "0 A fixed_percpu_data\n"
				 "0 A __per_cpu_start\n"
				 "1fb40 A runqueues\n"
				 "ffffffff81000000 T startup_64\n"
				 "ffffffff81000000 T _stext\n"
				 "ffffffff81000000 T _text\n"
				 "ffffffff81000040 t twin\n"
				 "ffffffff81000080 T __pfx_schedule\n"
				 "ffffffff81000090 T schedule\n"
				 "ffffffff81000200 T __softirqentry_text_start\n"
				 "ffffffff81000200 T __do_softirq\n"
				 "ffffffff81000300 W memcpy\n"
				 "ffffffff81000300 T __memcpy\n"
				 "ffffffff81000340 t " LONG150 "\n"
				 "ffffffff81000380 t twin\n"
				 "ffffffff810003c0 T twin_global\n"
				 "ffffffff810003f0 t twin_global\n"
				 "ffffffff81000400 T _raw_spin_lock_irqsave\n"
				 "ffffffff81000480 T _etext\n"
				 "ffffffff81000480 r __func__.0\n"
				 "ffffffff81000500 D jiffies\n"
				 "ffffffff81000600 B _end\n";

static struct fake_symbol small[64];

static uint32_t small_list(void)
{
	return fake_symbols_parse(small_text, small, 64);
}

static void expect_address(struct symbols *symbols, const char *name, uint64_t address)
{
	uint64_t a = 1;

	assert_int_equal(symbols_address_of(symbols, name, &a), 0);
	assert_int_equal(a, address);
}

static void expect_at(struct symbols *symbols, uint64_t va, const char *name, uint64_t offset,
		      uint64_t size)
{
	struct symbol symbol;

	assert_int_equal(symbols_at(symbols, va, &symbol), 0);
	assert_string_equal(symbol.name, name);
	assert_int_equal(va - symbol.address, offset);
	assert_int_equal(symbol.size, size);
	assert_null(symbol.module);
}

static void expect_small(struct symbols *symbols)
{
	uint64_t a = 77;
	struct symbol symbol;

	expect_address(symbols, "schedule", 0xffffffff81000090);
	expect_address(symbols, "_raw_spin_lock_irqsave", 0xffffffff81000400);
	expect_address(symbols, LONG150, 0xffffffff81000340);
	expect_address(symbols, "__per_cpu_start", 0);
	expect_address(symbols, "runqueues", 0x1fb40);
	expect_address(symbols, "_end", 0xffffffff81000600);
	/* The lowest of static namesakes, the global one where there is one. */
	expect_address(symbols, "twin", 0xffffffff81000040);
	expect_address(symbols, "twin_global", 0xffffffff810003c0);
	assert_int_equal(symbols_address_of(symbols, "schedul", &a), -ENOENT);
	assert_int_equal(symbols_address_of(symbols, "schedule_", &a), -ENOENT);
	assert_int_equal(symbols_address_of(symbols, "Tschedule", &a), -ENOENT);
	assert_int_equal(symbols_address_of(symbols, "", &a), -ENOENT);
	assert_int_equal(a, 77);

	expect_at(symbols, 0xffffffff81000095, "schedule", 5, 0x170);
	/* The function, not the linker script's mark before it. */
	expect_at(symbols, 0xffffffff81000200, "__do_softirq", 0, 0x100);
	expect_at(symbols, 0xffffffff81000000, "startup_64", 0, 0x40);
	/* Weak names come last. */
	expect_at(symbols, 0xffffffff8100033f, "__memcpy", 0x3f, 0x40);
	expect_at(symbols, 0xffffffff81000379, LONG150, 0x39, 0x40);
	expect_at(symbols, 0xffffffff81000501, "jiffies", 1, 0x100);
	expect_at(symbols, 0xffffffff81000600, "_end", 0, 0);
	assert_int_equal(symbols_at(symbols, 0xffffffff81000601, &symbol), -ENOENT);
	/* Per-CPU offsets are no neighbours of what lies below the kernel. */
	assert_int_equal(symbols_at(symbols, 0xffffffff80ffffff, &symbol), -ENOENT);
	expect_at(symbols, 0x1fb3f, "fixed_percpu_data", 0x1fb3f, 0x1fb40);
	expect_at(symbols, 0x1fb40, "runqueues", 0, 0);
	assert_int_equal(symbols_at(symbols, 0x1fb41, &symbol), -ENOENT);
	assert_int_equal(symbols_at(symbols, 0x7fff12345678, &symbol), -ENOENT);
	assert_int_equal(symbols->text_start, 0xffffffff81000000);
	assert_int_equal(symbols->text_end, 0xffffffff81000480);
}

static void load_small(const struct fake_kallsyms *form)
{
	struct fake_image image = fake_image_make(TABLES, 1 << 16);
	struct reader reader = fake_image_reader(&image);
	struct kallsyms_addresses at;
	struct symbols *symbols;
	uint32_t n = small_list();

	assert_int_equal(n, 22);
	fake_put_kallsyms(&image, TABLES + 0x40, form, small, n, &at);
	assert_int_equal(kallsyms_load(&reader, &msgs, &at, &symbols), 0);
	assert_int_equal(symbols->n, n);
	expect_small(symbols);
	assert_int_equal(msgs.n, 0);
	symbols_free(symbols);
	free(image.data);
}

static void test_absolute_percpu(void **state)
{
	load_small(&(struct fake_kallsyms){ .absolute_percpu = true, .relative_base = BASE });
}

static void test_absolute_percpu_offsets_last(void **state)
{
	load_small(&(struct fake_kallsyms){
		.absolute_percpu = true, .offsets_last = true, .relative_base = BASE });
}

static void test_absolute(void **state)
{
	load_small(&(struct fake_kallsyms){ .absolute = true });
}

/* 6.15 on: no per-CPU symbols at 0, every offset counts from the base. */
static void test_plain_offsets(void **state)
{
	struct fake_kallsyms form = { .offsets_last = true, .relative_base = BASE };
	struct fake_image image = fake_image_make(TABLES, 1 << 16);
	struct reader reader = fake_image_reader(&image);
	struct kallsyms_addresses at;
	struct symbols *symbols;
	uint32_t n = small_list();

	fake_put_kallsyms(&image, TABLES, &form, small + 3, n - 3, &at);
	assert_int_equal(kallsyms_load(&reader, &msgs, &at, &symbols), 0);
	assert_int_equal(symbols->n, n - 3);
	expect_address(symbols, "jiffies", 0xffffffff81000500);
	expect_at(symbols, 0xffffffff81000095, "schedule", 5, 0x170);
	symbols_free(symbols);
	free(image.data);
}

static void test_no_addresses(void **state)
{
	struct fake_image image = fake_image_make(TABLES, 4096);
	struct reader reader = fake_image_reader(&image);
	struct kallsyms_addresses at = { .names = TABLES, .num_syms = TABLES };
	struct symbols *symbols = (void *)1;

	assert_int_equal(kallsyms_load(&reader, &msgs, &at, &symbols), -ENOENT);
	assert_ptr_equal(symbols, (void *)1);
	free(image.data);
}

/* Each byte of the tables set to each of a few values: loads or refuses, stays inside. */
static void test_damaged_bytes(void **state)
{
	struct fake_kallsyms form = { .absolute_percpu = true, .relative_base = BASE };
	struct fake_image image = fake_image_make(TABLES, 1 << 14);
	struct reader reader = fake_image_reader(&image);
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct kallsyms_addresses at;
	uint32_t n = small_list();
	uint64_t end = fake_put_kallsyms(&image, TABLES, &form, small, n, &at);
	unsigned int loaded = 0, refused = 0;

	for (size_t i = 0; i < end - TABLES; i++) {
		for (size_t v = 0; v < sizeof(values); v++) {
			uint8_t old = image.data[i];
			struct symbols *symbols;
			struct symbol symbol;
			uint64_t address;
			int r;

			image.data[i] = values[v];
			r = kallsyms_load(&reader, &msgs, &at, &symbols);
			image.data[i] = old;
			if (r < 0) {
				refused++;
				continue;
			}
			loaded++;
			assert_true(symbols->n > 0 && symbols->n <= n);
			(void)symbols_address_of(symbols, "schedule", &address);
			for (uint32_t s = 0; s < symbols->n; s++)
				(void)symbols_at(symbols, symbols->address[s], &symbol);
			symbols_free(symbols);
		}
	}
	assert_true(loaded > 0 && refused > 0);
	free(image.data);
}

/* A dump that ends inside the names keeps the symbols before. */
static void test_cut_names(void **state)
{
	struct fake_kallsyms form = { .absolute_percpu = true, .relative_base = BASE };
	struct fake_image image = fake_image_make(TABLES, 1 << 20);
	struct reader reader = fake_image_reader(&image);
	static struct fake_symbol many[MANY];
	struct kallsyms_addresses at;
	struct symbols *symbols;

	for (uint32_t i = 0; i < MANY; i++) {
		many[i].address = BASE + 16 * i;
		snprintf(many[i].text, sizeof(many[i].text), "tfunction_%u", i);
	}
	fake_put_kallsyms(&image, TABLES, &form, many, MANY, &at);
	image.hole = (at.names + 3 * 4096) & ~4095ULL;
	image.hole_end = image.hole + 1;
	assert_int_equal(kallsyms_load(&reader, &msgs, &at, &symbols), 0);
	assert_true(symbols->n > 1000 && symbols->n < MANY);
	expect_address(symbols, "function_1000", BASE + 16000);
	assert_int_equal(msgs.n, 1);
	assert_non_null(strstr(msgs.lines[0], "of 6001 symbols are whole"));
	symbols_free(symbols);
	/* Nothing at all of the token table: nothing can be said. */
	image.hole = at.token_table;
	image.hole_end = at.token_table + 1;
	assert_int_equal(kallsyms_load(&reader, &msgs, &at, &symbols), -ENODATA);
	free(image.data);
}

static void test_unsorted(void **state)
{
	struct fake_kallsyms form = { .absolute_percpu = true, .relative_base = BASE };
	struct fake_image image = fake_image_make(TABLES, 1 << 16);
	struct reader reader = fake_image_reader(&image);
	struct kallsyms_addresses at;
	struct symbols *symbols;
	uint32_t n = small_list();

	small[8].address = 0xffffffff81000700;
	fake_put_kallsyms(&image, TABLES, &form, small, n, &at);
	assert_int_equal(kallsyms_load(&reader, &msgs, &at, &symbols), -EBADMSG);
	assert_int_equal(msgs.n, 1);
	free(image.data);
}

/* An image of noise, with the tables somewhere inside. */
static void find_many(const struct fake_kallsyms *form, uint32_t n, uint64_t tables)
{
	struct fake_image image = fake_image_make(BASE, 4 << 20);
	struct reader reader = fake_image_reader(&image);
	struct fake_symbol *many = calloc(n, sizeof(*many));
	struct kallsyms_addresses at, found;
	uint64_t seed = 12345;
	int r;

	assert_non_null(many);
	for (size_t i = 0; i < image.size; i += 8) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(image.data + i, &seed, 8);
	}
	memset(image.data + (tables - BASE), 0, 1 << 19);
	for (uint32_t i = 0; i < n; i++) {
		bool percpu = form->absolute_percpu && i < 300;

		many[i].address = percpu ? i * 64 : BASE + 32 * i - (i % 7 == 0) * 32;
		snprintf(many[i].text, sizeof(many[i].text), "%cfunction_tree_%u",
			 percpu ? 'A' : 't', i);
	}
	many[300].address = BASE;
	fake_put_kallsyms(&image, tables, form, many, n, &at);
	r = kallsyms_find(&reader, BASE, BASE + image.size, &found);
	assert_int_equal(r, 0);
	assert_memory_equal(&found, &at, sizeof(at));
	/* A search that reads everything is as slow as the image is large. */
	assert_true(image.bytes_read < image.size / 2);
	/* One wrong marker: these are not the tables. */
	image.data[at.token_table - 16 - BASE] ^= 1;
	if (!form->seqs && n % 2)
		assert_int_equal(kallsyms_find(&reader, BASE, BASE + image.size, &found), -ENOENT);
	free(many);
	free(image.data);
}

static void test_find_offsets_first(void **state)
{
	struct fake_kallsyms form = { .absolute_percpu = true, .relative_base = BASE };

	find_many(&form, 20000, BASE + 0x285678);
}

static void test_find_variants(void **state)
{
	/* Odd and even numbers differ in padding, 256's multiples in markers. */
	static const uint32_t counts[] = { 20000, 20001, 19968, 19969 };

	for (size_t i = 0; i < 4; i++) {
		for (unsigned int bits = 0; bits < 8; bits++) {
			struct fake_kallsyms form = {
				.absolute_percpu = bits & 1,
				.offsets_last = bits & 2,
				.seqs = bits & 4,
				.relative_base = BASE,
			};

			/* seqs moved behind the offsets with the new order. */
			if (form.seqs && form.offsets_last)
				continue;
			find_many(&form, counts[i], BASE + 0x285000 + 8 * (uint64_t)bits);
		}
	}
}

static void test_find_nothing(void **state)
{
	struct fake_image image = fake_image_make(BASE, 4 << 20);
	struct reader reader = fake_image_reader(&image);
	struct kallsyms_addresses at;

	assert_int_equal(kallsyms_find(&reader, BASE, BASE + image.size, &at), -ENOENT);
	/* Numbers in order alone do not make it. */
	for (uint32_t i = 0; i < image.size / 4; i++)
		memcpy(image.data + i * 4, &i, 4);
	assert_int_equal(kallsyms_find(&reader, BASE, BASE + image.size, &at), -ENOENT);
	free(image.data);
}

static void test_table(void **state)
{
	static const struct symbol_entry entries[] = {
		{ "_etext", 0xffffffff81000200, 0, 'T' },
		{ "worker", 0xffffffff81000100, 0, 't' },
		{ ".Lloop", 0xffffffff81000110, 0, 't' },
		{ "$x", 0xffffffff81000110, 0, 't' },
		{ "", 0xffffffff81000110, 0, 't' },
		{ "_stext", 0xffffffff81000000, 0, 'T' },
		{ "undefined", 0xffffffff81000120, 0, 'U' },
		{ "start", 0xffffffff81000000, 0, 'T' },
		{ "_end", 0xffffffff81000300, 0, 'B' },
	};
	struct symbols *symbols;

	assert_int_equal(symbols_from_table(entries, 9, &symbols), 0);
	assert_int_equal(symbols->n, 5);
	expect_at(symbols, 0xffffffff81000155, "worker", 0x55, 0x100);
	expect_at(symbols, 0xffffffff81000004, "start", 4, 0x100);
	expect_address(symbols, "worker", 0xffffffff81000100);
	symbols_free(symbols);
	assert_int_equal(symbols_from_table(entries + 2, 3, &symbols), -ENOENT);
}

static void test_rank(void **state)
{
	assert_true(symbol_name_rank("schedule", 't', true) <
		    symbol_name_rank("__schedule", 'T', true));
	assert_true(symbol_name_rank("__do_softirq", 'T', true) <
		    symbol_name_rank("__softirqentry_text_start", 'T', true));
	assert_true(symbol_name_rank("____weird", 'T', true) <
		    symbol_name_rank("plain", 'W', true));
	assert_true(symbol_name_rank("x", 'W', true) < symbol_name_rank("x", 'd', true));
	assert_true(symbol_name_rank("x", 'd', true) < symbol_name_rank("__pfx_x", 't', true));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_absolute_percpu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absolute_percpu_offsets_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absolute, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsorted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_offsets_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_variants, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rank, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
