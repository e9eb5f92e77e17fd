// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "render/text.h"

/*
 * The report, from the top: the summary, on one line whatever its length so that it can be pasted
 * into a ticket; one line for each further lockup; the facts, each with its name in the first
 * twelve columns; who waits for whom (graph.c); evidence, numbered; what is not known; the stacks
 * of the CPUs and of the blocked tasks (stacks.c); each further lockup in full, its stacks being
 * above; the source; what the source could not tell. Sections are parted by one empty line and
 * begin with a title at column 0; what belongs to them is indented by two. A section with nothing
 * in it is left out.
 */

#define FACT_COLUMN 12
#define HOLDER_CONFIDENCE 0.5 /* below it no holder is named (diagnose()) */

void render_options_init(struct render_options *options)
{
	*options = (struct render_options){ .width = 80, .cpu = SNAPSHOT_NONE };
}

static void fact_begin(struct print *p, const char *name)
{
	print_put(p, "%s", name);
	print_pad(p, FACT_COLUMN);
}

static void print_summary(struct print *p, const struct verdict *v)
{
	print_style(p, STYLE_TITLE);
	if (v->summary)
		print_put(p, "%s", v->summary);
	else if (v->event == EVENT_NONE && v->pattern == PATTERN_NONE)
		print_put(p, "No lockup was found.");
	else
		print_put(p, "%s, pattern %s.", event_name(v->event), pattern_name(v->pattern));
	print_style(p, STYLE_NONE);
	print_end(p);
}

static void print_event(struct print *p, const struct snapshot *snapshot, const struct verdict *v,
			bool top)
{
	char buf[TEXT_MAX];

	fact_begin(p, "Event");
	print_put(p, "%s", event_name(v->event));
	if (top && snapshot->panic) {
		print_put(p, "; the panic was on ");
		if (snapshot->panic_cpu != SNAPSHOT_NONE)
			print_put(p, "CPU %" PRIu32 ", ", snapshot->panic_cpu);
		print_put(p, "%s", task_text(buf, snapshot->panic_comm, snapshot->panic_pid));
	}
	print_end(p);
	fact_begin(p, "Pattern");
	print_put(p, "%s", pattern_name(v->pattern));
	print_end(p);
}

static void print_owner(struct print *p, const struct snapshot *snapshot, const struct lock *lock)
{
	static const char *const said_by[] = {
		[OWNER_PROBE] = "recorded by the hold probes",
		[OWNER_STORED] = "stored in the lock",
		[OWNER_HINT] = "stored in the lock, may be stale",
		[OWNER_REPORTED] = "by the kernel's own report",
	};
	const struct task *task = NULL;
	char buf[TEXT_MAX];
	uint32_t index;

	if (lock->owner_source == OWNER_NONE)
		return;
	index = lock->owner_pid == SNAPSHOT_NONE ? SNAPSHOT_NONE
						 : snapshot_task_by_pid(snapshot, lock->owner_pid);
	if (index < snapshot->n_tasks)
		task = &snapshot->tasks[index];
	print_pad(p, FACT_COLUMN);
	print_put(p, "owner: ");
	if (lock->owner_pid == SNAPSHOT_NONE && lock->owner_cpu != SNAPSHOT_NONE)
		print_put(p, "CPU %" PRIu32, lock->owner_cpu);
	else
		print_put(p, "%s", task_text(buf, task ? task->comm : NULL, lock->owner_pid));
	print_put(p, "%s, %s", lock->owner_gone ? ", no live task" : "",
		  said_by[lock->owner_source]);
	print_end(p);
}

