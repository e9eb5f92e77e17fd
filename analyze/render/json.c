// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"
#include "render/place.h"
#include "render/render.h"

/*
 * The document is written key by key and, in its long arrays, element by element: a dump with ten
 * thousand blocked tasks does not become a tree of millions of nodes. Values are built with
 * jansson; a NULL value anywhere means that memory was short.
 */
struct json_out {
	FILE *file;
	bool first; /* no key or element was written yet at this level */
	int r;	    /* 0, -ENOMEM or -EIO */
};

static json_t *json_string_or_null(const char *s)
{
	json_t *value;
	char *repaired;

	if (!s)
		return json_null();
	value = json_string(s);
	if (value)
		return value;
	repaired = utf8_repair(s);
	value = repaired ? json_string(repaired) : NULL;
	free(repaired);
	return value;
}

/* An empty name is an unknown one. */
static json_t *json_text(const char *s)
{
	return json_string_or_null(s && *s ? s : NULL);
}

/* Addresses are text: a JSON number of 64 bits is rounded by most readers. */
static json_t *json_address(uint64_t address)
{
	return address ? json_sprintf("0x%016" PRIx64, address) : json_null();
}

static json_t *json_u32(uint32_t value)
{
	return value == SNAPSHOT_NONE ? json_null() : json_integer(value);
}

static json_t *json_ms(uint64_t ns)
{
	return ns == SNAPSHOT_NO_TIME ? json_null() : json_integer((json_int_t)(ns / 1000000));
}

/* -1 is unknown. */
static json_t *json_tristate(int value)
{
	return value < 0 ? json_null() : json_boolean(value);
}

static json_t *json_signed(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *json_double(bool known, double value)
{
	json_t *real = known ? json_real(value) : NULL;

	return real ? real : json_null(); /* not a number or infinite: as good as unknown */
}

static json_t *json_strings(const char **strings, uint32_t n)
{
	json_t *array = json_array();

	for (uint32_t i = 0; array && i < n; i++) {
		if (json_array_append_new(array, json_text(strings[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *source_json(const struct snapshot *s)
{
	json_t *load = s->has_loadavg ? json_pack("[o, o, o]", json_double(true, s->loadavg[0]),
						  json_double(true, s->loadavg[1]),
						  json_double(true, s->loadavg[2]))
				      : json_null();

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
			 "kind", source_kind_name(s->kind), "path", json_text(s->path),
			 "kernel_release", json_text(s->kernel_release), "build_id",
			 json_text(s->build_id), "arch", json_text(s->arch), "nodename",
			 json_text(s->nodename), "cpus", json_u32(s->n_cpus_total), "uptime_s",
			 json_double(s->has_uptime, s->uptime_s), "loadavg", load, "panic",
			 json_text(s->panic), "panic_cpu", json_u32(s->panic_cpu), "panic_pid",
			 json_u32(s->panic_pid), "panic_comm", json_string_or_null(s->panic_comm),
			 "partial", s->partial);
}

static json_t *owner_json(const struct lock *lock)
{
	static const char *const sources[] = {
		[OWNER_PROBE] = "probe",
		[OWNER_STORED] = "stored",
		[OWNER_HINT] = "hint",
		[OWNER_REPORTED] = "reported",
	};

	if (lock->owner_source == OWNER_NONE ||
	    lock->owner_source >= sizeof(sources) / sizeof(sources[0]))
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o}", "source",
			 sources[lock->owner_source], "cpu", json_u32(lock->owner_cpu), "pid",
			 json_u32(lock->owner_pid), "task", json_address(lock->owner_task), "gone",
			 lock->owner_gone, "function", json_text(lock->owner_function), "held_ms",
			 json_ms(lock->held_ns));
}

/* The lock's own state, or null where nothing of it is known. */
static json_t *word_json(const struct lock *lock)
{
	json_t *raw;

	if (!lock->has_word && !lock->word_text && lock->locked < 0 && lock->writer < 0 &&
	    lock->readers < 0 && lock->tail_cpu < 0 && lock->owner_source == OWNER_NONE)
		return json_null();
	raw = lock->has_word ? json_sprintf("0x%" PRIx64, lock->word) : json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "raw", raw, "text",
			 json_text(lock->word_text), "locked", json_tristate(lock->locked),
			 "writer", json_tristate(lock->writer), "readers",
			 json_signed(lock->readers), "tail_cpu", json_signed(lock->tail_cpu),
			 "owner", owner_json(lock));
}

static json_t *kind_json(enum lock_kind kind)
{
	return kind == LOCK_UNKNOWN ? json_null() : json_text(lock_kind_name(kind));
}

static json_t *lock_json(const struct snapshot *snapshot, const struct verdict *v)
{
	const struct lock *lock = v->lock < snapshot->n_locks ? &snapshot->locks[v->lock] : NULL;
	uint64_t address = v->lock_address;

	if (!address && lock)
		address = lock->address;
	if (!lock && v->lock_kind == LOCK_UNKNOWN && !v->lock_name && !address && !v->primitive)
		return json_null();
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o}", "address", json_address(address), "kind",
		kind_json(v->lock_kind), "name", json_text(v->lock_name), "mode",
		v->lock_write < 0 ? json_null() : json_text(v->lock_write ? "write" : "read"),
		"primitive", json_text(v->primitive), "word", lock ? word_json(lock) : json_null());
}

static json_t *waiter_json(const struct party *party)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpu", json_u32(party->cpu), "pid",
			 json_u32(party->pid), "comm", json_string_or_null(party->comm), "function",
			 json_text(party->function), "module", json_text(party->module),
			 "primitive", json_text(party->primitive), "waited_ms",
			 json_ms(party->time_ns));
}

