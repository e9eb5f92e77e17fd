/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_CRASH_SESSION_H
#define HOLDUP_SOURCE_CRASH_SESSION_H

#include "snapshot.h"
#include "source/text_frame.h"

/* What a crash(8) session printed, as it stands there; crash_transcript.c makes facts of it. */

/* A task by a bt header, a row of ps, or a PID:/COMMAND:/TASK: block; or a stack without a name. */
struct crash_task {
	uint32_t pid, cpu;	/* SNAPSHOT_NONE unknown */
	uint64_t address;	/* task_struct, 0 unknown */
	const char *comm;
	enum task_state state;
	bool active;		/* said to be on its CPU: > in ps, "(active)" */
	bool has_header;	/* told by crash itself; false: by the command typed, or nameless */
	bool user;		/* its outermost registers are of user mode */
	struct stack stack;	/* innermost first, contexts not yet assigned */
	uint32_t nmi_frames;	/* this many of them are on the NMI stack by crash's border line */
	uint32_t order;		/* in the text */
};

struct crash_session {
	struct arena *arena;
	struct text_names names;
	const char *release, *version, *machine, *nodename, *panic;
	uint32_t n_cpus;	/* SNAPSHOT_NONE unknown */
	bool has_uptime, has_loadavg;
	double uptime_s, loadavg[3];
	uint32_t panic_pid, panic_cpu; /* SNAPSHOT_NONE unknown */
	const char *panic_comm;
	const char *arch_by_regs; /* by the names of registers, NULL unknown */
	bool another;		/* a session of another machine follows, which was not read */
	struct crash_task *tasks;
	uint32_t n_tasks;
	char *log;		/* lines of the kernel's log; on the heap */
	size_t log_size, log_room;
};

/*
 * Reads @text, cleaned (text_clean.h), in one pass. Strings go to @arena. On success or failure
 * crash_session_done() frees what is on the heap. 0 or -ENOMEM.
 */
int crash_session_scan(struct crash_session *session, struct arena *arena, const char *text,
		       size_t size);
void crash_session_done(struct crash_session *session);

/* A number or a hex number at @p, not touching @end (it may be cut there); NULL when none. */
const char *crash_number(const char *p, const char *end, uint32_t *ret_number);
const char *crash_hex(const char *p, const char *end, uint64_t *ret_value);

/* Registers as crash prints them under a frame: "RAX: ffff88078b0fbfd8". */
struct crash_regs {
	struct regs x86;
	struct regs numbered;	/* R0 (ppc64) or X0 (arm64) and on, as REG_GP + n */
	bool any, nip, pc, eip;
};

/* Takes "NAME: hex" at @p in; the end of it, or NULL when it is no register. */
const char *crash_regs_scan(struct crash_regs *regs, const char *p, const char *end);

/* The set as the snapshot has it. False: none with an instruction pointer. */
bool crash_regs_make(const struct crash_regs *regs, struct regs *ret_regs, const char **ret_arch);

#endif
