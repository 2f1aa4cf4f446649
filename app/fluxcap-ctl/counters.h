/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_COUNTERS_H
#define FC_CTL_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

/** Bytes of a name with its NUL; longer names are cut when they are read. */
#define FC_ROW_NAME_SIZE 64

/** What a row is about. */
enum fc_row_kind {
	FC_ROW_TAP,
	FC_ROW_OUTPUT,
	FC_ROW_FEED,
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
	FC_MALFORMED_CUT,	/**< of FC_MALFORMED */
	FC_MALFORMED_NO_LENGTH, /**< of FC_MALFORMED */
	FC_BAD_CHECKSUM,	/**< of any */
	FC_FRAGMENTS_TIMED_OUT,
	FC_FRAGMENTS_REFUSED,
	FC_FRAGMENTS_TABLE_FULL,
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
	FC_FLAPS,	 /**< how often the link went up or down */
	FC_QUEUED,	 /**< a level, not a counter: packets */
	FC_QUEUED_BYTES, /**< a level */
	FC_RING_BYTES,	 /**< a level: the size of a tap's ring */
	FC_RING_BUFFERS, /**< a level: that size in buffers; a packet takes at least one */
	FC_POOL_SIZE,	 /**< a level: mbufs */
	FC_POOL_FREE,	 /**< a level: mbufs */
	FC_N_VALUES,
};

/** One value in a set of them. */
#define FC_BIT(value) (UINT32_C(1) << (value))

/** Losses of a tap because fluxcap did not keep up. */
#define FC_MISSED (FC_BIT(FC_RX_MISSED) | FC_BIT(FC_RX_NOMBUF) | FC_BIT(FC_NOMBUF))
/** Losses of a tap because of what it was sent. */
#define FC_BAD                                                                                     \
	(FC_BIT(FC_MALFORMED) | FC_BIT(FC_RX_ERRORS) | FC_BIT(FC_FRAGMENTS_TIMED_OUT) |            \
		FC_BIT(FC_FRAGMENTS_REFUSED) | FC_BIT(FC_FRAGMENTS_TABLE_FULL))
/** Losses of an output besides FC_OVERRUN and FC_HANDOFF_FULL. */
#define FC_OTHER                                                                                   \
	(FC_BIT(FC_UNRESOLVED) | FC_BIT(FC_OVERSIZE) | FC_BIT(FC_NOMBUF) | FC_BIT(FC_TX_REFUSED) | \
		FC_BIT(FC_TX_ERRORS))
/** What the configuration leaves out: not a loss. */
#define FC_LEFT_OUT (FC_BIT(FC_FILTERED) | FC_BIT(FC_SAMPLED_OUT) | FC_BIT(FC_NOT_OURS))
/** What is counted by others already, and said besides. */
#define FC_HINTS                                                                                   \
	(FC_BIT(FC_MALFORMED_CUT) | FC_BIT(FC_MALFORMED_NO_LENGTH) | FC_BIT(FC_BAD_CHECKSUM))
/** All losses of any kind of row. */
#define FC_LOSSES (FC_MISSED | FC_BAD | FC_OTHER | FC_BIT(FC_OVERRUN) | FC_BIT(FC_HANDOFF_FULL))

/** What one tap, output, feed or lcore said at one moment, and how that has changed. */
struct fc_row {
	enum fc_row_kind kind;
	char name[FC_ROW_NAME_SIZE];   /**< printable; of a feed: its tap's */
	char output[FC_ROW_NAME_SIZE]; /**< printable; of a feed: its output's, else empty */
	char port[FC_ROW_NAME_SIZE];   /**< printable; of a tap and an output */
	char note[16];		       /**< printable: state of a port, role of an lcore */
	uint64_t time_ns;	       /**< when; any clock that only goes forward */
	uint32_t known;		       /**< which of the values it said */
	uint64_t values[FC_N_VALUES];

	/* From fc_sample_compare(): */
	double rates[FC_N_VALUES]; /**< levels as they are, else per second; NAN: not known */
	double backlog;		   /**< packets that wait; NAN: not known */
	double ring_share;	   /**< of the tap's ring that they take, 0..1; NAN: not known */
	bool has_lost;		   /**< lost something in any interval that was compared */
};

