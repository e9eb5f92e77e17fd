// SPDX-License-Identifier: GPL-2.0-or-later
/* holdup list and holdup show: the incidents that holdupd saved. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "render/escape.h"

#define DIRECTORY "/var/lib/holdup"
#define SCHEMA "holdup.incident/1"

/* Strings of a file are no more to be trusted than those of a dump. */
static void print_safe(const char *text)
{
	char *safe = text ? text_escape(text, strlen(text), false) : NULL;

	fputs(safe ? safe : "?", stdout);
	free(safe);
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static json_t *incident_load(const char *path)
{
	json_error_t error;
	json_t *json = json_load_file(path, 0, &error);

	if (!json) {
		fprintf(stderr, "holdup: %s: line %d: %s\n", path, error.line, error.text);
		return NULL;
	}
	if (strcmp(string_of(json, "schema"), SCHEMA) == 0)
		return json;
	fprintf(stderr, "holdup: %s: not an incident (" SCHEMA ")\n", path);
	json_decref(json);
	return NULL;
}

static int is_incident(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

/* The folder's incidents, oldest first. The number, or -errno after saying it. */
static int names_read(const char *directory, struct dirent ***ret_names)
{
	int n = scandir(directory, ret_names, is_incident, alphasort);

	if (n >= 0)
		return n;
	n = -errno;
	fprintf(stderr, "holdup: %s: %s\n", directory, strerror(-n));
	return n;
}

static void list_one(const char *name, const json_t *json)
{
	printf("%-20s  %-8s  %4lld  ", string_of(json, "time"), string_of(json, "level"),
	       (long long)json_integer_value(json_object_get(json, "count")));
	print_safe(string_of(json, "summary"));
	printf("\n%22s%s\n", "", name);
}

static int list_run(const char *directory)
{
	struct dirent **names;
	int n = names_read(directory, &names), unread = 0;

	if (n < 0)
		return STATUS_UNREADABLE;
	if (n == 0)
		printf("No incidents in %s.\n", directory);
	for (int i = 0; i < n; i++) {
		char path[4096];
		json_t *json;

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
		json = incident_load(path);
		if (json)
			list_one(names[i]->d_name, json);
		else
			unread++;
		json_decref(json);
		free(names[i]);
	}
	free(names);
	return unread ? STATUS_PARTIAL : STATUS_COMPLETE;
}

static void print_sentences(const char *title, const json_t *array)
{
	const json_t *item;
	size_t i;

	if (!json_array_size(array))
		return;
	printf("\n%s\n", title);
	json_array_foreach(array, i, item)
	{
		printf("  %zu. ", i + 1);
		print_safe(json_string_value(item));
		putchar('\n');
	}
}

static void print_stack(const json_t *cpu)
{
	const json_t *frame;
	size_t i;

	printf("  CPU %lld, %s: ", (long long)json_integer_value(json_object_get(cpu, "cpu")),
	       string_of(cpu, "role"));
	print_safe(string_of(cpu, "comm"));
	printf(" (%lld)\n", (long long)json_integer_value(json_object_get(cpu, "pid")));
	json_array_foreach(json_object_get(cpu, "stack"), i, frame)
	{
		const char *module = string_of(frame, "module");

		printf("    %s", json_is_false(json_object_get(frame, "reliable")) ? "? " : "  ");
		print_safe(json_string_value(json_object_get(frame, "function")) ?
				   string_of(frame, "function") :
				   string_of(frame, "address"));
		if (json_is_integer(json_object_get(frame, "offset")))
			printf("+0x%llx", (long long)json_integer_value(
						  json_object_get(frame, "offset")));
		if (*module) {
			fputs(" [", stdout);
			print_safe(module);
			putchar(']');
		}
		if (strcmp(string_of(frame, "context"), "task") != 0)
			printf("  <%s>", string_of(frame, "context"));
		putchar('\n');
	}
}

static void show_one(const json_t *json)
{
	const json_t *verdict = json_object_get(json, "verdict"), *cpu, *probe;
	const json_t *trigger = json_object_get(json, "trigger");
	size_t i;

	print_safe(string_of(json, "summary"));
	printf("\n\nSeen        %s, %s: %s for %.2f s; %lld times\n", string_of(json, "time"),
	       string_of(json, "level"), string_of(trigger, "reason"),
	       json_number_value(json_object_get(trigger, "for_ms")) / 1e3,
	       (long long)json_integer_value(json_object_get(json, "count")));
	printf("Pattern     %s (%s)\n", string_of(verdict, "pattern"), string_of(verdict, "event"));
	printf("Confidence  %.2f\n", json_number_value(json_object_get(verdict, "confidence")));
	printf("Signature   %s\n", string_of(json, "signature"));
	print_sentences("Evidence", json_object_get(verdict, "evidence"));
	print_sentences("Not known", json_object_get(verdict, "unknowns"));
	puts("\nCPU stacks");
	json_array_foreach(json_object_get(verdict, "cpus"), i, cpu) print_stack(cpu);
	json_array_foreach(json_object_get(json, "probes"), i, probe)
	{
		if (json_is_true(json_object_get(probe, "attached")))
			continue;
		printf("\nWithout probe: %s; lost: %s\n", string_of(probe, "name"),
		       string_of(probe, "lost"));
	}
	printf("\nEvents missed by the probes: %lld, waits lost: %lld\n",
	       (long long)json_integer_value(json_object_get(json_object_get(json, "drops"),
							     "missed_events")),
	       (long long)json_integer_value(json_object_get(json_object_get(json, "drops"),
							     "lost_waits")));
}

/* @which: a path, a name in @directory, or the beginning of a signature; NULL: the latest. */
static char *incident_find(const char *directory, const char *which)
{
	struct dirent **names;
	char *found = NULL;
	int n;

	if (which && strchr(which, '/'))
		return strdup(which);
	n = names_read(directory, &names);
	for (int i = n - 1; i >= 0; i--) {
		const char *name = names[i]->d_name, *dash = strchr(name, '-');

		if (!found && (!which || strcmp(which, name) == 0 ||
			       (dash && strncmp(dash + 1, which, strlen(which)) == 0)) &&
		    asprintf(&found, "%s/%s", directory, name) < 0)
			found = NULL;
		free(names[i]);
	}
	if (n >= 0) {
		free(names);
		if (!found)
			fprintf(stderr, "holdup: %s: no %s\n", directory,
				which ? "such incident" : "incidents");
	}
	return found;
}

static int show_run(const char *directory, const char *which, bool as_json)
{
	char *path = incident_find(directory, which);
	json_t *json = path ? incident_load(path) : NULL;

	free(path);
	if (!json)
		return STATUS_UNREADABLE;
	if (as_json) {
		json_dumpf(json, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		show_one(json);
	}
	json_decref(json);
	return STATUS_COMPLETE;
}

static int incidents_command(int argc, char **argv, bool show)
{
	static const struct option options[] = {
		{ "directory", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *directory = DIRECTORY;
	bool as_json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'd') {
			directory = optarg;
		} else if (option == 'j' && show) {
			as_json = true;
		} else if (option == 'h') {
			puts(show ? "Usage: holdup show [--directory DIR] [--json] [INCIDENT]\n\n"
				    "Prints a saved incident: a file, its name in DIR (" DIRECTORY "), the"
				    "\nbeginning of its signature, or, by default, the latest." :
				    "Usage: holdup list [--directory DIR]\n\n"
				    "Lists the incidents that holdupd saved in DIR (" DIRECTORY ").");
			return STATUS_COMPLETE;
		} else {
			return STATUS_USAGE;
		}
	}
	if (argc - optind > (show ? 1 : 0)) {
		fputs("holdup: too many arguments\n", stderr);
		return STATUS_USAGE;
	}
	return show ? show_run(directory, argv[optind], as_json) : list_run(directory);
}

int command_list(int argc, char **argv)
{
	return incidents_command(argc, argv, false);
}

int command_show(int argc, char **argv)
{
	return incidents_command(argc, argv, true);
}
