/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <pcap.h>

#include <rte_branch_prediction.h>

#include "capture.h"

#define RECORD_HEADER_SIZE 16 /* pcap-savefile(5) */

/*
 * net_pcap calls libpcap and looks away: pcap_next_ex() fails at a record that is broken, and the
 * driver calls it again, which takes whatever comes next for a record; pcap_dump() tells nobody
 * that it could not write. How far a file was read or written is known only where these functions
 * are called, and to read each file once before would double the time that a large one takes and
 * cannot be done with a pipe.
 *
 * So the program has functions of those names itself, as programs have a malloc() of their own: the
 * dynamic linker resolves a plugin's references to those of the executable first. Each calls
 * libpcap's, and keeps to what the driver forgets: behind a record that cannot be read nothing is
 * read, and behind one that cannot be written nothing is written. A file that became full is cut
 * back to its last whole record. What the driver opens otherwise (interfaces) is passed through.
 *
 * A stream is opened and closed by the control thread, and read or written by one lcore between.
 */

struct stream {
	struct stream *next;
	_Atomic(const void *) handle; /* libpcap's; NULL: it is closed. Control: wo */
	char path[PATH_MAX];
	bool is_output;
	FILE *file;   /* of an output */
	bool is_told; /* control: rw */

	/* lcore: rw, until it is closed */
	uint64_t n_pending; /* records that stdio may have in its buffer */
	off_t pending_size; /* bytes of those */
	off_t good_size;    /* bytes of the file with all others, -1: no regular file */
	char why[PCAP_ERRBUF_SIZE];

	/* lcore: wo, any thread: ro */
	_Atomic uint64_t n_records; /* that were read, or that are in the file */
	_Atomic uint64_t n_lost;    /* that are not in the file */
	_Atomic bool has_failed;    /* and `why` says why */

	_Atomic uint64_t n_taken; /* of n_lost, by fc_capture_take_lost_of() */
};

static _Atomic(struct stream *) streams;

/* libpcap's own */
static struct {
	pcap_t *(*open_offline)(const char *path, char *error);
	pcap_t *(*open_offline_with)(const char *path, u_int precision, char *error);
	int (*next_ex)(pcap_t *pcap, struct pcap_pkthdr **header, const u_char **data);
	void (*close)(pcap_t *pcap);
	pcap_dumper_t *(*dump_open)(pcap_t *pcap, const char *path);
	void (*dump)(u_char *dumper, const struct pcap_pkthdr *header, const u_char *data);
	int (*dump_flush)(pcap_dumper_t *dumper);
	void (*dump_close)(pcap_dumper_t *dumper);
} real;

static void *find_real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void find_all_real(void)
{
	*(void **)&real.open_offline = find_real("pcap_open_offline");
	*(void **)&real.open_offline_with = find_real("pcap_open_offline_with_tstamp_precision");
	*(void **)&real.next_ex = find_real("pcap_next_ex");
	*(void **)&real.close = find_real("pcap_close");
	*(void **)&real.dump_open = find_real("pcap_dump_open");
	*(void **)&real.dump = find_real("pcap_dump");
	*(void **)&real.dump_flush = find_real("pcap_dump_flush");
	*(void **)&real.dump_close = find_real("pcap_dump_close");
}

static const void *handle_of(const struct stream *stream)
{
	return atomic_load_explicit(&stream->handle, memory_order_relaxed);
}

static bool has_failed(const struct stream *stream)
{
	return atomic_load_explicit(&stream->has_failed, memory_order_acquire);
}

static struct stream *first_stream(void)
{
	return atomic_load_explicit(&streams, memory_order_acquire);
}

/* The stream of a handle; NULL: it is not one of a file. */
static struct stream *find_stream(const void *handle)
{
	static __thread struct stream *last;
	struct stream *stream = last;

	if (likely(stream != NULL && handle_of(stream) == handle))
		return stream;
	for (stream = first_stream(); stream != NULL; stream = stream->next)
		if (handle_of(stream) == handle)
			break;
	if (stream != NULL)
		last = stream;
	return stream;
}

/* One that is closed and of which nothing is to be reported, or a new one. */
static struct stream *make_stream(void)
{
	struct stream *stream;

