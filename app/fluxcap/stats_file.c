/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <jansson.h>

#include "log.h"
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

static void add_feeds(json_t *feeds, const struct fc_engine *engine, uint16_t tap)
{
	const struct fc_config *config = fc_engine_config(engine);
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

static json_t *collect(const struct fc_engine *engine)
{
	const struct fc_config *config = fc_engine_config(engine);
	json_t *root = json_object();
	json_t *taps = add_object(root, "taps");
	json_t *outputs = add_object(root, "outputs");
	json_t *feeds = add_object(root, "feeds");
	struct fc_sink sink;

	for (uint16_t t = 0; t < config->n_taps; t++) {
		sink = sink_into(add_object(taps, config->taps[t].name));
		fc_report_tap(engine, t, &sink);
		add_feeds(feeds, engine, t);
	}
	for (uint16_t o = 0; o < config->n_outputs; o++) {
		sink = sink_into(add_object(outputs, config->outputs[o].name));
		fc_report_output(engine, o, &sink);
	}
	return root;
}

static int write_to(FILE *stream, json_t *root)
{
	errno = 0;
	if (json_dumpf(root, stream, JSON_INDENT(2)) != 0 || fputc('\n', stream) == EOF ||
		fflush(stream) != 0)
		return errno != 0 ? -errno : -ENOMEM;
	return 0;
}

static int write_in_place(const char *path, json_t *root)
{
	FILE *stream = fopen(path, "we");
	int ret;

	if (stream == NULL)
		return -errno;
	ret = write_to(stream, root);
	if (fclose(stream) != 0 && ret == 0)
		ret = -errno;
	return ret;
}

/* Write a new file; nothing is left of it when that fails. */
static int write_new(const char *path, mode_t mode, json_t *root)
{
	FILE *stream;
	int fd, ret;

	unlink(path); /* of one that was killed */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	stream = fdopen(fd, "w");
	if (stream == NULL) {
		ret = -errno;
		close(fd);
		goto remove_file;
	}
	ret = write_to(stream, root);
	/* A full disk may show only here. */
	if (ret == 0 && ((mode != 0 && fchmod(fd, mode) != 0) || fsync(fd) != 0))
		ret = -errno;
	if (fclose(stream) != 0 && ret == 0)
		ret = -errno;
	if (ret == 0)
		return 0;

remove_file:
	unlink(path);
	return ret;
}

/* A file that is there stays whole until a whole new one takes its place. */
static int replace(const char *path, json_t *root)
{
	char resolved[PATH_MAX], beside[PATH_MAX + 8];
	struct stat old = { 0 };
	int ret;

	/* Of a link it is the file behind that is replaced. */
	if (realpath(path, resolved) != NULL)
		path = resolved;
	if (stat(path, &old) == 0 && !S_ISREG(old.st_mode))
		return write_in_place(path, root);
	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	ret = write_new(beside, old.st_mode & 07777, root);
	if (ret == 0 && rename(beside, path) != 0) {
		ret = -errno;
		unlink(beside);
	}
	/* Who may write the file but not into its folder gets it written nevertheless, and so does
	 * who has mounted something on the file. */
	if ((ret == -EACCES || ret == -EPERM || ret == -EROFS || ret == -EBUSY) && old.st_mode != 0)
		return write_in_place(path, root);
	return ret;
}

int fc_stats_file_write(const struct fc_engine *engine, const char *path)
{
	json_t *root = collect(engine);
	int ret = strcmp(path, "-") == 0 ? write_to(stdout, root) : replace(path, root);

	json_decref(root);
	if (ret != 0)
		fc_log(FC_ERROR, "%s: cannot write the statistics: %s", path, strerror(-ret));
	return ret;
}

int fc_stats_file_check(const char *path)
{
	char copy[PATH_MAX];
	const char *folder;
	struct stat there;
	int ret = 0;

	if (strcmp(path, "-") == 0)
		return 0;
	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (stat(path, &there) == 0 && S_ISDIR(there.st_mode))
		ret = -EISDIR;
	else if (stat(folder, &there) == 0 && !S_ISDIR(there.st_mode))
		ret = -ENOTDIR;
	/* One that is there may be written in its place, whoever owns the folder. */
	else if (access(path, W_OK) != 0 && access(folder, W_OK | X_OK) != 0)
		ret = -errno;
	if (ret != 0)
		fc_log(FC_ERROR, "--stats-on-exit %s: the file could not be written: %s", path,
			strerror(-ret));
	return ret;
}
