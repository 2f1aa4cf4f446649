/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <pcap.h>

#include <rte_common.h>
#include <rte_kvargs.h>

#include "capture.h"

#define MAX_LINKS 40 /* as the kernel follows, path_resolution(7) */

/* What makes a file that file, under whatever name: of one that does not exist yet its folder. */
struct identity {
	dev_t device;
	ino_t inode;
	mode_t mode; /* 0: it does not exist yet */
	char name[NAME_MAX + 1];
};

struct file {
	const char *port; /* that reads or writes it */
	const char *path; /* as it was given */
	bool is_output;
	bool is_known; /* it is in use already */
	struct identity identity;
};

struct check {
	struct file *files;
	size_t n;
	struct fc_vdev vdev; /* whose files are being listed */
	bool is_known;
	bool is_output;
	bool lacks_memory;
};

bool fc_capture_is_device(const char *name)
{
	return strncmp(name, "net_pcap", 8) == 0 || strncmp(name, "eth_pcap", 8) == 0;
}

static void __attribute__((format(printf, 3, 4)))
complain(struct fc_findings *findings, const struct file *file, const char *format, ...)
{
	char place[128], text[PATH_MAX + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(place, sizeof(place), "port %s", file->port);
	fc_findings_add(findings, FC_ERROR, place, "%s %s", file->path, text);
}

/* libpcap's name for standard input and output. */
static const char *real_path(const struct file *file)
{
	if (strcmp(file->path, "-") != 0)
		return file->path;
	return file->is_output ? "/dev/stdout" : "/dev/stdin";
}

/* Of a file that does not exist: its folder and its name there. */
static int identify_missing(char path[PATH_MAX], struct identity *identity)
{
	char *slash = strrchr(path, '/');
	const char *folder = ".", *name = path;
	struct stat about;

	if (slash != NULL) {
		name = slash + 1;
		*slash = '\0';
		folder = slash == path ? "/" : path;
	}
	if (stat(folder, &about) != 0 || faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
		return -errno;
	if (strlen(name) >= sizeof(identity->name))
		return -ENAMETOOLONG;
	*identity = (struct identity){ .device = about.st_dev, .inode = about.st_ino };
	memcpy(identity->name, name, strlen(name) + 1);
	return 0;
}

/* Put in place of a symbolic link what it points at. */
static int follow_link(char path[PATH_MAX])
{
	char target[PATH_MAX], whole[2 * PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	char *slash = strrchr(path, '/');

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (target[0] == '/' || slash == NULL)
		snprintf(whole, sizeof(whole), "%s", target);
	else
		snprintf(whole, sizeof(whole), "%.*s/%s", (int)(slash - path), path, target);
	if (strlen(whole) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, whole, strlen(whole) + 1);
	return 0;
}

static int identify_file(const struct file *file, struct identity *identity)
{
	char path[PATH_MAX];
	struct stat about;

	if (snprintf(path, sizeof(path), "%s", real_path(file)) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (stat(path, &about) == 0) {
		*identity = (struct identity){ about.st_dev, about.st_ino, about.st_mode, "" };
		return 0;
	}
	if (errno != ENOENT || !file->is_output)
		return -errno;
	for (int i = 0; i < MAX_LINKS && lstat(path, &about) == 0; i++) {
		int ret = follow_link(path);

		if (ret != 0)
			return ret;
	}
	return identify_missing(path, identity);
}

/* Whether a file can be lost to another's output; a device such as /dev/null cannot. */
static bool can_be_lost(const struct identity *identity)
{
	return identity->mode == 0 || S_ISREG(identity->mode) || S_ISFIFO(identity->mode);
}

static bool are_same(const struct file *a, const struct file *b)
{
	return can_be_lost(&a->identity) && a->identity.device == b->identity.device &&
	       a->identity.inode == b->identity.inode &&
	       strcmp(a->identity.name, b->identity.name) == 0;
}

static int check_input(const struct file *file, struct fc_findings *findings)
{
	char error[PCAP_ERRBUF_SIZE];
	const char *type;
	FILE *stream;
	pcap_t *pcap;
	int ret = 0;

	if (S_ISDIR(file->identity.mode)) {
		complain(findings, file, "cannot be read: %s", strerror(EISDIR));
		return -EINVAL;
	}
	if (!S_ISREG(file->identity.mode)) /* what is read here would be missing there */
		return 0;
	stream = fopen(real_path(file), "rbe");
	if (stream == NULL) {
		complain(findings, file, "cannot be read: %s", strerror(errno));
		return -EINVAL;
	}
	pcap = pcap_fopen_offline(stream, error);
	if (pcap == NULL) {
		fclose(stream);
		complain(findings, file, "is no capture: %s", error);
		return -EINVAL;
	}
	if (pcap_datalink(pcap) != DLT_EN10MB) {
		type = pcap_datalink_val_to_name(pcap_datalink(pcap));
		if (type != NULL)
			complain(findings, file, "has link type %s, not Ethernet", type);
		else
			complain(findings, file, "has link type %d, not Ethernet",
				pcap_datalink(pcap));
		ret = -EINVAL;
	}
	pcap_close(pcap);
	return ret;
}

static int check_output(const struct file *file, struct fc_findings *findings)
{
	if (S_ISDIR(file->identity.mode))
		errno = EISDIR;
	else if (file->identity.mode == 0 ||
		 faccessat(AT_FDCWD, real_path(file), W_OK, AT_EACCESS) == 0)
		return 0;
	complain(findings, file, "cannot be written: %s", strerror(errno));
	return -EINVAL;
}

/* Compare with the files before it in the list. */
static int check_others(const struct check *check, size_t i, struct fc_findings *findings)
{
	const struct file *file = &check->files[i];

	for (size_t j = 0; j < i; j++) {
		const struct file *other = &check->files[j];
		bool has_its_name = strcmp(file->path, other->path) == 0;

		if ((!file->is_output && !other->is_output) || !are_same(file, other))
			continue;
		complain(findings, file,
			other->is_output ? "is the file that %s writes%s%s"
					 : "is the file that %s reads%s%s",
			other->port, has_its_name ? "" : " as ", has_its_name ? "" : other->path);
		return -EINVAL;
	}
	return 0;
}

static int check_file(struct check *check, size_t i, struct fc_findings *findings)
{
	struct file *file = &check->files[i];
	int ret = identify_file(file, &file->identity);

	if (file->is_known)
		return 0;
	if (ret != 0) {
		complain(findings, file,
			file->is_output ? "cannot be written: %s" : "cannot be read: %s",
			strerror(-ret));
		return -EINVAL;
	}
	ret = file->is_output ? check_output(file, findings) : check_input(file, findings);
	return ret == 0 ? check_others(check, i, findings) : ret;
}

static int list_file(const char *key, const char *value, void *opaque)
{
	struct check *check = opaque;
	struct file *list;
	char *path = value != NULL ? strdup(value) : NULL;

	RTE_SET_USED(key);
	if (value == NULL) /* the driver says what it lacks */
		return 0;
	list = realloc(check->files, (check->n + 1) * sizeof(*list));
	if (list != NULL)
		check->files = list;
	if (list == NULL || path == NULL) {
		free(path);
		check->lacks_memory = true;
		return 0;
	}
	list[check->n++] = (struct file){
		.port = check->vdev.name,
		.path = path,
		.is_output = check->is_output,
		.is_known = check->is_known,
	};
	return 0;
}

static void list_files(struct check *check, const char *key, bool is_output)
{
	struct rte_kvargs *args = rte_kvargs_parse(check->vdev.args, NULL);

	check->is_output = is_output;
	if (args != NULL)
		rte_kvargs_process(args, key, list_file, check);
	rte_kvargs_free(args);
}

int fc_capture_check(
	const struct fc_vdev *vdevs, size_t n, size_t n_known, struct fc_findings *findings)
{
	struct check check = { 0 };
	int ret = 0;

	for (size_t i = 0; i < n; i++) {
		if (!fc_capture_is_device(vdevs[i].name))
			continue;
		check.vdev = vdevs[i];
		check.is_known = i < n_known;
		list_files(&check, "rx_pcap", false);
		list_files(&check, "tx_pcap", true);
	}
	if (check.lacks_memory) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		ret = -EINVAL;
	}
	for (size_t i = 0; i < check.n; i++)
		if (check_file(&check, i, findings) != 0)
			ret = -EINVAL;
	for (size_t i = 0; i < check.n; i++)
		free((char *)(uintptr_t)check.files[i].path);
	free(check.files);
	return ret;
}

static int add_lost(const char *key, const char *value, void *opaque)
{
	RTE_SET_USED(key);
	if (value != NULL)
		*(uint64_t *)opaque += fc_capture_take_lost_of(value);
	return 0;
}

uint64_t fc_capture_take_lost(const char *args)
{
	struct rte_kvargs *list = rte_kvargs_parse(args, NULL);
	uint64_t n_lost = 0;

	if (list != NULL)
		rte_kvargs_process(list, "tx_pcap", add_lost, &n_lost);
	rte_kvargs_free(list);
	return n_lost;
}