/** All rows of one refresh. */
struct fc_sample {
	char version[32];  /**< printable */
	char config[256];  /**< printable; empty: none */
	uint64_t uptime_s; /**< UINT64_MAX: not known */
	long long pid;	   /**< 0: not known */
	uint64_t time_ns;  /**< when it was asked for; the rows' clock */
	time_t when;	   /**< the same for people; 0: not known */
	double interval_s; /**< from fc_sample_compare(): the time that the rates are about, or 0 */
	size_t n_rows;
	struct fc_row *rows; /**< grown by fc_sample_add() */
};

/** The field of telemetry that has a value (enum fc_value) of one kind of rows. */
const char *fc_value_name(enum fc_row_kind kind, int value);

/**
 * Read what a process said about one tap, output, feed or lcore.
 *
 * Fields that are missing, below zero or not whole numbers are not known; others are left out.
 *
 * @param row      Overwritten; its rates are not known.
 * @param name     Its name; made printable. Of a feed: TAP,OUTPUT.
 * @param answer   A JSON object.
 * @param time_ns  When the answer came.
 */
void fc_row_read(struct fc_row *row, enum fc_row_kind kind, const char *name, const json_t *answer,
	uint64_t time_ns);

/**
 * Work out the change per second of each counter, and take the levels as they are.
 *
 * A counter that is not known in both rows has no rate: NAN. So have all when no time has passed,
 * or when one of fluxcap's own counters went back: the tap or output was made anew since. A counter
 * of the NIC that went back is alone without a rate: a port may be reset.
 *
 * @param row     The later row; gets its rates.
 * @param before  The earlier row of the same name and kind, or NULL when there is none.
 */
void fc_row_compare(struct fc_row *row, const struct fc_row *before);

/**
 * The sum of some rates; those that are NAN count as nothing beside others.
 *
 * @param values  A set of FC_BIT().
 * @return        The sum, NAN when none of them is a number.
 */
double fc_row_sum(const struct fc_row *row, uint32_t values);

/** Whether a row lost packets in the last interval. */
bool fc_row_is_losing(const struct fc_row *row);

/** Whether a port is said to be in another state than up. False for a row that says nothing. */
bool fc_row_is_down(const struct fc_row *row);

/** An empty sample, or NULL when out of memory. */
struct fc_sample *fc_sample_new(void);

/** Free a sample. NULL is allowed. */
void fc_sample_free(struct fc_sample *sample);

/** Add a row to fill in. It is valid until the next one is added; NULL when out of memory. */
struct fc_row *fc_sample_add(struct fc_sample *sample);

/** Read the answer to /fluxcap/info. What is missing or of another type is not known. */
void fc_sample_read_info(struct fc_sample *sample, const json_t *info);

/** The row of the same kind and name as another, or NULL. @p sample may be NULL. */
const struct fc_row *fc_sample_find(const struct fc_sample *sample, const struct fc_row *like);

/**
 * Fill in the rates, backlogs and shares of all rows.
 *
 * @param now     Of one process.
 * @param before  An earlier sample of the same process, or NULL: there are no rates.
 */
void fc_sample_compare(struct fc_sample *now, const struct fc_sample *before);

/** Whether two samples are of one process that ran on: its uptime tells where its pid does not. */
bool fc_sample_is_same_process(const struct fc_sample *now, const struct fc_sample *before);

/** The same rows with nothing known of them; NULL when out of memory. */
struct fc_sample *fc_sample_blank(const struct fc_sample *sample);

/**
 * Say which taps and outputs came and went, and which links changed unseen, between two samples.
 *
 * @param text  Gets a line without a newline, empty when there is nothing to say; ends in '~' when
 *              it had to be cut.
 */
void fc_sample_changes(
	char *text, size_t size, const struct fc_sample *now, const struct fc_sample *before);

/**
 * Add up the rows of one kind.
 *
 * What a port counts is counted once where several rows share a port. The backlog is the sum, the
 * share of the ring the greatest one.
 *
 * @param total  Overwritten.
 * @return       Number of rows.
 */
size_t fc_sample_total(struct fc_row *total, const struct fc_sample *sample, enum fc_row_kind kind);

#endif
