// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "kernel/internal.h"
#include "kernel/types.h"

/*
 * The types of the tests, as C:
 *
 *   typedef struct spinlock { unsigned int word; } spinlock_t;
 *   struct list_head { struct list_head *next, *prev; };
 *   struct entity { u64 start; const volatile u64 sum; };
 *   enum state { STATE_A = 3, STATE_B = -1 };  enum big : u64 { BIG = 1ULL << 40 };
 *   struct task {
 *           int pid;                                     // 0
 *           unsigned int on : 3, off : 9;                // bits 32, 35
 *           struct { u64 hidden; union { u64 left; int right; }; };  // 8, 16
 *           struct entity se;                            // 24
 *           u64 slots[4];                                // 40
 *           struct entity se_of[2];                      // 72
 *           spinlock_t lock;                             // 104
 *           struct list_head list;                       // 112
 *           char tail[];                                 // 128
 *   };
 *   struct pair { int a; };  struct pair { int a; int b; };
 *   void use_task(struct task *task, spinlock_t *lock, int n);
 */
static struct btf *make_btf(void)
{
	struct btf *btf = btf__new_empty();
	int u32, u64, i32, ch, spinlock, spinlock_t_, list, entity, cv, anon_union, anon, task,
		slots;
	int entities, tail, proto, p;

	assert_non_null(btf);
	u32 = btf__add_int(btf, "unsigned int", 4, 0);
	u64 = btf__add_int(btf, "long unsigned int", 8, 0);
	i32 = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	ch = btf__add_int(btf, "char", 1, BTF_INT_SIGNED);
	spinlock = btf__add_struct(btf, "spinlock", 4);
	btf__add_field(btf, "word", u32, 0, 0);
	spinlock_t_ = btf__add_typedef(btf, "spinlock_t", spinlock);
	list = btf__add_struct(btf, "list_head", 16);
	btf__add_field(btf, "next", list + 1, 0, 0);
	btf__add_field(btf, "prev", list + 1, 64, 0);
	assert_int_equal(btf__add_ptr(btf, list), list + 1);
	cv = btf__add_volatile(btf, u64);
	cv = btf__add_const(btf, cv);
	entity = btf__add_struct(btf, "entity", 16);
	btf__add_field(btf, "start", u64, 0, 0);
	btf__add_field(btf, "sum", cv, 64, 0);
	btf__add_enum(btf, "state", 4);
	btf__add_enum_value(btf, "STATE_A", 3);
	btf__add_enum_value(btf, "STATE_B", -1);
	btf__add_enum64(btf, "big", 8, false);
	btf__add_enum64_value(btf, "BIG", 1ULL << 40);
	anon_union = btf__add_union(btf, NULL, 8);
	btf__add_field(btf, "left", u64, 0, 0);
	btf__add_field(btf, "right", i32, 0, 0);
	anon = btf__add_struct(btf, NULL, 16);
	btf__add_field(btf, "hidden", u64, 0, 0);
	btf__add_field(btf, NULL, anon_union, 64, 0);
	slots = btf__add_array(btf, u32, u64, 4);
	entities = btf__add_array(btf, u32, entity, 2);
	tail = btf__add_array(btf, u32, ch, 0);
	task = btf__add_struct(btf, "task", 128);
	btf__add_field(btf, "pid", i32, 0, 0);
	btf__add_field(btf, "on", u32, 32, 3);
	btf__add_field(btf, "off", u32, 35, 9);
	btf__add_field(btf, NULL, anon, 64, 0);
	btf__add_field(btf, "se", entity, 24 * 8, 0);
	btf__add_field(btf, "slots", slots, 40 * 8, 0);
	btf__add_field(btf, "se_of", entities, 72 * 8, 0);
	btf__add_field(btf, "lock", spinlock_t_, 104 * 8, 0);
	btf__add_field(btf, "list", list, 112 * 8, 0);
	btf__add_field(btf, "tail", tail, 128 * 8, 0);
	btf__add_struct(btf, "pair", 4);
	btf__add_field(btf, "a", i32, 0, 0);
	btf__add_struct(btf, "pair", 8);
	btf__add_field(btf, "a", i32, 0, 0);
	btf__add_field(btf, "b", i32, 32, 0);
	p = btf__add_ptr(btf, task);
	btf__add_ptr(btf, spinlock_t_);
	proto = btf__add_func_proto(btf, 0);
	btf__add_func_param(btf, "task", p);
	btf__add_func_param(btf, "lock", p + 1);
	btf__add_func_param(btf, "n", i32);
	btf__add_func(btf, "use_task", BTF_FUNC_STATIC, proto);
	return btf;
}

