// SPDX-License-Identifier: GPL-2.0-or-later
#include "worker.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDLE_MS 5000 /* what was opened ahead is given back after so long without a question */
#define STALE_NS 2000000000ULL /* older than this it may not know modules that came since */

struct worker {
	pid_t pid;
	int fd;
};

struct question {
	uint32_t prepare_only;
	uint32_t pad;
	struct watch_finding finding;
};

static void child_run(int fd, const struct config *config, const struct probes *probes)
{
	struct live *live = NULL;
	struct watch_limits limits;
	uint64_t opened = 0;
	struct msgs msgs;

	msgs_init(&msgs);
	watch_limits_from(config, &limits);
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		struct incident_report report;
		struct question question;

		if (poll(&pfd, 1, live ? IDLE_MS : -1) == 0) {
			live_free(live);
			live = NULL;
			malloc_trim(0);
			continue;
		}
		if (recv(fd, &question, sizeof(question), 0) != sizeof(question))
			break;
		if (live && clock_monotonic() - opened > STALE_NS) {
			live_free(live);
			live = NULL;
		}
		if (!live)
			opened = clock_monotonic();
		if (!live &&
		    live_open(&msgs, config->kernel_memory ? "/proc/kcore" : NULL, &live) < 0)
			live = NULL;
		if (question.prepare_only)
			continue;
		memset(&report, 0, sizeof(report));
		if (live)
			incident_make(config, probes, live, &limits, &question.finding, &report);
		else
			report.result = -ENOMEM;
		live_free(live);
		live = NULL;
		if (send(fd, &report, sizeof(report), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

int worker_new(const struct config *config, const struct probes *probes,
	       struct worker **ret_worker)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int pair[2];
	sigset_t none;

	if (!worker)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(worker);
		return -errno;
	}
	worker->fd = pair[0];
	worker->pid = fork();
	if (worker->pid == 0) {
		close(pair[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "holdupd-worker");
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		child_run(pair[1], config, probes);
	}
	close(pair[1]);
	if (worker->pid < 0) {
		int r = -errno;

		close(pair[0]);
		free(worker);
		return r;
	}
	*ret_worker = worker;
	return 0;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	close(worker->fd);
	kill(worker->pid, SIGKILL);
	/* One that hangs in the kernel is init's to reap. */
	for (int i = 0; i < 20 && waitpid(worker->pid, NULL, WNOHANG) == 0; i++)
		usleep(5000);
	free(worker);
}

pid_t worker_pid(const struct worker *worker)
{
	return worker->pid;
}

int worker_fd(const struct worker *worker)
{
	return worker->fd;
}

static int question_send(struct worker *worker, const struct question *question)
{
	return send(worker->fd, question, sizeof(*question), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
		       -errno :
		       0;
}

int worker_prepare(struct worker *worker)
{
	return question_send(worker, &(struct question){ .prepare_only = 1 });
}

int worker_ask(struct worker *worker, const struct watch_finding *finding)
{
	return question_send(worker, &(struct question){ .finding = *finding });
}

int worker_report(struct worker *worker, struct incident_report *ret_report)
{
	ssize_t n = recv(worker->fd, ret_report, sizeof(*ret_report), MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return n == sizeof(*ret_report) ? 0 : -EPIPE;
}
