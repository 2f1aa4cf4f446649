/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_COUNTERS_H
#define FC_CTL_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/** Bytes of a name with its NUL; longer names are cut when they are read. */
#define FC_ROW_NAME_SIZE 64

/** What a row is about. */
enum fc_row_kind {
	FC_ROW_TAP,
	FC_ROW_OUTPUT,
	FC_ROW_LCORE,
};

/** The values of a row. Not every kind of row has all of them. */
enum fc_value {
	FC_PACKETS, /**< rx_packets or tx_packets */
	FC_BYTES,   /**< rx_bytes or tx_bytes */
	FC_RX_MISSED,
	FC_RX_NOMBUF,
	FC_RX_ERRORS,
	FC_NOT_OURS,
	FC_MALFORMED,
	FC_FILTERED,
	FC_SAMPLED_OUT,
	FC_NOMBUF,
	FC_HANDOFF_FULL,
	FC_OVERRUN,
	FC_UNRESOLVED,
	FC_OVERSIZE,
	FC_TX_REFUSED,
	FC_TX_ERRORS,
	FC_BUSY_CYCLES,
	FC_IDLE_CYCLES,
	FC_QUEUED,    /**< a level, not a counter: packets */
	FC_POOL_SIZE, /**< a level: mbufs */
	FC_POOL_FREE, /**< a level: mbufs */
	FC_N_VALUES,
};

/** One value in a set of them. */
#define FC_BIT(value) (UINT32_C(1) << (value))

/** What one tap, output or lcore said at one moment. */
struct fc_row {
	enum fc_row_kind kind;
	char name[FC_ROW_NAME_SIZE]; /**< printable */
	char note[16];		     /**< printable: the link of a port, the role of an lcore */
	uint64_t time_ns;	     /**< when; any clock that only goes forward */
	uint32_t known;		     /**< which of the values it said */
	uint64_t values[FC_N_VALUES];
};

/** All rows of one refresh. */
struct fc_sample {
	char version[32];  /**< printable */
	char config[256];  /**< printable; empty: none */
	uint64_t uptime_s; /**< UINT64_MAX: not known */
	long long pid;	   /**< 0: not known */
	size_t n_rows;
	struct fc_row *rows; /**< grown by fc_sample_add() */
};

/**
 * Read what a process said about one tap, output or lcore.
 *
 * Fields that are missing, below zero or not whole numbers are not known; others are left out.
 *
 * @param row      Overwritten.
 * @param name     Its name; made printable.
 * @param answer   A JSON object.
 * @param time_ns  When the answer came.
 */
void fc_row_read(struct fc_row *row, enum fc_row_kind kind, const char *name, const json_t *answer,
	uint64_t time_ns);

/**
 * The change per second of each counter, and the levels as they are.
 *
 * A counter that is not known in both rows, or that went back (the process or the port started
 * anew), has no rate: NAN. So has everything when no time has passed.
 *
 * @param rates   Gets FC_N_VALUES numbers.
 * @param now     The later row.
 * @param before  The earlier row of the same name and kind, or NULL when there is none.
 */
void fc_row_rates(double *rates, const struct fc_row *now, const struct fc_row *before);

/**
 * The sum of some rates; those that are NAN count as nothing beside others.
 *
 * @param rates   From fc_row_rates().
 * @param values  A set of FC_BIT().
 * @return        The sum, NAN when none of them is a number.
 */
double fc_rates_sum(const double *rates, uint32_t values);

/** An empty sample, or NULL when out of memory. */
struct fc_sample *fc_sample_new(void);

/** Free a sample. NULL is allowed. */
void fc_sample_free(struct fc_sample *sample);

/** Add a row to fill in. It is valid until the next one is added; NULL when out of memory. */
struct fc_row *fc_sample_add(struct fc_sample *sample);

/** Read the answer to /fluxcap/info. What is missing or of another type is not known. */
void fc_sample_read_info(struct fc_sample *sample, const json_t *info);

/** The row of one kind and name, or NULL. @p sample may be NULL. */
const struct fc_row *fc_sample_find(
	const struct fc_sample *sample, enum fc_row_kind kind, const char *name);

#endif