static struct types *load(struct btf *btf)
{
	struct types *types = NULL;
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);

	assert_non_null(data);
	assert_int_equal(types_new(data, size, NULL, &types), 0);
	btf__free(btf);
	return types;
}

static int setup(void **state)
{
	*state = load(make_btf());
	return 0;
}

static int teardown(void **state)
{
	types_free(*state);
	return 0;
}

static void expect_member(const struct types *types, const char *path, uint64_t offset,
			  uint64_t size)
{
	struct member m;

	assert_int_equal(types_member(types, "task", path, &m), 0);
	assert_int_equal(m.offset, offset);
	assert_int_equal(m.size, size);
	assert_int_equal(m.bit_size, 0);
	assert_int_equal(m.bit_offset, 0);
	assert_int_equal(types_offset(types, "task", path), offset);
}

static void test_paths(void **state)
{
	struct types *types = *state;

	expect_member(types, "pid", 0, 4);
	expect_member(types, "hidden", 8, 8);
	expect_member(types, "left", 16, 8);
	expect_member(types, "right", 16, 4);
	expect_member(types, "se", 24, 16);
	expect_member(types, "se.start", 24, 8);
	expect_member(types, "se.sum", 32, 8);
	expect_member(types, "slots", 40, 32);
	expect_member(types, "slots[0]", 40, 8);
	expect_member(types, "slots[3]", 64, 8);
	expect_member(types, "se_of[1].sum", 96, 8);
	expect_member(types, "lock.word", 104, 4);
	expect_member(types, "list.prev", 120, 8);
	expect_member(types, "tail", 128, 0);
	expect_member(types, "tail[100]", 228, 1);
}

static void test_paths_that_are_not_there(void **state)
{
	static const char *const paths[] = {
		"",
		".",
		"no",
		"pi",
		"pidx",
		"pid.x",
		"pid[0]",
		"se.",
		"se.no",
		"se..start",
		"slots[4]",
		"slots[18446744073709551615]",
		"slots[",
		"slots[1",
		"slots[x]",
		"slots[-1]",
		"tail[18446744073709551615]",
		"list.next.next",
		"on.x",
		"on[0]",
		"[0]",
	};
	struct types *types = *state;
	struct member m = { .offset = 77 };

	/* The empty path is the type itself. */
	assert_int_equal(types_member(types, "task", "", &m), 0);
	assert_int_equal(m.offset, 0);
	assert_int_equal(m.size, 128);
	m.offset = 77;
	for (size_t i = 1; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (types_member(types, "task", paths[i], &m) != -ENOENT)
			fail_msg("path '%s' is found", paths[i]);
		assert_int_equal(types_offset(types, "task", paths[i]), -1);
	}
	assert_int_equal(types_member(types, "tas", "pid", &m), -ENOENT);
	assert_int_equal(types_member(types, "", "pid", &m), -ENOENT);
	assert_int_equal(types_member(types, "int", "pid", &m), -ENOENT);
	assert_int_equal(types_member(NULL, "task", "pid", &m), -ENOENT);
	assert_int_equal(m.offset, 77);
}

static void test_bitfields(void **state)
{
	struct types *types = *state;
	struct member m;

	assert_int_equal(types_member(types, "task", "on", &m), 0);
	assert_int_equal(m.offset * 8 + m.bit_offset, 32);
	assert_int_equal(m.bit_size, 3);
	assert_int_equal(types_member(types, "task", "off", &m), 0);
	assert_int_equal(m.offset, 4);
	assert_int_equal(m.bit_offset, 3);
	assert_int_equal(m.bit_size, 9);
	assert_int_equal(m.size, 4);
}

static void test_values(void **state)
{
	static const uint8_t bytes[16] = { 0xb5, 0x96, 0x78, 0x80, 0x11, 0x22, 0x33, 0xc4, 0xa7 };
	struct member m = { .size = 4 };

	assert_int_equal(member_span(&m), 4);
	assert_int_equal(member_value(&m, bytes), 0x807896b5);
	m.size = 8;
	assert_int_equal(member_value(&m, bytes), 0xc4332211807896b5);
	m.size = 1;
	assert_int_equal(member_value(&m, bytes), 0xb5);
	m = (struct member){ .size = 4, .bit_offset = 3, .bit_size = 9 };
	assert_int_equal(member_span(&m), 2);
	/* 0x96b5 is 1001 0110 1011 0101: the nine bits above the lowest three. */
	assert_int_equal(member_value(&m, bytes), 0xd6);
	m = (struct member){ .size = 8, .bit_offset = 4, .bit_size = 64 };
	assert_int_equal(member_span(&m), 9);
	assert_int_equal(member_value(&m, bytes), 0x7c4332211807896b);
	m = (struct member){ .size = 16 };
	assert_int_equal(member_span(&m), 0);
	m = (struct member){ .size = 0 };
	assert_int_equal(member_span(&m), 0);
}