static json_t *holder_json(const struct party *party)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpu",
			 json_u32(party->cpu), "pid", json_u32(party->pid), "comm",
			 json_string_or_null(party->comm), "function", json_text(party->function),
			 "module", json_text(party->module), "offset",
			 party->function ? json_u32(party->offset) : json_null(), "address",
			 json_address(party->address), "file", json_text(party->file), "line",
			 party->line ? json_integer(party->line) : json_null(), "acquired_in",
			 json_text(party->acquired_in), "held_ms", json_ms(party->time_ns));
}

static json_t *edge_json(const struct snapshot *snapshot, const struct edge *edge)
{
	const struct lock *lock = edge->lock < snapshot->n_locks ? &snapshot->locks[edge->lock]
								 : NULL;
	json_t *what = lock ? json_pack("{s:o, s:o, s:o}", "address", json_address(lock->address),
					"kind", kind_json(lock->kind), "name",
					json_text(lock->name))
			    : json_null();

	return json_pack("{s:o, s:o, s:o}", "waiter", waiter_json(&edge->waiter), "lock", what,
			 "holder", holder_json(&edge->holder));
}

static json_t *bystander_json(const struct bystander *bystander)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "cpu", json_u32(bystander->cpu), "pid",
			 json_u32(bystander->pid), "comm", json_string_or_null(bystander->comm),
			 "why", json_text(bystander->why));
}

static json_t *frame_json(const struct frame *frame)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:b, s:b, s:o, s:o}", "address",
			 json_address(frame->address), "function", json_text(frame->function),
			 "offset", frame->function ? json_u32(frame->offset) : json_null(),
			 "module", json_text(frame->module), "context",
			 frame_context_name(frame->context), "reliable", frame->reliable, "inlined",
			 frame->inlined, "file", json_text(frame->file), "line",
			 frame->line ? json_integer(frame->line) : json_null());
}

