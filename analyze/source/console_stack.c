// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stacks in a log: a header says whose it is, then come registers, marks of stack switches
 * (<IRQ>, <EOI>, <NMI>) and frames, innermost first. A place and registers (RIP: …) below frames is
 * what the interrupt above struck. Formats: arch/x86/kernel/dumpstack*.c from 2.6.18 on,
 * arch/arm*, arch/powerpc, kernel/sched/core.c sched_show_task().
 */
#include <stdlib.h>

#include "source/console_log_internal.h"
#include "diagnose/primitives.h"

void log_section_begin(struct log_stream *s, enum log_section section, uint32_t cpu, uint32_t pid,
		       const char *comm)
{
	s->section = section;
	s->cpu = cpu;
	s->pid = pid;
	s->comm = comm;
	s->state = TASK_STATE_UNKNOWN;
	s->n = s->n_regs = s->n_words = s->n_held = 0;
	s->regs_line = (struct text_regs_line){ 0 };
	s->interrupted = s->in_irq = s->in_nmi = false;
	s->ended = s->user = s->shown = s->oops = s->panic = s->raw = false;
}

/* --- frames --- */

static struct frame *frame_push(struct console_log *log, struct log_stream *s,
				const struct text_frame *text)
{
	struct frame *frame;

	if (s->n == LOG_FRAMES_MAX)
		return NULL;
	frame = &s->frames[s->n];
	if (text_frame_make(&log->event->names, text, frame) < 0) {
		log->failed = true;
		return NULL;
	}
	s->regs_of[s->n] = 0;
	s->n++;
	s->shown = true;
	frame->context = s->in_nmi ? CONTEXT_NMI : s->in_irq ? CONTEXT_IRQ : CONTEXT_TASK;
	return frame;
}

/* Functions through which every interrupt comes in: what they return to was interrupted. */
static bool is_interrupt_entry(const char *function)
{
	static const char *const names[] = {
		"apic_timer_interrupt", "common_interrupt", "ret_from_intr", "retint_kernel",
		"call_function_interrupt", "call_function_single_interrupt", "reschedule_interrupt",
		"irq_work_interrupt", "xen_hvm_callback_vector", "xen_do_hypervisor_callback",
		"hyperv_callback_vector", "hyperv_stimer0_callback_vector", "el1_irq", "el1h_64_irq",
		"__irq_svc", "hardware_interrupt_common_virt", "decrementer_common_virt",
		"el1_sync", "el1h_64_sync", "__dabt_svc", "__und_svc", "restore_args",
	};

	if (!function)
		return false;
	if (strncmp(function, "asm_sysvec_", 11) == 0 ||
	    strcmp(function, "asm_common_interrupt") == 0)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (*function == *names[i] && function_same(function, names[i]))
			return true;
	return false;
}

static void frame_add(struct console_log *log, struct log_stream *s, const struct text_frame *text)
{
	const char *before = NULL;
	struct frame *frame;
	bool new_context;

	/* The registers say better what the NMI struck than its own stack does. */
	if (s->in_nmi && text->unreliable && s->n_regs)
		return;
	for (uint32_t i = s->n; i > 0 && !before; i--)
		if (s->frames[i - 1].reliable)
			before = s->frames[i - 1].function;
	frame = frame_push(log, s, text);
	if (!frame)
		return;
	new_context = s->interrupted ||
		      (!s->in_irq && !s->in_nmi && is_interrupt_entry(before));
	/* '?' frames right behind are left over from before. */
	if (new_context && frame->reliable) {
		frame->interrupted = true;
		s->interrupted = false;
	}
}

/* A place with registers: "RIP: 0010:f+0x1/0x2", "pc : f+0x1/0x2". */
static void place_add(struct console_log *log, struct log_stream *s)
{
	const struct text_regs_line *line = &s->regs_line;
	struct frame *last = s->n ? &s->frames[s->n - 1] : NULL, *frame;

	s->shown = true;
	if (line->user) {
		s->user |= s->n == 0;
		s->ended = true;
		return;
	}
	/* The same place told twice: "EIP: 0060:[<c1>]" and "EIP is at f+0x1/0x2". */
	if (last && s->regs_of[s->n - 1] &&
	    (!last->function || !line->frame.function.p ||
	     (strlen(last->function) == line->frame.function.n &&
	      memcmp(last->function, line->frame.function.p, line->frame.function.n) == 0))) {
		uint64_t address = last->address ? last->address : line->frame.address;
		struct frame copy = *last;

		if (line->frame.function.p &&
		    text_frame_make(&log->event->names, &line->frame, &copy) < 0)
			log->failed = true;
		copy.context = last->context;
		copy.address = address;
		copy.interrupted = true;
		*last = copy;
		return;
	}
	frame = frame_push(log, s, &line->frame);
	if (!frame)
		return;
	frame->reliable = true;
	frame->interrupted = true;
	s->in_irq = s->in_nmi = s->interrupted = false;
	frame->context = CONTEXT_TASK;
	if (s->n_regs && s->n_regs <= LOG_REGS_MAX)
		s->regs_of[s->n - 1] = (uint8_t)s->n_regs;
}