static void test_sizes(void **state)
{
	struct types *types = *state;
	uint64_t size = 0;

	assert_int_equal(types_size(types, "task", &size), 0);
	assert_int_equal(size, 128);
	assert_int_equal(types_size(types, "spinlock_t", &size), 0);
	assert_int_equal(size, 4);
	assert_int_equal(types_size(types, "big", &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(types_size(types, "use_task", &size), -ENOENT);
	assert_int_equal(types_size(types, "spinlock_", &size), -ENOENT);
	assert_int_equal(size, 8);
}

/* Two structs of one name: each member is found in the one that has it. */
static void test_namesakes(void **state)
{
	struct types *types = *state;

	assert_int_equal(types_offset(types, "pair", "a"), 0);
	assert_int_equal(types_offset(types, "pair", "b"), 4);
	assert_int_equal(types_offset(types, "pair", "c"), -1);
}

static void test_enumerators(void **state)
{
	struct types *types = *state;
	int64_t value = 0;

	assert_int_equal(types_enum(types, "STATE_A", &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(types_enum(types, "STATE_B", &value), 0);
	assert_int_equal(value, -1);
	assert_int_equal(types_enum(types, "BIG", &value), 0);
	assert_int_equal(value, 1LL << 40);
	assert_int_equal(types_enum(types, "STATE_C", &value), -ENOENT);
	assert_int_equal(value, 1LL << 40);
}

struct seen {
	char text[1024];
	const char *stop;
};

static int note_member(void *arg, const char *path, const char *type_name, uint64_t offset)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%s:%s@%d ", path, type_name,
		 (int)offset);
	return seen->stop && strcmp(path, seen->stop) == 0 ? 42 : 0;
}

static void test_walk(void **state)
{
	struct seen seen = { 0 };

	assert_int_equal(types_walk(*state, "task", note_member, &seen), 0);
	assert_string_equal(
		seen.text, "pid:int@0 on:unsigned int@4 off:unsigned int@4 "
			   "hidden:long unsigned int@8 left:long unsigned int@16 right:int@16 "
			   "se:entity@24 se.start:long unsigned int@24 se.sum:long unsigned int@32 "
			   "slots:long unsigned int@40 se_of:entity@72 se_of[0]:entity@72 "
			   "se_of[0].start:long unsigned int@72 se_of[0].sum:long unsigned int@80 "
			   "se_of[1]:entity@88 se_of[1].start:long unsigned int@88 "
			   "se_of[1].sum:long unsigned int@96 lock:spinlock_t@104 "
			   "lock.word:unsigned int@104 list:list_head@112 list.next:@112 "
			   "list.prev:@120 tail:char@128 ");
	seen = (struct seen){ .stop = "se.sum" };
	assert_int_equal(types_walk(*state, "task", note_member, &seen), 42);
	assert_null(strstr(seen.text, "slots"));
	assert_int_equal(types_walk(*state, "spinlock_t", note_member, &seen), 0);
	assert_int_equal(types_walk(*state, "int", note_member, &seen), -ENOENT);
}

static void test_function_params(void **state)
{
	struct function_param params[2];
	size_t n = 0;

	assert_int_equal(types_function_params(*state, "use_task.isra.0", params, 2, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(params[0].name, "task");
	assert_string_equal(params[0].type_name, "task");
	assert_true(params[0].pointer);
	assert_string_equal(params[1].type_name, "spinlock_t");
	assert_int_equal(types_function_params(*state, "use_tas", params, 2, &n), -ENOENT);
	assert_int_equal(types_function_params(*state, "task", params, 2, &n), -ENOENT);
	assert_int_equal(types_function_params(NULL, "use_task", params, 2, &n), -ENOENT);
}

/* What no compiler writes: typedefs in a circle, a struct in itself, ids past the end. */
static void test_hostile_graphs(void **state)
{
	struct btf *btf = btf__new_empty();
	struct seen seen = { 0 };
	struct member m;
	struct types *types;
	uint64_t size;
	int i32 = btf__add_int(btf, "int", 4, 0);

	btf__add_typedef(btf, "circle", i32 + 2);
	btf__add_typedef(btf, "circle2", i32 + 1);
	btf__add_struct(btf, "self", 8); /* i32 + 3 */
	btf__add_field(btf, NULL, i32 + 3, 0, 0);
	btf__add_field(btf, NULL, i32 + 3, 0, 0);
	btf__add_field(btf, "x", i32 + 3, 0, 0);
	btf__add_field(btf, "lost", 9999, 0, 0);
	btf__add_array(btf, i32, i32 + 4, 0x7fffffff); /* an array of itself */
	btf__add_struct(btf, "arrays", 8);
	btf__add_field(btf, "a", i32 + 4, 0, 0);
	types = load(btf);
	assert_int_equal(types_member(types, "circle", "x", &m), -ENOENT);
	assert_int_equal(types_size(types, "circle", &size), -ENOENT);
	assert_int_equal(types_member(types, "self", "nothing", &m), -ENOENT);
	assert_int_equal(types_member(types, "self", "x.x.x.x", &m), 0);
	assert_int_equal(types_member(types, "self", "lost", &m), 0);
	assert_int_equal(m.size, 0);
	assert_int_equal(types_member(types, "self", "lost.x", &m), -ENOENT);
	assert_int_equal(types_member(types, "arrays", "a[5][6]", &m), -ENOENT);
	assert_int_equal(types_walk(types, "self", note_member, &seen), 0);
	assert_int_equal(types_walk(types, "arrays", note_member, &seen), 0);
	types_free(types);
}

static void test_damaged_btf(void **state)
{
	struct btf *btf = make_btf();
	struct types *types = (void *)1;
	unsigned int refused = 0;
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);
	uint8_t *copy = malloc(size);

	assert_non_null(copy);
	/* Cut at every length. */
	for (uint32_t n = 0; n < size; n++) {
		memcpy(copy, data, n);
		if (types_new(copy, n, NULL, &types) < 0)
			refused++;
		else
			types_free(types);
	}
	assert_int_equal(refused, size);
	memcpy(copy, data, size);
	copy[0] ^= 1;
	assert_int_equal(types_new(copy, size, NULL, &types), -EBADMSG);
	copy[0] ^= 1;
	/* A header length that reaches behind the data. */
	copy[4] = 0xf0;
	copy[7] = 0x7f;
	assert_int_equal(types_new(copy, size, NULL, &types), -EBADMSG);
	free(copy);
	btf__free(btf);
}

/* A module's types continue the kernel's and see them. */
static void test_split(void **state)
{
	struct btf *base = make_btf(), *split = btf__new_empty_split(base);
	struct types *kernel, *types;
	uint32_t size;
	const void *data;
	struct function_param params[4];
	size_t n;
	int64_t value;
	int task = btf__find_by_name_kind(base, "task", BTF_KIND_STRUCT), set;

	assert_true(task > 0);
	set = btf__add_struct(split, "lab_set", 136);
	btf__add_field(split, "inner", task, 64, 0);
	btf__add_struct(split, "entity", 8); /* the module's own, of a name that the kernel has */
	btf__add_field(split, "mine", task, 0, 0);
	btf__add_enum(split, "lab", 4);
	btf__add_enum_value(split, "LAB_A", 9);
	btf__add_ptr(split, set);
	btf__add_func_proto(split, 0);
	btf__add_func_param(split, "set", set + 3);
	btf__add_func(split, "lab_add", BTF_FUNC_STATIC, set + 4);
	data = btf__raw_data(base, &size);
	assert_int_equal(types_new(data, size, NULL, &kernel), 0);
	data = btf__raw_data(split, &size);
	assert_int_equal(types_new(data, size, kernel, &types), 0);
	assert_int_equal(types_offset(types, "lab_set", "inner.list.prev"), 128);
	assert_int_equal(types_offset(kernel, "lab_set", "inner"), -1);
	assert_int_equal(types_offset(types, "task", "se.sum"), 32);
	assert_int_equal(types_offset(types, "entity", "mine"), 0);
	assert_int_equal(types_offset(types, "entity", "sum"), 8);
	assert_int_equal(types_enum(types, "LAB_A", &value), 0);
	assert_int_equal(types_enum(types, "STATE_A", &value), 0);
	assert_int_equal(types_enum(kernel, "LAB_A", &value), -ENOENT);
	assert_int_equal(types_function_params(types, "lab_add", params, 4, &n), 0);
	assert_string_equal(params[0].type_name, "lab_set");
	assert_int_equal(types_function_params(types, "use_task", params, 4, &n), 0);
	assert_string_equal(params[0].type_name, "task");
	types_free(types);
	types_free(kernel);
	btf__free(split);
	btf__free(base);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_that_are_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitfields, setup, teardown),
		cmocka_unit_test(test_values),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_namesakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_enumerators, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_function_params, setup, teardown),
		cmocka_unit_test(test_hostile_graphs),
		cmocka_unit_test(test_damaged_btf),
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
