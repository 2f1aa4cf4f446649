/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/resource.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include <fc_port_name.h>

#include "eal_start.h"
#include "log.h"

#define NAME_SIZE 32

/* The process that has EAL's runtime directory; 0: none has, -1: one that is not seen from here. */
static pid_t find_owner(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	pid_t pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/config", rte_eal_get_runtime_dir());
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = lock.l_pid > 0 ? lock.l_pid : -1;
	close(fd);
	return pid;
}

static void read_process_name(pid_t pid, char name[NAME_SIZE])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(name, NAME_SIZE, file) == NULL)
		snprintf(name, NAME_SIZE, "a process");
	name[strcspn(name, "\n")] = '\0';
	if (file != NULL)
		fclose(file);
}

static void say_owner(const struct fc_eal_options *options, pid_t pid)
{
	char name[NAME_SIZE];

	if (pid < 0) {
		fc_log(FC_ERROR,
			"another process, of another PID namespace, has the --file-prefix '%s'; "
			"stop it, or give this one another --file-prefix",
			options->prefix);
		return;
	}
	read_process_name(pid, name);
	fc_log(FC_ERROR,
		"%s (pid %d) has the --file-prefix '%s' already; stop it, or give this one another "
		"--file-prefix",
		name, (int)pid, options->prefix);
}

/* A --vdev or -a whose device no bus knows; EAL only says "No such device". */
static bool say_strange_device(const struct fc_eal_options *options)
{
	char name[FC_PORT_NAME_SIZE];

	for (uint16_t i = 0; i < options->n_vdevs; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(options->vdevs[i], ","),
			options->vdevs[i]);
		if (fc_port_kind(name) == FC_PORT_VDEV)
			continue;
		fc_log(FC_ERROR,
			"--vdev %s: a vdev's name begins with its driver's (net_pcap0, "
			"net_af_packet0, virtio_user0); of an interface a port is made by "
			"'--vdev net_af_packet0,iface=NAME'",
			options->vdevs[i]);
		return true;
	}
	for (uint16_t i = 0; i < options->n_allows; i++) {
		if (strchr(options->allows[i], ':') != NULL)
			continue;
		fc_log(FC_ERROR,
			"-a %s: not the address of a device (0000:03:00.0); for an interface "
			"'--vdev net_af_packet0,iface=NAME'",
			options->allows[i]);
		return true;
	}
	return false;
}

/* The first number in a file, 0 without one. */
static unsigned long read_count(const char *path)
{
	unsigned long count = 0;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu", &count) != 1)
		count = 0;
	fclose(file);
	return count;
}

/* The hugepages of all sizes that are reserved ("nr_hugepages") or free ("free_hugepages"). */
static unsigned long count_hugepages(const char *which)
{
	char pattern[64];
	unsigned long sum = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/kernel/mm/hugepages/hugepages-*/%s", which);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++)
		sum += read_count(found.gl_pathv[i]);
	globfree(&found);
	return sum;
}

/* Where hugepages are mounted for this EAL; false: nowhere. */
static bool find_hugetlbfs(const struct fc_eal_options *options, char *path, size_t size)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	bool is_found = false;
	struct mntent *mount;

	if (mounts == NULL)
		return false;
	while (!is_found && (mount = getmntent(mounts)) != NULL) {
		is_found = strcmp(mount->mnt_type, "hugetlbfs") == 0 &&
			   (options->huge_dir == NULL || strncmp(options->huge_dir, mount->mnt_dir,
								 strlen(mount->mnt_dir)) == 0);
		if (is_found)
			snprintf(path, size, "%s", mount->mnt_dir);
	}
	endmntent(mounts);
	return is_found;
}