/* The register set that the line adds to: a new one for a new place. */
static bool regs_add(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	struct text_regs_line line = s->regs_line;
	enum text_arch arch = s->arch;
	struct regs regs = { 0 }, *set = NULL;
	bool used = false;

	if (!text_regs_scan(p, end, &arch, &regs, &line))
		return false;
	s->arch = arch;
	if (arch != TEXT_ARCH_UNKNOWN && log->event->arch == TEXT_ARCH_UNKNOWN)
		log->event->arch = arch;
	s->regs_line = line;
	s->raw = false;
	if (s->ended)
		return true;
	for (uint32_t i = 0; i < s->n && s->n_regs; i++)
		used |= s->regs_of[i] == s->n_regs;
	if (s->n_regs)
		set = &s->regs[s->n_regs - 1];
	/* A set is over where its place or a register comes for the second time. */
	if (!set || (used && ((line.ip && s->n && !s->regs_of[s->n - 1]) ||
			      (set->known & regs.known & ~(1ULL << REG_IP))))) {
		if (s->n_regs == LOG_REGS_MAX)
			return true;
		set = &s->regs[s->n_regs++];
		*set = (struct regs){ 0 };
	}
	if (!(line.ip && line.user)) {
		for (unsigned int i = 0; i < REG_MAX; i++)
			if (regs_has(&regs, i))
				regs_set(set, i, regs.v[i]);
	}
	if (line.ip)
		place_add(log, s);
	return true;
}

/* --- marks --- */

static const char *mark_eat(struct log_stream *s, const char *p, const char *end)
{
	static const struct {
		const char *mark;
		int kind;
	} marks[] = {
		{ "<IRQ>", 1 },	  { "</IRQ>", 2 },    { "<NMI>", 3 },	 { "</NMI>", 4 },
		{ "<<EOE>>", 4 }, { "<EOE>", 4 },     { "<EOI>", 5 },	 { "<TASK>", 0 },
		{ "</TASK>", 6 }, { "<SOFTIRQ>", 1 }, { "</SOFTIRQ>", 2 }, { "<#DF>", 3 },
		{ "</#DF>", 4 },  { "<#DB>", 3 },     { "</#DB>", 4 },   { "<#MC>", 3 },
		{ "</#MC>", 4 },  { "<#VC>", 3 },     { "</#VC>", 4 },	 { "<ENTRY_TRAMPOLINE>", 0 },
		{ "</ENTRY_TRAMPOLINE>", 0 },
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		const char *at = p;
		const struct frame *last = s->n ? &s->frames[s->n - 1] : NULL;

		if (!line_eat(&at, end, marks[i].mark))
			continue;
		s->shown = true;
		switch (marks[i].kind) {
		case 1:
			s->in_irq = true;
			break;
		case 3:
			s->in_nmi = true;
			break;
		case 2:
			s->in_irq = false;
			break;
		case 4:
			s->in_nmi = false;
			s->interrupted = last && last->context == CONTEXT_NMI;
			break;
		case 5:
			s->in_irq = s->in_nmi = false;
			break;
		case 6:
			s->ended = true;
			break;
		}
		line_blanks(&at, end);
		return at;
	}
	return NULL;
}

/* Words of the raw stack: " ffff8800a776a4e8 0000000000000000 …" */
static bool words_add(struct log_stream *s, const char *p, const char *end)
{
	uint32_t n = 0;
	uint64_t words[8];

	while (p < end && n < 8) {
		char *stop;
		char word[20];
		size_t len = 0;

		while (p + len < end && p[len] != ' ' && len < sizeof(word) - 1)
			len++;
		memcpy(word, p, len);
		word[len] = '\0';
		words[n] = strtoull(word, &stop, 16);
		if ((len != 16 && len != 8) || stop != word + len)
			return false;
		n++;
		p += len;
		line_blanks(&p, end);
	}
	for (uint32_t i = 0; i < n && s->n_words < LOG_WORDS_MAX; i++)
		s->words[s->n_words++] = words[i];
	return n > 0;
}

