/* SPDX-License-Identifier: MIT */
#ifndef FC_CONFIG_H
#define FC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fc_address.h>
#include <fc_findings.h>
#include <fc_tunnel_type.h>

/**
 * A checked configuration.
 *
 * It comes from a JSON file or from the short form of the command line; both become the same JSON
 * object and are checked by the same tables. Once made it never changes, so any thread may read it.
 * Everything that it points to belongs to it and ends with fc_config_free().
 */

#define FC_NAME_SIZE	   32 /**< a tap's or output's name with its NUL */
#define FC_PORT_NAME_SIZE  64 /**< an ethdev's name with its NUL (RTE_ETH_NAME_MAX_LEN) */
#define FC_MAX_TAPS	   128
#define FC_MAX_OUTPUTS	   128
#define FC_MAX_LCORES	   128
#define FC_MAX_VLAN_PUSH   2
#define FC_DEFAULT_RING	   (UINT64_C(64) << 20) /**< bytes */
#define FC_SAMPLE_ALL	   100.0
#define FC_DEFAULT_TTL	   64
#define FC_MAX_DESCRIPTION 120 /**< bytes */

/** What `vlan` does: first take off up to `pop` tags, then put on `n_push`. IEEE 802.1Q-2018. */
struct fc_vlan_edit {
	uint8_t pop;	/**< 0..2 tags; an untagged frame stays as it is */
	uint8_t n_push; /**< 0..2 tags */
	uint8_t pcp;	/**< 0..7, priority in every pushed tag */
	uint16_t tpid;	/**< of the outermost pushed tag, host order; inner: 0x8100 */
	uint16_t vid[FC_MAX_VLAN_PUSH]; /**< 1..4094, outermost first */
};

/** The edits of a tap or of an output, applied in the order of the fields. */
struct fc_edits {
	char *filter;		  /**< pcap-filter(7) expression, NULL: keep everything */
	double sample;		  /**< percent kept, 0 < p <= 100 */
	struct fc_vlan_edit vlan; /**< all zero but tpid: nothing */
	uint32_t trim;		  /**< bytes off the tail, 0: none */
	uint32_t truncate;	  /**< bytes kept at most, >= 14; 0: all */
};

/**
 * The tunnel that an output sends through. All addresses are of one family and each is that of one
 * host; `remote` is in the network of `local` or link-local (IPv6), or there is a gateway or a MAC
 * address. Without a type the other fields mean nothing.
 */
struct fc_encap {
	enum fc_tunnel_type type;  /**< FC_TUNNEL_NONE: no tunnel */
	struct fc_address local;   /**< this end: outer source, answers ARP and ping */
	struct fc_address remote;  /**< the other end: outer destination, never `local` */
	struct fc_address gateway; /**< next hop, on the link; family 0: `remote` is the next hop */
	uint8_t prefix_length;	   /**< of the network of `local`, bits */
	bool has_mac;		   /**< the next hop's MAC address is fixed; there is no gateway */
	uint8_t mac[FC_MAC_SIZE];  /**< unicast */
	bool has_key;		   /**< always so for VXLAN and Geneve, never for ERSPAN I */
	uint32_t key;		   /**< GRE key, session id 0..1023 or VNI 0..2^24-1; else 0 */
	uint16_t udp_port;	   /**< for VXLAN and Geneve; 0: the usual one */
	uint16_t vlan;		   /**< 1..4094, VLAN ID of the outer frame, 0: untagged */
	uint8_t dscp;		   /**< 0..63, of the outer header (RFC 2474) */
	uint8_t ttl;		   /**< 1..255, TTL or hop limit of the outer header */
	uint16_t mtu; /**< bytes of the outer packet, >= 576 (IPv4) or 1280; 0: the port's */
	enum fc_oversize oversize;
};

/**
 * The tunnel that a tap receives from. No two taps of a port match the same packet. Without a type
 * the other fields mean nothing.
 */
struct fc_decap {
	enum fc_tunnel_type type; /**< FC_TUNNEL_NONE: no tunnel */
	struct fc_address local;  /**< this end: outer destination */
	struct fc_address remote; /**< the other end, outer source; family 0: any */
	bool has_key;		  /**< false: any key, and none; never so for ERSPAN I */
	uint32_t key;		  /**< as in struct fc_encap */
	bool has_vsid;		  /**< for GRETAP, in place of a key */
	uint32_t vsid;		  /**< 0..2^24-1, the key's upper 24 bits (NVGRE) */
	uint16_t udp_port;	  /**< for VXLAN and Geneve; 0: the usual one */
};

struct fc_tap_config {
	char name[FC_NAME_SIZE];
	char port[FC_PORT_NAME_SIZE];
	uint64_t ring;	       /**< bytes that its packets may occupy while outputs catch up */
	struct fc_decap decap; /**< before the edits; every tap of a shared port has one */
	struct fc_edits edits;
	char *description; /**< for people, NULL: none */
};