/* What is wrong with hugepages and the right to them; false: nothing that can be seen. */
static bool say_memory(const struct fc_eal_options *options)
{
	static const char mend[] = "'fluxcap-host prepare' reserves and mounts them; for trying "
				   "things out without NICs: --no-huge -m 512";
	char path[PATH_MAX];
	struct rlimit limit;

	if (options->no_huge)
		return false;
	if (count_hugepages("nr_hugepages") == 0)
		fc_log(FC_ERROR, "no hugepages are reserved: %s", mend);
	else if (!options->in_memory && !find_hugetlbfs(options, path, sizeof(path)))
		fc_log(FC_ERROR, "hugepages are reserved, but no hugetlbfs is mounted%s%s: %s",
			options->huge_dir != NULL ? " at " : "",
			options->huge_dir != NULL ? options->huge_dir : "", mend);
	else if (!options->in_memory && access(path, R_OK | W_OK | X_OK) != 0)
		fc_log(FC_ERROR,
			"uid %u may not make files in %s: run it as root, or give that to the "
			"user: "
			"'fluxcap-host prepare --user NAME'",
			(unsigned)geteuid(), path);
	else if (count_hugepages("free_hugepages") == 0)
		fc_log(FC_ERROR, "all %lu hugepages are in use: stop who has them, or reserve more",
			count_hugepages("nr_hugepages"));
	else if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < (64UL << 20) &&
		 geteuid() != 0)
		fc_log(FC_ERROR,
			"uid %u may lock %lu KiB of memory only: 'ulimit -l unlimited', or "
			"LimitMEMLOCK=infinity in the unit",
			(unsigned)geteuid(), (unsigned long)limit.rlim_cur >> 10);
	else
		return false;
	return true;
}

/* Whether this user can write where EAL keeps what it shares; else a message. */
static bool say_runtime(void)
{
	const char *path = rte_eal_get_runtime_dir();

	if (path[0] == '\0' || access(path, W_OK) == 0)
		return false;
	fc_log(FC_ERROR,
		"uid %u may not write to %s (%s): run it as root, or set RUNTIME_DIRECTORY to a "
		"directory of that user",
		(unsigned)geteuid(), path, strerror(errno));
	return true;
}

static void refuse_secondary(const struct fc_eal_options *options, pid_t owner)
{
	char name[NAME_SIZE] = "another process";

	if (owner > 0)
		read_process_name(owner, name);
	fc_log(FC_ERROR,
		"--proc-type=%s: fluxcap is always a primary process, and %s (pid %d) has the "
		"--file-prefix '%s'; leave --proc-type out, and give this one another "
		"--file-prefix",
		options->process, name, (int)owner, options->prefix);
}

static void say_options(const struct fc_eal_options *options)
{
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);

	if (n_cpus > 0 && options->last_cpu >= (unsigned long)n_cpus)
		fc_log(FC_ERROR,
			"EAL's options (before --) name CPU %u, and this machine has 0..%ld; see "
			"-l and "
			"--lcores",
			options->last_cpu, n_cpus - 1);
	else
		fc_log(FC_ERROR,
			"EAL does not take its options (those before --): its first message "
			"says which");
}

/* What is seen of the cause. */
static void explain_error(const struct fc_eal_options *options, int error)
{
	pid_t owner = options->no_shconf || options->in_memory ? 0 : find_owner();

	if (error == ENODEV && say_strange_device(options))
		return;
	if (error == EINVAL || error == ENOTSUP)
		say_options(options);
	else if (owner != 0 && options->process != NULL)
		refuse_secondary(options, owner);
	else if (owner != 0)
		say_owner(options, owner);
	else if (!say_memory(options) && !say_runtime())
		fc_log(FC_ERROR, "EAL does not start%s%s: its messages above say why",
			error != 0 ? ": " : "", error != 0 ? rte_strerror(error) : "");
}

int fc_eal_start(int n, char **argv, const struct fc_eal_options *options)
{
	int error;

	if (options->process != NULL && strcmp(options->process, "secondary") == 0) {
		fc_log(FC_ERROR,
			"--proc-type=secondary: fluxcap is always a primary process, with "
			"ports and memory of its own; leave --proc-type out, and give each "
			"its own --file-prefix");
		return -EINVAL;
	}
	if (!options->has_syslog)
		fc_log_take_eal();
	if (rte_eal_init(n, argv) < 0) {
		error = rte_errno;
		explain_error(options, error);
		return error == EINVAL || error == ENOTSUP || error == ENODEV ? -EINVAL : -EIO;
	}
	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		return 0;
	refuse_secondary(options, find_owner());
	rte_eal_cleanup();
	return -EINVAL;
}