bool log_stack_line(struct console_log *log, struct log_stream *s, const struct text_line *line)
{
	const char *p = line->p, *end = line->end, *next;
	struct text_frame frame;

	if (s->section != SECTION_CPU && s->section != SECTION_TASK && s->section != SECTION_LINK &&
	    s->section != SECTION_SKIP)
		return false;
	if (p == end)
		return true;
	if (line->end - p > 4 && memcmp(p, "CPU:", 4) == 0)
		return false;
	if (line_eat(&p, end, "Call Trace:") || line_eat(&p, end, "Call trace:") ||
	    line_eat(&p, end, "Backtrace:")) {
		s->raw = false;
		s->shown = true;
		line_blanks(&p, end);
		if (p == end)
			return true;
	}
	if (line_eat(&p, end, "Stack:")) {
		s->raw = true;
		line_blanks(&p, end);
		if (p == end)
			return true;
	}
	while (*p == '<' && (next = mark_eat(s, p, end))) {
		p = next;
		s->raw = false;
		if (p == end)
			return true;
	}
	/* ppc64: "--- interrupt: 901 at f+0x1/0x2", "--- Exception: 501 at …" */
	if (line_eat(&p, end, "--- interrupt:") || line_eat(&p, end, "--- Exception:")) {
		s->interrupted = true;
		next = line_find(p, end, " at ");
		if (next && !s->ended && text_frame_scan(next + 4, end, &frame))
			frame_add(log, s, &frame);
		return true;
	}
	if (*p == '#' || (*p >= '1' && *p <= '9'))
		return false;
	if (text_frame_scan(p, end, &frame)) {
		if (!s->ended)
			frame_add(log, s, &frame);
		s->raw = false;
		return true;
	}
	if (regs_add(log, s, p, end))
		return true;
	return (s->raw || s->section == SECTION_TASK) && words_add(s, p, end);
}

/* --- the end of a stack --- */

/* Functions that only make the report; what they were called from was going on. */
static bool is_reporter(const char *function, bool after)
{
	static const char *const first[] = {
		"dump_stack", "dump_stack_lvl", "__dump_stack", "show_stack", "dump_backtrace",
		"unwind_backtrace", "spin_dump", "spin_bug", "rwlock_bug", "print_circular_bug",
		"print_deadlock_bug", "print_usage_bug", "print_irq_inversion_bug",
		"print_bad_irq_dependency", "show_stack_log_lvl", "warn_alloc", "show_trace", "printk",
	};
	static const char *const then[] = {
		"check_noncircular", "check_prev_add", "check_prevs_add", "check_deadlock",
		"check_usage", "check_irq_usage", "check_usage_forwards", "check_usage_backwards",
		"mark_lock", "mark_lock_irq", "mark_usage", "valid_state", "validate_chain",
		"__lock_acquire", "lock_acquire", "__spin_lock_debug",
	};

	/* Most names end at their first letter. */
	for (size_t i = 0; function && i < sizeof(first) / sizeof(*first); i++)
		if (*function == *first[i] && function_same(function, first[i]))
			return true;
	for (size_t i = 0; function && after && i < sizeof(then) / sizeof(*then); i++)
		if (*function == *then[i] && function_same(function, then[i]))
			return true;
	return false;
}

static void frames_strip(struct log_stream *s)
{
	uint32_t drop = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->frames[i].interrupted)
			break;
		if (is_reporter(s->frames[i].function, drop > 0))
			drop = i + 1;
		else if (s->frames[i].reliable)
			break;
	}
	if (drop == s->n)
		return;
	memmove(s->frames, s->frames + drop, (s->n - drop) * sizeof(*s->frames));
	memmove(s->regs_of, s->regs_of + drop, (s->n - drop) * sizeof(*s->regs_of));
	s->n -= drop;
}

/* Where every caller has its '?', the unwinder could not tell them: then they are all there is. */
static void frames_all_unsure(struct log_stream *s)
{
	uint32_t sure = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		struct primitive p;

		sure += s->frames[i].reliable && !s->frames[i].interrupted &&
			!primitive_find(s->frames[i].function, &p);
	}
	for (uint32_t i = 0; sure == 0 && i < s->n; i++)
		s->frames[i].reliable = true;
}

/* Softirqs run in frames of the interrupt or task that they interrupt. */
static void frames_contexts(struct log_stream *s)
{
	for (uint32_t i = s->n; i > 0; i--) {
		struct frame *frame = &s->frames[i - 1];

		if (!frame->function || (*frame->function != '_' && *frame->function != 'h') ||
		    (!function_same(frame->function, "__do_softirq") &&
		     !function_same(frame->function, "handle_softirqs")))
			continue;
		for (uint32_t k = i; k > 0 && !(k < i && s->frames[k].interrupted); k--)
			if (s->frames[k - 1].context != CONTEXT_NMI)
				s->frames[k - 1].context = CONTEXT_SOFTIRQ;
		break;
	}
}

