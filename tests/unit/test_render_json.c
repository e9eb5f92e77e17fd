// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "render/render.h"
#include "render_fixture.h"

/* The JSON of verdicts made by hand: parsed, and compared field by field. */

static json_t *json_of(const struct fixture *f, const struct render_options *options)
{
	char *text = NULL;
	json_error_t error;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	json_t *root;

	assert_non_null(file);
	assert_int_equal(render_json(&f->s, &f->v, options, file), 0);
	fclose(file);
	for (size_t i = 0; i < size; i++)
		assert_true((unsigned char)text[i] < 0x80);
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
	return root;
}

static void check_string(json_t *object, const char *key, const char *expected)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_string(value) || strcmp(json_string_value(value), expected) != 0)
		fail_msg("%s is %s, not %s", key, json_string_value(value), expected);
}

static void check_integer(json_t *object, const char *key, long long expected)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	assert_int_equal(json_integer_value(value), expected);
}

static void check_null(json_t *object, const char *key)
{
	if (!json_is_null(json_object_get(object, key)))
		fail_msg("%s is not null", key);
}

static void test_json_ipset(void **state)
{
	struct fixture f;
	json_t *root, *lock, *holder, *waiter, *cpu, *frame;

	make_ipset(&f);
	root = json_of(&f, NULL);
	check_string(root, "schema", "holdup.verdict/1");
	check_string(root, "event", "soft-lockup");
	check_string(root, "pattern", "long-hold");
	check_string(json_object_get(root, "source"), "nodename", "host22");
	check_integer(json_object_get(root, "source"), "cpus", 8);
	check_null(json_object_get(root, "source"), "build_id");
	lock = json_object_get(root, "lock");
	check_string(lock, "address", "0xffff88075efe27e0");
	check_string(lock, "kind", "rwlock");
	check_string(lock, "mode", "write");
	check_string(lock, "primitive", "_write_lock_bh");
	check_string(json_object_get(lock, "word"), "raw", "0xff");
	assert_true(json_is_true(json_object_get(json_object_get(lock, "word"), "writer")));
	check_null(json_object_get(lock, "word"), "owner");
	check_null(json_object_get(lock, "word"), "tail_cpu");
	assert_int_equal(json_array_size(json_object_get(root, "waiters")), 2);
	waiter = json_array_get(json_object_get(root, "waiters"), 0);
	check_integer(waiter, "cpu", 1);
	check_string(waiter, "function", "ip_set_add");
	check_integer(waiter, "waited_ms", 20100);
	holder = json_object_get(root, "holder");
	check_integer(holder, "cpu", 7);
	check_integer(holder, "pid", 33);
	check_integer(holder, "offset", 91);
	check_integer(holder, "line", 701);
	check_integer(holder, "held_ms", 21300);
	check_string(holder, "acquired_in", "ip_set_add");
	assert_true(json_real_value(json_object_get(root, "confidence")) == 0.92);
	assert_int_equal(json_array_size(json_object_get(root, "unknowns")), 1);
	assert_int_equal(json_array_size(json_object_get(root, "cpus")), 7);
	cpu = json_array_get(json_object_get(root, "cpus"), 4);
	check_integer(cpu, "cpu", 7);
	check_string(cpu, "role", "holder");
	check_string(cpu, "state", "running");
	assert_int_equal(json_array_size(json_object_get(cpu, "stack")), 4);
	frame = json_array_get(json_object_get(cpu, "stack"), 2);
	check_string(frame, "context", "task");
	assert_true(json_is_false(json_object_get(frame, "reliable")));
	check_null(frame, "line");
	check_null(json_array_get(json_object_get(root, "cpus"), 3), "stack");
	assert_int_equal(json_array_size(json_object_get(root, "others")), 0);
	json_decref(root);
}