static void print_lock(struct print *p, const struct snapshot *snapshot, const struct verdict *v)
{
	const struct lock *lock = v->lock < snapshot->n_locks ? &snapshot->locks[v->lock] : NULL;
	uint64_t address = v->lock_address ? v->lock_address : lock ? lock->address : 0;
	char buf[TEXT_MAX];

	if (!lock && v->lock_kind == LOCK_UNKNOWN && !v->lock_name && !address && !v->primitive)
		return;
	fact_begin(p, "Lock");
	print_put(p, "%s", lock_text(buf, v->lock_kind, v->lock_name, address));
	if (v->lock_name && address)
		print_put(p, " at 0x%016" PRIx64, address);
	if (v->lock_write >= 0)
		print_put(p, ", wanted for %s", v->lock_write ? "writing" : "reading");
	if (v->primitive)
		print_put(p, " (%s)", v->primitive);
	print_end(p);
	if (lock && (lock->has_word || lock->word_text)) {
		print_pad(p, FACT_COLUMN);
		print_put(p, "word");
		if (lock->has_word)
			print_put(p, " 0x%" PRIx64, lock->word);
		if (lock->word_text)
			print_put(p, ": %s", lock->word_text);
		print_end(p);
	}
	if (lock)
		print_owner(p, snapshot, lock);
}

static void print_confidence(struct print *p, const struct verdict *v)
{
	fact_begin(p, "Confidence");
	print_put(p, "%.2f", v->confidence);
	if (v->has_holder)
		print_put(p, " for the holder");
	else if (v->n_cycle)
		print_put(p, " for the cycle");
	else if (v->event != EVENT_NONE && v->confidence < HOLDER_CONFIDENCE)
		print_put(p, "; no holder is named below %.2f", HOLDER_CONFIDENCE);
	else if (v->event != EVENT_NONE)
		print_put(p, " for the verdict; the holder is not known");
	print_end(p);
}

static void print_sentences(struct print *p, const char *title, bool numbered,
			    const char **sentences, uint32_t n)
{
	if (n == 0)
		return;
	print_title(p, title);
	for (uint32_t i = 0; i < n; i++) {
		if (numbered)
			print_put(p, " %2" PRIu32 ". ", i + 1);
		else
			print_put(p, "  - ");
		print_words(p, p->column, sentences[i] ? sentences[i] : "");
		print_end(p);
	}
}

static void print_judgement(struct print *p, const struct snapshot *snapshot,
			    const struct verdict *v, bool top)
{
	print_event(p, snapshot, v, top);
	print_lock(p, snapshot, v);
	print_confidence(p, v);
	if (v->signature[0]) {
		fact_begin(p, "Signature");
		print_put(p, "%s", v->signature);
		print_end(p);
	}
	graph_print(p, snapshot, v);
	print_sentences(p, "Evidence", true, v->evidence, v->n_evidence);
	print_sentences(p, "Not known", false, v->unknowns, v->n_unknowns);
}

static void print_others(struct print *p, const struct snapshot *snapshot, const struct verdict *v)
{
	for (uint32_t i = 0; i < v->n_others; i++) {
		const struct snapshot *of = verdict_snapshot(v->others[i], snapshot);
		char title[80];

		snprintf(title, sizeof(title), "Lockup %" PRIu32 ", %s", i + 2,
			 of == snapshot ? "independent of the first" : "another event in the source");
		print_title(p, title);
		print_summary(p, v->others[i]);
		print_end(p);
		print_judgement(p, of, v->others[i], false);
	}
}