static void stack_store(struct console_log *log, struct log_stream *s, struct log_stack *to)
{
	struct arena *arena = &log->event->snapshot.arena;

	if (s->n > to->cap) {
		struct frame *frames = arena_calloc(arena, s->n, sizeof(*frames));

		if (!frames) {
			log->failed = true;
			return;
		}
		to->frames = frames;
		to->cap = s->n;
	}
	if (s->n_regs && !to->regs) {
		to->regs = arena_calloc(arena, LOG_REGS_MAX, sizeof(*to->regs));
		if (!to->regs) {
			log->failed = true;
			return;
		}
	}
	to->n = s->n;
	to->user = s->user;
	to->shown = s->shown;
	to->arch = s->arch;
	to->irqs_off = -1;
	if (s->n)
		memcpy(to->frames, s->frames, s->n * sizeof(*to->frames));
	if (s->n_regs)
		memcpy(to->regs, s->regs, s->n_regs * sizeof(*to->regs));
	for (uint32_t i = s->n; i > 0; i--) {
		if (!s->regs_of[i - 1])
			continue;
		to->frames[i - 1].regs = &to->regs[s->regs_of[i - 1] - 1];
		/* The innermost place's interrupt flag is the one that counts. */
		to->irqs_off = (int8_t)text_regs_irqs_off(s->arch, to->frames[i - 1].regs);
	}
}

static void cpu_store(struct console_log *log, struct log_stream *s)
{
	struct log_cpu *cpu = log_cpu_get(log, s->cpu);

	if (!cpu)
		return;
	cpu->panic |= s->panic;
	/* The panic's own stack tells nothing new of a CPU that was shown at work before. */
	if (s->panic && cpu->stack.shown && cpu->pid == s->pid && cpu->stack.n)
		return;
	/* A newer stack that the end of the log cut off is no better. */
	if (!s->shown && cpu->stack.shown)
		return;
	cpu->idle = false;
	cpu->pid = s->pid;
	cpu->comm = s->comm;
	stack_store(log, s, &cpu->stack);
}

static void oops_store(struct console_log *log, struct log_stream *s)
{
	struct log_task *task = log_task_get(log, s->pid, s->comm);

	if (!task)
		return;
	task->oops = true;
	task->oops_cpu = s->cpu;
	task->state = TASK_STATE_DEAD;
	stack_store(log, s, &task->stack);
	if (!s->n_words)
		return;
	task->words = arena_calloc(&log->event->snapshot.arena, s->n_words, sizeof(*task->words));
	if (!task->words) {
		log->failed = true;
		return;
	}
	memcpy(task->words, s->words, s->n_words * sizeof(*task->words));
	task->n_words = s->n_words;
}

/* A running task's stack is only right where it was itself that printed it, or was preempted. */
static void frames_check_running(struct log_stream *s)
{
	const char *first = NULL;
	struct primitive p;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->frames[i].context != CONTEXT_TASK)
			return;
		if (!first && s->frames[i].reliable)
			first = s->frames[i].function;
	}
	if (primitive_find(first, &p) && p.act == PRIMITIVE_SCHEDULE)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		s->frames[i].reliable = false;
}

static void held_store(struct console_log *log, struct log_stream *s)
{
	struct log_task *task = log_task_get(log, s->pid, s->comm);

	if (!task)
		return;
	if (s->n_held > task->held_cap) {
		task->n_held = task->held_cap = 0;
		task->held = arena_calloc(&log->event->snapshot.arena, s->n_held,
					  sizeof(*task->held));
		if (!task->held) {
			log->failed = true;
			return;
		}
		task->held_cap = s->n_held;
	}
	memcpy(task->held, s->held, s->n_held * sizeof(*task->held));
	task->n_held = s->n_held;
}

void log_section_end(struct console_log *log, struct log_stream *s)
{
	struct log_task *task;

	if (s->section == SECTION_NONE)
		return;
	frames_strip(s);
	frames_all_unsure(s);
	frames_contexts(s);
	if (s->section == SECTION_CPU && s->oops && s->pid != SNAPSHOT_NONE) {
		oops_store(log, s);
	} else if (s->section == SECTION_CPU) {
		cpu_store(log, s);
	} else if (s->section == SECTION_LINK) {
		log_link_frames(log, s);
	} else if (s->section == SECTION_TASK) {
		task = log_task_get(log, s->pid, s->comm);
		if (s->state == TASK_STATE_RUNNING)
			frames_check_running(s);
		if (task && (s->shown || !task->stack.shown)) {
			if (s->state != TASK_STATE_UNKNOWN)
				task->state = s->state;
			if (s->n)
				stack_store(log, s, &task->stack);
		}
	} else if (s->section == SECTION_HELD && s->n_held) {
		held_store(log, s);
	}
	s->section = SECTION_NONE;
}