	for (stream = first_stream(); stream != NULL; stream = stream->next)
		if (handle_of(stream) == NULL && !has_failed(stream))
			return stream;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return NULL;
	stream->next = first_stream();
	atomic_store_explicit(&streams, stream, memory_order_release);
	return stream;
}

/* Returns 0, or -ENOMEM. */
static int begin_stream(const void *handle, const char *path, bool is_output)
{
	struct stream *stream = find_stream(handle);

	if (stream == NULL)
		stream = make_stream();
	if (stream == NULL)
		return -ENOMEM;
	snprintf(stream->path, sizeof(stream->path), "%s", path);
	stream->is_output = is_output;
	stream->n_pending = 0;
	stream->pending_size = 0;
	atomic_store_explicit(&stream->n_records, 0, memory_order_relaxed);
	atomic_store_explicit(&stream->handle, handle, memory_order_release);
	return 0;
}

static void end_stream(const void *handle)
{
	struct stream *stream = find_stream(handle);

	if (stream != NULL)
		atomic_store_explicit(&stream->handle, NULL, memory_order_relaxed);
}

static void add_count(_Atomic uint64_t *count, uint64_t n)
{
	atomic_store_explicit(
		count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}

static void fail_stream(struct stream *stream, const char *why)
{
	snprintf(stream->why, sizeof(stream->why), "%s", why);
	atomic_store_explicit(&stream->has_failed, true, memory_order_release);
}

/* Reading */

/* A file was looked at before (capture_check.c), a pipe could not be. */
static pcap_t *begin_input(pcap_t *pcap, const char *path, char *error)
{
	const char *type;

	if (pcap == NULL)
		return NULL;
	if (pcap_datalink(pcap) != DLT_EN10MB) {
		type = pcap_datalink_val_to_name(pcap_datalink(pcap));
		snprintf(error, PCAP_ERRBUF_SIZE, "it has link type %s, not Ethernet",
			type != NULL ? type : "unknown");
	} else if (begin_stream(pcap, path, false) == 0) {
		return pcap;
	} else {
		snprintf(error, PCAP_ERRBUF_SIZE, "out of memory");
	}
	real.close(pcap);
	return NULL;
}

pcap_t *pcap_open_offline(const char *path, char *error)
{
	return begin_input(real.open_offline(path, error), path, error);
}

pcap_t *pcap_open_offline_with_tstamp_precision(const char *path, u_int precision, char *error)
{
	return begin_input(real.open_offline_with(path, precision, error), path, error);
}

int pcap_next_ex(pcap_t *pcap, struct pcap_pkthdr **header, const u_char **data)
{
	struct stream *stream = find_stream(pcap);
	int ret;

	if (stream != NULL && unlikely(has_failed(stream)))
		return PCAP_ERROR_BREAK; /* as at the end of a file */
	ret = real.next_ex(pcap, header, data);
	if (stream == NULL)
		return ret;
	if (likely(ret == 1))
		add_count(&stream->n_records, 1);
	else if (ret == PCAP_ERROR)
		fail_stream(stream, pcap_geterr(pcap));
	return ret;
}

void pcap_close(pcap_t *pcap)
{
	end_stream(pcap);
	real.close(pcap);
}

/* Writing */

/* Leave the file as it was when all that is in it was whole. */
static void fail_output(struct stream *stream)
{
	char why[128];

	fail_stream(stream, strerror_r(errno, why, sizeof(why)));
	add_count(&stream->n_lost, stream->n_pending);
	stream->n_pending = 0;
	__fpurge(stream->file);
	if (stream->good_size >= 0 && ftruncate(fileno(stream->file), stream->good_size) != 0)
		stream->good_size = -1; /* its last record stays torn */
}

int pcap_dump_flush(pcap_dumper_t *dumper)
{
	struct stream *stream = find_stream(dumper);

	if (stream == NULL)
		return real.dump_flush(dumper);
	if (unlikely(has_failed(stream)))
		return PCAP_ERROR;
	if (unlikely(fflush(stream->file) != 0)) {
		fail_output(stream);
		return PCAP_ERROR;
	}
	add_count(&stream->n_records, stream->n_pending);
	stream->good_size += stream->good_size >= 0 ? stream->pending_size : 0;
	stream->n_pending = 0;
	stream->pending_size = 0;
	return 0;
}

void pcap_dump(u_char *dumper, const struct pcap_pkthdr *header, const u_char *data)
{
	struct stream *stream = find_stream(dumper);

	if (stream == NULL) {
		real.dump(dumper, header, data);
		return;
	}
	if (unlikely(has_failed(stream))) {
		add_count(&stream->n_lost, 1);
		return;
	}
	real.dump(dumper, header, data);
	stream->n_pending++;
	stream->pending_size += RECORD_HEADER_SIZE + header->caplen;
	if (unlikely(ferror_unlocked(stream->file)))
		fail_output(stream);
}

static void write_header(pcap_dumper_t *dumper)
{
	struct stream *stream = find_stream(dumper);
	struct stat about;
	int fd;

	stream->file = pcap_dump_file(dumper);
	stream->good_size = -1;
	fd = fileno(stream->file);
	if (pcap_dump_flush(dumper) == 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode))
		stream->good_size = lseek(fd, 0, SEEK_CUR);
}