struct fc_output_config {
	char name[FC_NAME_SIZE];
	char port[FC_PORT_NAME_SIZE];
	uint16_t n_from; /**< >= 1 */
	uint16_t *from;	 /**< indexes into fc_config.taps, no duplicates, in the order written */
	struct fc_edits edits;
	struct fc_encap encap; /**< after the edits */
	char *description;     /**< for people, NULL: none */
};

/** Settings of one port; 0 stands for "choose". */
struct fc_port_config {
	char name[FC_PORT_NAME_SIZE];
	uint16_t mtu;		 /**< bytes, 68..65535 */
	uint16_t rx_queues;	 /**< 1..64 */
	uint16_t rx_descriptors; /**< 32..32768 */
	uint16_t tx_descriptors; /**< 32..32768 */
	bool optional;		 /**< it may be absent when fluxcap starts */
	char *devargs;		 /**< with which to plug it in, may be ""; NULL: leave that */
	char *description;	 /**< for people, NULL: none */
};

struct fc_lcores_config {
	uint16_t n_rx, n_tx;	    /**< 0: choose */
	uint16_t rx[FC_MAX_LCORES]; /**< EAL lcore ids 0..127, none twice */
	uint16_t tx[FC_MAX_LCORES]; /**< EAL lcore ids 0..127, none twice; may be in `rx`, too */
	uint32_t idle_us;	    /**< longest sleep of an lcore that finds nothing, 0..1000000 */
};

struct fc_config {
	uint16_t n_taps, n_outputs, n_ports;
	struct fc_tap_config *taps;	  /**< in the order written */
	struct fc_output_config *outputs; /**< in the order written */
	struct fc_port_config *ports;	  /**< only ports that the file has settings for */
	struct fc_lcores_config lcores;
	char *description; /**< for people, NULL: none */
	char *schema;	   /**< where an editor finds the JSON Schema, NULL: not said */
};

/**
 * What the checker leaves to somebody who knows more than it does. Each may be NULL.
 *
 * So a mistake in, say, a filter is reported together with all others.
 */
struct fc_config_checks {
	/** Add what is wrong with a filter expression, which is at this place. */
	void (*filter)(const char *expression, struct fc_findings *findings, const char *place);
	/** Add what is to be said of a configuration as a whole, when it has no errors so far. */
	void (*whole)(const struct fc_config *config, struct fc_findings *findings);
};

/**
 * Read and check a JSON file (RFC 8259), of 4 MiB at most. Control path only.
 *
 * @param path      The file; "-" is standard input.
 * @param checks    Further checks, NULL: none.
 * @param findings  Gets every mistake with its place. Unreadable, not JSON (with line and column),
 *                  unknown keys (with the nearest known one), wrong types, values out of range,
 *                  names that refer to nothing, ports used twice.
 * @return          The configuration, or NULL when there was at least one error. Warnings alone
 *                  do not make it fail.
 */
struct fc_config *fc_config_load(
	const char *path, const struct fc_config_checks *checks, struct fc_findings *findings);

/**
 * Check a configuration that is in memory as JSON text.
 *
 * @param text  JSON, need not end in NUL.
 * @param size  Bytes of it.
 * As fc_config_load() otherwise.
 */
struct fc_config *fc_config_parse(const char *text, size_t size,
	const struct fc_config_checks *checks, struct fc_findings *findings);

/** One -t or -o of the command line. */
struct fc_short_option {
	char letter;	  /**< 't' or 'o' */
	const char *text; /**< NAME=PORT[,KEY=VALUE...] */
};

/**
 * Turn the short form into the JSON object that it stands for and check that.
 *
 * Nested keys are written with a dot (vlan.push=100), lists with a plus (from=a+b,
 * vlan.push=10+20), and vlan=100 stands for vlan.push=100.
 *
 * @param options    In any order: an output may stand in front of its taps. The texts are copied.
 * @param n_options  Number of them.
 * @param findings   As in fc_config_load(); also names and keys that are given twice.
 * @return           As fc_config_load().
 */
struct fc_config *fc_config_from_options(const struct fc_short_option *options, size_t n_options,
	const struct fc_config_checks *checks, struct fc_findings *findings);

/** Free a configuration. NULL is allowed. */
void fc_config_free(struct fc_config *config);

/**
 * The effective configuration as JSON text: every key with its value, defaults written out, those
 * whose absence means "choose" or "none" left out. Parsing the text gives an equal configuration
 * and the same text again.
 *
 * @return  Text that the caller frees, or NULL when out of memory.
 */
char *fc_config_dump(const struct fc_config *config);

/** The settings of the port of this ethdev's name, or NULL where the file has none for it. */
const struct fc_port_config *fc_config_port(const struct fc_config *config, const char *port);

/**
 * The reference of every key in Markdown, generated from the tables that check them. The caller
 * frees it; NULL when out of memory.
 */
char *fc_config_reference(void);

/**
 * The JSON Schema (draft 2020-12), generated from the same tables. The caller frees it; NULL when
 * out of memory.
 */
char *fc_config_schema(void);

#endif
