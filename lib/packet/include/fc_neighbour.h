/* SPDX-License-Identifier: MIT */
#ifndef FC_NEIGHBOUR_H
#define FC_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_address.h>

/**
 * The packets by which hosts on a link find each other: ARP (RFC 826, RFC 5227) for IPv4, neighbour
 * discovery (RFC 4861) for IPv6, and ping (RFC 792, RFC 4443).
 *
 * These functions read and write packets; when to send which is decided elsewhere. Any thread may
 * call them.
 */

/** Bytes that a packet built here has at most, without the answer to a ping. */
#define FC_NEIGHBOUR_MAX_SIZE 96

enum fc_neighbour_kind {
	FC_NEIGHBOUR_REQUEST, /**< ARP request, neighbour solicitation: who has `target`? */
	FC_NEIGHBOUR_REPLY,   /**< ARP reply, neighbour advertisement: `sender` is at `mac` */
	FC_NEIGHBOUR_PING     /**< echo request from `sender` to `target` */
};

/** What a received packet says. */
struct fc_neighbour_message {
	enum fc_neighbour_kind kind;
	/**
	 * Whose address `mac` is. Family 0 in a request: somebody makes sure that nobody has
	 * `target` (RFC 5227, RFC 4862). In an advertisement it is the target of RFC 4861.
	 */
	struct fc_address sender;
	struct fc_address target; /**< family 0 in an advertisement */
	bool has_mac;		  /**< always so for ARP, never for a ping */
	uint8_t mac[FC_MAC_SIZE];
	bool overrides;			   /**< it may replace a MAC address known before */
	uint8_t frame_source[FC_MAC_SIZE]; /**< source of the Ethernet frame */
	uint16_t vlan;			   /**< VID of the outer tag; 0: none */
};

/** Who speaks. */
struct fc_neighbour_host {
	struct fc_address local;
	uint8_t mac[FC_MAC_SIZE];
	uint16_t vlan; /**< VID of the tag that frames get (TPID 0x8100, PCP 0); 0: no tag */
};

/**
 * Read a packet that fc_tunnel_look() has called FC_TUNNEL_HOST.
 *
 * An ARP request or reply whose sender and target are equal is a gratuitous ARP (RFC 5227): a
 * reply, whichever of the two it is.
 *
 * @param message  Gets what it says.
 * @return         0; -ENOENT: none of these packets; -EBADMSG: cut off, a wrong checksum, hop
 *                 limit, code or length, or a MAC address that no single host can have.
 */
int fc_neighbour_parse(const struct rte_mbuf *packet, struct fc_neighbour_message *message);

/**
 * Ask for the MAC address of @p target.
 *
 * @param target  Of the family of the host.
 * @param mac     Ask only who had this address before (RFC 4861 section 7.3.3); NULL: ask all.
 * @param packet  Empty, the caller's; gets the packet.
 * @return        0; -ENOSPC: no FC_NEIGHBOUR_MAX_SIZE bytes of room; -EINVAL: another family.
 */
int fc_neighbour_ask(const struct fc_neighbour_host *host, const struct fc_address *target,
	const uint8_t *mac, struct rte_mbuf *packet);

/** Answer a request for the host's address: FC_NEIGHBOUR_REQUEST. As fc_neighbour_ask(). */
int fc_neighbour_answer(const struct fc_neighbour_host *host,
	const struct fc_neighbour_message *request, struct rte_mbuf *packet);

/**
 * Tell all on the link the host's MAC address: a gratuitous ARP request, or an unsolicited
 * neighbour advertisement. As fc_neighbour_ask().
 */
int fc_neighbour_announce(const struct fc_neighbour_host *host, struct rte_mbuf *packet);

/**
 * Make the answer of a ping.
 *
 * @param packet  The request, for which fc_neighbour_parse() said FC_NEIGHBOUR_PING; private to the
 *                caller.
 * @return        0; -ENOTSUP: it has IP options or extension headers, or its headers are not in one
 *                piece of memory; the packet is unchanged then.
 */
int fc_neighbour_pong(const struct fc_neighbour_host *host, struct rte_mbuf *packet);

#endif