pcap_dumper_t *pcap_dump_open(pcap_t *pcap, const char *path)
{
	pcap_dumper_t *dumper = real.dump_open(pcap, path);

	if (dumper != NULL && begin_stream(dumper, path, true) != 0) {
		real.dump_close(dumper);
		return NULL;
	}
	if (dumper != NULL)
		write_header(dumper);
	return dumper;
}

/* Some file systems say only when a file is closed that it could not be written. */
static void check_close(struct stream *stream)
{
	int fd = dup(fileno(stream->file));

	if (fd >= 0 && close(fd) != 0)
		fail_output(stream);
}

void pcap_dump_close(pcap_dumper_t *dumper)
{
	struct stream *stream = find_stream(dumper);

	if (stream != NULL && pcap_dump_flush(dumper) == 0)
		check_close(stream);
	end_stream(dumper);
	real.dump_close(dumper);
}

/* Telling */

uint64_t fc_capture_take_lost_of(const char *path)
{
	uint64_t n = 0;

	for (struct stream *stream = first_stream(); stream != NULL; stream = stream->next) {
		uint64_t n_lost = atomic_load_explicit(&stream->n_lost, memory_order_relaxed);

		if (!stream->is_output || strcmp(stream->path, path) != 0)
			continue;
		n += n_lost -
		     atomic_exchange_explicit(&stream->n_taken, n_lost, memory_order_relaxed);
	}
	return n;
}

static void tell_input(
	const struct stream *stream, enum fc_severity severity, struct fc_findings *findings)
{
	uint64_t n = atomic_load_explicit(&stream->n_records, memory_order_relaxed);

	fc_findings_add(findings, severity, stream->path,
		"record %" PRIu64 " cannot be read (%s): nothing from there on was forwarded",
		n + 1, stream->why);
}

static void tell_output(
	const struct stream *stream, enum fc_severity severity, struct fc_findings *findings)
{
	uint64_t n = atomic_load_explicit(&stream->n_records, memory_order_relaxed);

	if (severity == FC_WARNING) {
		fc_findings_add(findings, severity, stream->path,
			"cannot be written behind its record %" PRIu64
			" (%s): what is sent to it from now on is lost",
			n, stream->why);
		return;
	}
	fc_findings_add(findings, severity, stream->path,
		"is not complete: %" PRIu64 " frames were written, %" PRIu64 " were not (%s)", n,
		atomic_load_explicit(&stream->n_lost, memory_order_relaxed), stream->why);
}

static void tell_state(
	const struct stream *stream, enum fc_severity severity, struct fc_findings *findings)
{
	if (stream->is_output)
		tell_output(stream, severity, findings);
	else
		tell_input(stream, severity, findings);
}

void fc_capture_tell(struct fc_findings *findings)
{
	for (struct stream *stream = first_stream(); stream != NULL; stream = stream->next) {
		if (!has_failed(stream) || stream->is_told)
			continue;
		stream->is_told = true;
		tell_state(stream, FC_WARNING, findings);
	}
}

void fc_capture_report(struct fc_findings *findings)
{
	for (struct stream *stream = first_stream(); stream != NULL; stream = stream->next)
		if (has_failed(stream))
			tell_state(stream, FC_ERROR, findings);
}
