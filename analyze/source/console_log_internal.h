/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_CONSOLE_LOG_INTERNAL_H
#define HOLDUP_SOURCE_CONSOLE_LOG_INTERNAL_H

#include "source/console_log.h"
#include "source/text_frame.h"
#include "source/text_lines.h"
#include "source/text_regs.h"

#define LOG_FRAMES_MAX 256   /* of one stack; deeper ones are cut */
#define LOG_REGS_MAX 6	     /* register sets of one stack: one per context */
#define LOG_WORDS_MAX 128    /* of an oops's raw stack */
#define LOG_CPUS_MAX 8192
#define LOG_TASKS_MAX 50000
#define LOG_REPORTS_MAX 5000
#define LOG_HELD_MAX 48	     /* lockdep's MAX_LOCK_DEPTH */
#define LOG_STREAMS 64
#define LOG_LINKS_MAX 32

/* A stack as the log shows it. Frames and registers are in the event's arena. */
struct log_stack {
	struct frame *frames;
	uint32_t n, cap;
	struct regs *regs; /* LOG_REGS_MAX of them, NULL none */
	enum text_arch arch;
	bool user;	   /* it begins in user mode */
	bool shown;	   /* a stack or registers were printed at all */
	int8_t irqs_off;
};

struct log_cpu {
	uint32_t id, pid;
	const char *comm;
	struct log_stack stack;
	bool idle;	/* "skipped: idling at" */
	bool panic;
	bool listed;	/* its stack is only what the list of busy workqueues says */
};

/* One line of lockdep's "locks held by". */
struct log_held {
	uint64_t address; /* 0 not printed, or a hash (since 4.15) that only tells equal ones */
	const char *name;
	const char *at;	  /* the function that took it */
	uint32_t offset, size;
};

struct log_task {
	uint32_t pid;
	const char *comm;
	enum task_state state;
	struct log_stack stack;
	uint32_t same_as;   /* "<Same stack as pid N>", SNAPSHOT_NONE */
	bool oops;	    /* it died in an oops */
	uint32_t oops_cpu;
	uint64_t *words;    /* its raw stack at that time */
	uint32_t n_words;
	struct log_held *held;
	uint32_t n_held, held_cap;
	bool held_listed;   /* lockdep printed a list for it, maybe an empty one */
	uint64_t blocked_ns;
	uint32_t cpu;	    /* known from elsewhere ("CPU#6, udevd/4422"); SNAPSHOT_NONE */
	bool running;	    /* its stack was printed by itself, on a CPU that is not told */
};

/* A lock that a line of the log names with its owner. */
struct log_owner {
	uint64_t address;     /* 0 unknown */
	const char *name;     /* 6.x prints a symbol for static locks; NULL */
	enum lock_kind kind;
	uint32_t waiter_pid, waiter_cpu;
	const char *waiter_comm;
	uint32_t owner_pid, owner_cpu;
	const char *owner_comm;
	bool stored;	      /* it is from the lock itself: DEBUG_SPINLOCK */
};

/* One lock of a lockdep chain and where the other side takes it. */
struct log_link {
	const char *name;
	const char *function;  /* the caller of the primitive there */
	const char *primitive;
	bool done;	       /* @function is settled */
};

/* A lockdep report. */
struct log_deadlock {
	uint32_t report;
	uint32_t pid, cpu;
	const char *comm;
	struct log_held wanted, held;
	bool has_wanted, has_held;
	struct log_link links[LOG_LINKS_MAX];
	uint32_t n_links;
	struct log_link irq; /* inconsistent state: who takes it in an interrupt */
};

/* A work item that a worker of one CPU's pool is in, by the list of busy workqueues. */
struct log_work {
	uint32_t cpu, pid;
	const char *function, *module;
};

enum log_section {
	SECTION_NONE,
	SECTION_CPU,	/* a stack of ->cpu, ->pid */
	SECTION_TASK,	/* a stack of ->pid, on a CPU or not */
	SECTION_HELD,	/* lockdep's held locks of ->pid */
	SECTION_LINK,	/* a stack in a lockdep chain */
	SECTION_SKIP,	/* a stack that tells nothing */
};

/* What the lockdep header expects on the next line. */
enum log_expect { EXPECT_NONE, EXPECT_WANTED, EXPECT_HELD };

/* Lines with one caller id; all of them where the log has none. */
struct log_stream {
	uint64_t key;
	uint64_t used;		 /* line number, for choosing a victim */
	enum log_section section;
	enum log_expect expect;
	uint32_t cpu, pid;	 /* of the section */
	const char *comm;
	enum task_state state;
	struct frame frames[LOG_FRAMES_MAX];
	uint32_t n;
	uint8_t regs_of[LOG_FRAMES_MAX]; /* frame's set in ->regs, plus 1 */
	struct regs regs[LOG_REGS_MAX];
	uint32_t n_regs;
	struct text_regs_line regs_line;
	enum text_arch arch;
	bool interrupted;	 /* the next frame is where an interrupt struck */
	bool in_irq, in_nmi;
	bool ended;		 /* user mode reached: what follows is no stack */
	bool user;
	bool shown;
	bool oops, panic;
	bool raw;		 /* in the lines below "Stack:" */
	uint64_t words[LOG_WORDS_MAX];
	uint32_t n_words;
	uint32_t nmi_cpu;	 /* "NMI backtrace for cpu N" said so a few lines before */
	uint32_t report;	 /* index of the last report in this stream, SNAPSHOT_NONE */
	uint32_t report_age;	 /* lines since */
	uint32_t deadlock;	 /* index of the lockdep report that is being printed, NONE */
	uint32_t link;
	uint32_t pool_cpu;	 /* whose pool the list of busy workqueues is at; NONE */
	struct log_held held[LOG_HELD_MAX];
	uint32_t n_held;
};