static json_t *stack_json(const struct stack *stack)
{
	json_t *array = json_array();

	for (uint32_t i = 0; array && i < stack->n; i++) {
		if (json_array_append_new(array, frame_json(&stack->frames[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* A CPU (with or without a known task on it) or a sleeping task. */
static json_t *actor_json(uint32_t cpu, const struct task *task, enum role role,
			  const struct stack *stack)
{
	bool has_state = task && task->state != TASK_STATE_UNKNOWN;

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "cpu", json_u32(cpu), "pid",
			 json_u32(task ? task->pid : SNAPSHOT_NONE), "comm",
			 json_string_or_null(task ? task->comm : NULL), "state",
			 json_text(has_state ? task_state_name(task->state) : NULL), "role",
			 role_name(role), "stack", stack ? stack_json(stack) : json_null());
}

static void out_raw(struct json_out *out, const char *text)
{
	if (out->r == 0 && fputs(text, out->file) == EOF)
		out->r = -EIO;
}

/* jansson writes a few bytes at a time: the stream's lock would cost more than they do. */
static int out_bytes(const char *bytes, size_t n, void *file)
{
	return fwrite_unlocked(bytes, 1, n, file) == n ? 0 : -1;
}

static void out_value(struct json_out *out, json_t *value)
{
	const size_t flags = JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12);

	if (out->r == 0 && !value)
		out->r = -ENOMEM;
	if (out->r == 0 && json_dump_callback(value, out_bytes, out->file, flags) < 0)
		out->r = ferror(out->file) ? -EIO : -ENOMEM;
	json_decref(value);
}

static void out_key(struct json_out *out, const char *key)
{
	out_raw(out, out->first ? "{\"" : ",\n\"");
	out_raw(out, key);
	out_raw(out, "\": ");
	out->first = false;
}

static void out_member(struct json_out *out, const char *key, json_t *value)
{
	out_key(out, key);
	out_value(out, value);
}

/* The elements of a long array: out_element() for each, then out_array_end(). */
static void out_array_begin(struct json_out *out, const char *key)
{
	out_key(out, key);
	out->first = true;
}

static void out_element(struct json_out *out, json_t *value)
{
	out_raw(out, out->first ? "[\n" : ",\n");
	out_value(out, value);
	out->first = false;
}

static void out_array_end(struct json_out *out)
{
	out_raw(out, out->first ? "[]" : "]");
	out->first = false;
}

static bool strings_have(const char **strings, uint32_t n, const char *s)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(strings[i], s) == 0)
			return true;
	}
	return false;
}

/* The verdict's unknowns and, with @snapshot, what the source could not tell and it left out. */
static json_t *unknowns_json(const struct snapshot *snapshot, const struct verdict *v)
{
	json_t *array = json_strings(v->unknowns, v->n_unknowns);

	for (uint32_t i = 0; array && snapshot && i < snapshot->n_unknowns; i++) {
		if (strings_have(v->unknowns, v->n_unknowns, snapshot->unknowns[i]))
			continue;
		if (json_array_append_new(array, json_text(snapshot->unknowns[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static void out_judgement(struct json_out *out, const struct snapshot *snapshot,
			  const struct verdict *v, bool top)
{
	out_member(out, "event", json_text(event_name(v->event)));
	out_member(out, "pattern", json_text(pattern_name(v->pattern)));
	out_member(out, "lock", lock_json(snapshot, v));
	out_array_begin(out, "waiters");
	for (uint32_t i = 0; i < v->n_waiters && out->r == 0; i++)
		out_element(out, waiter_json(&v->waiters[i]));
	out_array_end(out);
	out_member(out, "holder", v->has_holder ? holder_json(&v->holder) : json_null());
	out_array_begin(out, "cycle");
	for (uint32_t i = 0; i < v->n_cycle && out->r == 0; i++)
		out_element(out, edge_json(snapshot, &v->cycle[i]));
	out_array_end(out);
	out_array_begin(out, "bystanders");
	for (uint32_t i = 0; i < v->n_bystanders && out->r == 0; i++)
		out_element(out, bystander_json(&v->bystanders[i]));
	out_array_end(out);
	out_member(out, "confidence", json_double(true, v->confidence));
	out_member(out, "evidence", json_strings(v->evidence, v->n_evidence));
	out_member(out, "unknowns", unknowns_json(top ? snapshot : NULL, v));
	out_member(out, "signature", json_text(v->signature[0] ? v->signature : NULL));
	out_member(out, "summary", json_text(v->summary));
}

static void out_cpus(struct json_out *out, const struct snapshot *snapshot,
		     const struct places *places)
{
	out_array_begin(out, "cpus");
	for (uint32_t i = 0; i < snapshot->n_cpus && out->r == 0; i++) {
		const struct cpu *cpu = &snapshot->cpus[i];
		const struct task *task =
			cpu->task < snapshot->n_tasks ? &snapshot->tasks[cpu->task] : NULL;

		out_element(out, actor_json(cpu->id, task, places->cpus[i].role,
					    cpu->has_stack ? &cpu->stack : NULL));
	}
	out_array_end(out);
}

static void out_task(struct json_out *out, const struct snapshot *snapshot,
		     const struct places *places, uint32_t index)
{
	const struct task *task = &snapshot->tasks[index];

	out_element(out, actor_json(task->cpu, task, places->tasks[index].role,
				    task->stack.n ? &task->stack : NULL));
}

static void out_tasks(struct json_out *out, const struct snapshot *snapshot,
		      const struct verdict *v, const struct places *places, bool all)
{
	out_array_begin(out, "tasks");
	for (uint32_t i = 0; i < v->n_graph_tasks && out->r == 0; i++) {
		if (v->graph_tasks[i] < snapshot->n_tasks)
			out_task(out, snapshot, places, v->graph_tasks[i]);
	}
	for (uint32_t i = 0; all && i < snapshot->n_tasks && out->r == 0; i++) {
		if (!snapshot->tasks[i].on_cpu && places->tasks[i].graph != 1)
			out_task(out, snapshot, places, i);
	}
	out_array_end(out);
}

static void out_other(struct json_out *out, const struct snapshot *snapshot,
		      const struct verdict *v)
{
	struct places places;

	out_raw(out, out->first ? "[\n" : ",\n");
	out->first = true;
	if (out->r == 0)
		out->r = places_init(&places, snapshot, v, false);
	if (out->r < 0)
		return;
	out_judgement(out, snapshot, v, false);
	out_tasks(out, snapshot, v, &places, false);
	out_raw(out, "}");
	out->first = false;
	places_done(&places);
}

int render_json(const struct snapshot *snapshot, const struct verdict *verdict,
		const struct render_options *options, FILE *file)
{
	struct json_out out = { .file = file, .first = true };
	struct places places;
	int r;

	r = places_init(&places, snapshot, verdict, true);
	if (r < 0)
		return r;
	out_member(&out, "schema", json_text("holdup.verdict/1"));
	out_member(&out, "source", source_json(snapshot));
	out_judgement(&out, snapshot, verdict, true);
	out_cpus(&out, snapshot, &places);
	out_tasks(&out, snapshot, verdict, &places, options && options->all_stacks);
	out_array_begin(&out, "others");
	for (uint32_t i = 0; i < verdict->n_others && out.r == 0; i++)
		out_other(&out, verdict_snapshot(verdict->others[i], snapshot),
			  verdict->others[i]);
	out_array_end(&out);
	out_raw(&out, "}\n");
	places_done(&places);
	if (out.r == 0 && fflush(file) != 0)
		out.r = -EIO;
	return out.r;
}
