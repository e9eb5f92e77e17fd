// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <syslog.h>

#include "config.h"
#include "doctor.h"
#include "journal.h"
#include "manager.h"

#define HOLDUPD_VERSION "0.1"

static void print_help(FILE *file)
{
	fputs("Usage: holdupd [OPTION...]\n"
	      "\n"
	      "Watches the running kernel for lockups, and saves who holds it up.\n"
	      "\n"
	      "  --config FILE     in place of " CONFIG_PATH "\n"
	      "  --directory DIR   save incidents here, whatever the configuration says\n"
	      "  --for TIME        end after so long (30s, 5min)\n"
	      "  --doctor          print what this host allows, and what is lost; end\n"
	      "  --check           read the configuration, say what is wrong with it, end\n"
	      "  --help, --version\n",
	      file);
}

struct arguments {
	const char *config_path, *directory;
	uint64_t for_ns;
	bool check, doctor, done;
};

/* 0, or -EINVAL after saying why. */
static int arguments_parse(struct arguments *args, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "directory", required_argument, NULL, 'd' },
		{ "for", required_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 'k' },
		{ "doctor", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int option;

	args->config_path = CONFIG_PATH;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			args->config_path = optarg;
			break;
		case 'd':
			args->directory = optarg;
			break;
		case 'f':
			if (config_parse_time(optarg, &args->for_ns) < 0 || !args->for_ns) {
				fprintf(stderr, "holdupd: --for: '%s' is not a time\n", optarg);
				return -EINVAL;
			}
			break;
		case 'k':
			args->check = true;
			break;
		case 'o':
			args->doctor = true;
			break;
		case 'h':
			print_help(stdout);
			args->done = true;
			return 0;
		case 'v':
			puts("holdupd " HOLDUPD_VERSION);
			args->done = true;
			return 0;
		default:
			return -EINVAL;
		}
	}
	if (optind != argc || (args->directory && (args->directory[0] != '/' ||
						   strlen(args->directory) > 200))) {
		fputs("holdupd: no arguments but options; DIR is an absolute path\n", stderr);
		return -EINVAL;
	}
	return 0;
}

static int messages_say(const struct msgs *msgs, int priority)
{
	for (size_t i = 0; i < msgs->n; i++)
		journal_say(priority, "%s", msgs->lines[i]);
	return 1;
}

int main(int argc, char **argv)
{
	struct arguments args = { 0 };
	struct manager *manager;
	struct config config;
	struct msgs msgs;
	size_t seed;
	int r;

	if (arguments_parse(&args, argc, argv) < 0) {
		print_help(stderr);
		return 64;
	}
	if (args.done)
		return 0;
	/*
	 * Or jansson takes its seed from /dev/urandom at the first incident, which on a machine
	 * short of entropy waits for timers of other CPUs: a stuck one's never come.
	 */
	memcpy(&seed, (const void *)getauxval(AT_RANDOM), sizeof(seed));
	json_object_seed(seed ? seed : 1);
	msgs_init(&msgs);
	r = config_read(&msgs, args.config_path, &config);
	if (r == -ENOENT && strcmp(args.config_path, CONFIG_PATH) == 0) {
		config_init(&config);
		r = 0;
	} else if (r == -ENOENT) {
		msgs_add(&msgs, "%s: %s", args.config_path, strerror(-r));
	}
	if (r < 0)
		return messages_say(&msgs, LOG_ERR);
	if (args.check)
		return 0;
	if (args.directory)
		snprintf(config.directory, sizeof(config.directory), "%s", args.directory);
	if (args.doctor)
		return doctor_run(&config);
	r = manager_new(&msgs, &config, args.config_path, args.for_ns, &manager);
	messages_say(&msgs, r < 0 ? LOG_ERR : LOG_WARNING);
	msgs_done(&msgs);
	if (r < 0)
		return 1;
	r = manager_run(manager);
	manager_free(manager);
	return r < 0 ? 1 : 0;
}