struct log_event {
	struct snapshot snapshot; /* its arena has everything of the event */
	struct text_names names;
	struct log_cpu *cpus;
	uint32_t n_cpus;
	uint32_t *cpu_slots;	/* by CPU number, below LOG_CPUS_MAX; index + 1 */
	struct log_task *tasks;
	uint32_t n_tasks;
	uint32_t *task_hash;	/* by pid; index + 1 */
	uint32_t n_hash;
	struct log_owner *owners;
	uint32_t n_owners;
	struct log_deadlock *deadlocks;
	uint32_t n_deadlocks;
	uint64_t last_us;	/* time of the newest report */
	const char *starved;	/* name of the RCU kthread that gets no CPU; NULL none */
	uint32_t starved_cpu;	/* where it last ran, SNAPSHOT_NONE */
	bool all_cpus;		/* backtraces of all CPUs were asked for */
	bool busy_workqueues;
	struct log_work *works;
	uint32_t n_works;
	enum text_arch arch;
	bool has_panic;
	bool dropped;		/* a limit was reached */
	uint64_t end_us;	/* time of the last line */
};

struct console_log {
	struct log_event *event;
	struct log_event **done;
	uint32_t n_done;
	struct log_stream *streams[LOG_STREAMS];
	uint32_t n_streams;
	char *carry;		/* a line whose end is not there yet */
	size_t n_carry;
	char *scratch;
	uint64_t n_lines;
	uint64_t n_kernel;	/* lines that only a kernel writes */
	char *release;		/* of the boot, by "Linux version" */
	uint32_t n_cpus;	/* of the machine, by its own words */
	bool failed;		/* memory is short */
};

/* console_log.c */
struct log_cpu *log_cpu_get(struct console_log *log, uint32_t id);
struct log_task *log_task_get(struct console_log *log, uint32_t pid, const char *comm);
const struct log_task *log_task_find(const struct log_event *event, uint32_t pid, const char *comm);
const char *log_name(struct console_log *log, const char *p, const char *end);

struct log_stream *log_stream_get(struct console_log *log, const struct text_line *line);
/* What follows is another event; of the @same_boot: what an oops left behind goes along. */
void log_event_cut(struct console_log *log, bool same_boot);

/* console_headers.c: true when the line was one. A report may begin another event: *@s follows. */
bool log_report_line(struct console_log *log, struct log_stream **s, const struct text_line *line);
bool log_header_line(struct console_log *log, struct log_stream *s, const struct text_line *line);

/* console_stack.c: a section's stack. */
void log_section_begin(struct log_stream *s, enum log_section section, uint32_t cpu, uint32_t pid,
		       const char *comm);
/* Hands what the section has gathered to its CPU, task or report. */
void log_section_end(struct console_log *log, struct log_stream *s);
/* Is the line part of the open section's stack? Then it is taken. */
bool log_stack_line(struct console_log *log, struct log_stream *s, const struct text_line *line);

/* console_locks.c: lockdep's words and owner lines. */
bool log_lock_line(struct console_log *log, struct log_stream *s, const struct text_line *line);
void log_deadlock_begin(struct console_log *log, struct log_stream *s, uint32_t report);
void log_link_frames(struct console_log *log, struct log_stream *s);

/* console_snapshot.c, console_facts.c */
int log_event_snapshot(struct console_log *log, struct log_event *event);
int log_event_locks(struct log_event *event);

/* --- small readers of words --- */

static inline bool line_eat(const char **p, const char *end, const char *literal)
{
	size_t n = __builtin_strlen(literal);

	if ((size_t)(end - *p) < n || __builtin_memcmp(*p, literal, n) != 0)
		return false;
	*p += n;
	return true;
}

static inline const char *line_find(const char *p, const char *end, const char *literal)
{
	return p < end ? memmem(p, (size_t)(end - p), literal, __builtin_strlen(literal)) : NULL;
}

static inline void line_blanks(const char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t'))
		(*p)++;
}

static inline bool line_u32(const char **p, const char *end, uint32_t *ret)
{
	const char *start = *p;
	uint64_t v = 0;

	for (; *p < end && **p >= '0' && **p <= '9' && v < UINT32_MAX; (*p)++)
		v = v * 10 + (uint64_t)(**p - '0');
	if (*p == start || v >= UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

#endif