static void print_source(struct print *p, const struct snapshot *s)
{
	bool first = true;
	char buf[TEXT_MAX];

	print_title(p, "Source");
	print_pad(p, 2);
	print_put(p, "%s", source_kind_name(s->kind));
	if (s->path)
		print_put(p, " %s", s->path);
	print_end(p);
	print_pad(p, 2);
	if (s->nodename) {
		print_item(p, 2, first, "host %s", s->nodename);
		first = false;
	}
	print_item(p, 2, first, "kernel %s", s->kernel_release ? s->kernel_release : "unknown");
	if (s->arch)
		print_item(p, 2, false, "%s", s->arch);
	if (s->n_cpus_total != SNAPSHOT_NONE)
		print_item(p, 2, false, "%" PRIu32 " CPU%s", s->n_cpus_total,
			   s->n_cpus_total == 1 ? "" : "s");
	if (s->has_uptime && s->uptime_s >= 0 && s->uptime_s < 1e10)
		print_item(p, 2, false, "up %s", duration_text(buf, (uint64_t)(s->uptime_s * 1e9)));
	if (s->has_loadavg)
		print_item(p, 2, false, "load average %.2f %.2f %.2f", s->loadavg[0], s->loadavg[1],
			   s->loadavg[2]);
	print_end(p);
	if (s->panic) {
		print_pad(p, 2);
		print_put(p, "panic: ");
		print_words(p, 4, s->panic);
		print_end(p);
	}
}

/* What the verdict repeats among its own unknowns is not said twice. */
static void print_partial(struct print *p, const struct snapshot *s, const struct verdict *v)
{
	bool titled = false;

	if (s->partial) {
		print_title(p, "Partial: parts of the source could not be read");
		titled = true;
	}
	for (uint32_t i = 0; i < s->n_unknowns; i++) {
		bool repeated = false;

		for (uint32_t j = 0; j < v->n_unknowns && !repeated; j++)
			repeated = strcmp(v->unknowns[j], s->unknowns[i]) == 0;
		if (repeated)
			continue;
		if (!titled)
			print_title(p, "What the source could not tell");
		titled = true;
		print_put(p, "  - ");
		print_words(p, 4, s->unknowns[i]);
		print_end(p);
	}
}

static void print_report(struct print *p, const struct snapshot *snapshot, const struct verdict *v,
			 const struct places *places, const struct render_options *options)
{
	print_summary(p, v);
	for (uint32_t i = 0; i < v->n_others; i++) {
		const struct verdict *other = v->others[i];

		print_put(p, "Also (lockup %" PRIu32 ", below): ", i + 2);
		print_put(p, "%s", other->summary ? other->summary : event_name(other->event));
		print_end(p);
	}
	print_end(p);
	print_judgement(p, snapshot, v, true);
	stacks_print_cpus(p, snapshot, places, options->all_stacks);
	stacks_print_tasks(p, snapshot, places, options->all_stacks);
	print_others(p, snapshot, v);
	print_source(p, snapshot);
	print_partial(p, snapshot, v);
}

static int print_views(struct print *p, const struct snapshot *snapshot,
		       const struct places *places, const struct render_options *options)
{
	uint32_t index = SNAPSHOT_NONE;

	if (options->cpu != SNAPSHOT_NONE) {
		index = snapshot_cpu_by_id(snapshot, options->cpu);
		if (index >= snapshot->n_cpus)
			return -ENOENT;
	}
	if (options->log && !snapshot->log)
		return -ENOENT;
	if (index != SNAPSHOT_NONE)
		view_print_cpu(p, snapshot, places, index);
	if (options->ps)
		view_print_ps(p, snapshot);
	if (options->log)
		print_lines(p, snapshot->log, snapshot->log_size);
	return 0;
}

int render_text(const struct snapshot *snapshot, const struct verdict *verdict,
		const struct render_options *options, FILE *file)
{
	struct render_options defaults;
	struct places places;
	struct print p;
	int r;

	render_options_init(&defaults);
	if (!options)
		options = &defaults;
	r = places_init(&places, snapshot, verdict, true);
	if (r < 0)
		return r;
	print_init(&p, file, options->width, options->color);
	if (options->cpu != SNAPSHOT_NONE || options->log || options->ps)
		r = print_views(&p, snapshot, &places, options);
	else
		print_report(&p, snapshot, verdict, &places, options);
	places_done(&places);
	if (r < 0)
		return r;
	if (p.r == 0 && fflush(file) != 0)
		p.r = -EIO;
	return p.r;
}
