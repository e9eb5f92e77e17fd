/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_RENDER_FIXTURE_H
#define HOLDUP_TESTS_RENDER_FIXTURE_H

#include "snapshot.h"
#include "verdict.h"

/* Snapshots and verdicts on them made by hand, for the tests of the renderers. */

#define FIXTURE_MAX 16

/* A snapshot and a verdict on it, in fixed arrays. */
struct fixture {
	struct snapshot s;
	struct verdict v;
	struct cpu cpus[FIXTURE_MAX];
	struct task tasks[FIXTURE_MAX];
	struct lock locks[FIXTURE_MAX];
	enum role roles[FIXTURE_MAX];
	struct party waiters[FIXTURE_MAX];
	struct edge edges[FIXTURE_MAX];
	struct frame frames[FIXTURE_MAX][FIXTURE_MAX];
	uint32_t graph_tasks[FIXTURE_MAX];
	uint32_t n_stacks;
};

void verdict_blank(struct verdict *v);
void fixture_init(struct fixture *f);

struct task *fixture_task(struct fixture *f, uint32_t pid, const char *comm, enum task_state state);
struct cpu *fixture_cpu(struct fixture *f, uint32_t id, uint32_t pid, const char *comm,
			enum role role);

/* The party on CPU index @cpu, or the sleeping task of index @task when @cpu is SNAPSHOT_NONE. */
struct party fixture_party(const struct fixture *f, uint32_t cpu, uint32_t task,
			   const char *function, const char *module);

/* The case of the ipset transcript, with idle CPUs and the panicking one, whose stack is lost. */
void make_ipset(struct fixture *f);
/* Two CPUs wait for each other's spinlock, a third waits behind them. */
void make_cycle(struct fixture *f);
/* A chain of mutexes: task one waits for two's, two and four for three's, which spins on CPU 2. */
void make_chain(struct fixture *f);
/* Somebody holds a spinlock, nobody can tell who; one CPU was in user mode. */
void make_unknown(struct fixture *f);
/* make_ipset() with @evil for every string that a source can choose. */
void make_hostile(struct fixture *f, const char *evil);

#endif
