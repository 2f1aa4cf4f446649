/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "report.h"
#include "stats_file.h"

static void add_number(void *to, const char *name, uint64_t value)
{
	json_object_set_new(to, name, json_integer((json_int_t)value));
}

static void add_difference(void *to, const char *name, int64_t value)
{
	json_object_set_new(to, name, json_integer(value));
}

static void add_text(void *to, const char *name, const char *value)
{
	json_object_set_new(to, name, json_string(value));
}

static struct fc_sink sink_into(json_t *object)
{
	return (struct fc_sink){ object, add_number, add_difference, add_text };
}

/* A new object that belongs to @parent; NULL parents and out of memory give NULL, which is allowed
 * everywhere below: jansson then refuses, and the missing root is noticed at the end. */
static json_t *add_object(json_t *parent, const char *name)
{
	json_t *object = json_object();

	return json_object_set_new(parent, name, object) == 0 ? object : NULL;
}

static void add_feeds(
	json_t *feeds, const struct fc_engine *engine, const struct fc_config *config, uint16_t tap)
{
	json_t *outputs = add_object(feeds, config->taps[tap].name);

	for (uint16_t o = 0; o < config->n_outputs; o++) {
		json_t *object = json_object();
		struct fc_sink sink = sink_into(object);

		if (fc_report_feed(engine, tap, o, &sink))
			json_object_set_new(outputs, config->outputs[o].name, object);
		else
			json_decref(object);
	}
}

static json_t *collect(const struct fc_engine *engine, const struct fc_config *config)
{
	json_t *root = json_object();
	json_t *taps = add_object(root, "taps");
	json_t *outputs = add_object(root, "outputs");
	json_t *feeds = add_object(root, "feeds");
	struct fc_sink sink;

	for (uint16_t t = 0; t < config->n_taps; t++) {
		sink = sink_into(add_object(taps, config->taps[t].name));
		fc_report_tap(engine, t, &sink);
		add_feeds(feeds, engine, config, t);
	}
	for (uint16_t o = 0; o < config->n_outputs; o++) {
		sink = sink_into(add_object(outputs, config->outputs[o].name));
		fc_report_output(engine, o, &sink);
	}
	return root;
}

int fc_stats_file_write(
	const struct fc_engine *engine, const struct fc_config *config, const char *path)
{
	FILE *stream = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	json_t *root;
	int ret = 0;

	if (stream == NULL) {
		ret = -errno;
		fprintf(stderr, "fluxcap: %s: cannot write the statistics: %s\n", path,
			strerror(-ret));
		return ret;
	}
	errno = 0;
	root = collect(engine, config);
	if (json_dumpf(root, stream, JSON_INDENT(2)) != 0 || fputc('\n', stream) == EOF)
		ret = errno != 0 ? -errno : -ENOMEM;
	json_decref(root);
	/* A full disk may show only here. */
	if ((stream == stdout ? fflush(stream) : fclose(stream)) != 0 && ret == 0)
		ret = -errno;
	if (ret != 0)
		fprintf(stderr, "fluxcap: %s: cannot write the statistics: %s\n", path,
			strerror(-ret));
	return ret;
}