static void test_json_cycle_others(void **state)
{
	struct verdict *others[1];
	struct fixture f, second;
	json_t *root, *edge, *other;

	make_cycle(&f);
	second = f;
	second.v.n_others = 0;
	others[0] = &second.v;
	f.v.others = others;
	f.v.n_others = 1;
	root = json_of(&f, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "cycle")), 2);
	edge = json_array_get(json_object_get(root, "cycle"), 0);
	check_integer(json_object_get(edge, "waiter"), "cpu", 0);
	check_string(json_object_get(edge, "lock"), "address", "0xffff888001000040");
	check_null(json_object_get(edge, "lock"), "name");
	check_string(json_object_get(edge, "holder"), "function", "lab_ba");
	check_null(root, "holder");
	check_null(root, "signature");
	other = json_array_get(json_object_get(root, "others"), 0);
	check_string(other, "pattern", "cycle");
	assert_null(json_object_get(other, "cpus"));
	assert_null(json_object_get(other, "source"));
	assert_int_equal(json_array_size(json_object_get(other, "tasks")), 0);
	json_decref(root);
}

static void test_json_tasks(void **state)
{
	struct render_options options;
	struct fixture f;
	json_t *root, *tasks;

	make_chain(&f);
	f.v.n_graph_tasks = 1;
	root = json_of(&f, NULL);
	tasks = json_object_get(root, "tasks");
	assert_int_equal(json_array_size(tasks), 1);
	check_string(json_array_get(tasks, 0), "comm", "one");
	check_string(json_array_get(tasks, 0), "role", "waiter");
	check_string(json_array_get(tasks, 0), "state", "uninterruptible");
	json_decref(root);
	render_options_init(&options);
	options.all_stacks = true;
	root = json_of(&f, &options);
	assert_int_equal(json_array_size(json_object_get(root, "tasks")), 4);
	json_decref(root);
}

static void test_json_empty(void **state)
{
	struct fixture f;
	json_t *root;

	fixture_init(&f);
	root = json_of(&f, NULL);
	check_string(root, "event", "none");
	check_string(root, "pattern", "none");
	check_null(root, "lock");
	check_null(root, "holder");
	check_null(root, "summary");
	check_null(json_object_get(root, "source"), "cpus");
	check_null(json_object_get(root, "source"), "uptime_s");
	assert_int_equal(json_array_size(json_object_get(root, "cpus")), 0);
	assert_true(json_is_array(json_object_get(root, "waiters")));
	json_decref(root);
}

/* Hostile strings come back whole, but for what is no UTF-8. */
static void test_json_hostile(void **state)
{
	struct fixture f;
	json_t *root;

	make_hostile(&f, "EVIL\033[1m\"\\\n\xff");
	root = json_of(&f, NULL);
	check_string(json_object_get(root, "holder"), "comm", "EVIL\033[1m\"\\\n\xef\xbf\xbd");
	json_decref(root);
}

/* For "validate_json.py" from outside: the scenarios' JSON into the folder @dir. */
static int scenarios_write(const char *dir)
{
	static void (*const make[])(struct fixture *) = { make_ipset, make_cycle, make_chain,
							  make_unknown, fixture_init };
	static const char *const names[] = { "ipset", "cycle", "chain", "unknown", "empty" };

	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		struct fixture f;
		char path[4096];
		FILE *file;
		int r;

		make[i](&f);
		snprintf(path, sizeof(path), "%s/%s.json", dir, names[i]);
		file = fopen(path, "w");
		if (!file)
			return 1;
		r = render_json(&f.s, &f.v, NULL, file);
		if (fclose(file) != 0 || r < 0)
			return 1;
	}
	return 0;
}

/* Every scenario's JSON holds against the schema, by the same check that others' JSON passes. */
static void test_schema(void **state)
{
	char dir[] = "/tmp/test_render.XXXXXX", command[512];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(scenarios_write(dir), 0);
	snprintf(command, sizeof(command), "python3 tests/unit/validate_json.py %s/*.json", dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_ipset),   cmocka_unit_test(test_json_cycle_others),
		cmocka_unit_test(test_json_tasks),   cmocka_unit_test(test_json_empty),
		cmocka_unit_test(test_json_hostile), cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
