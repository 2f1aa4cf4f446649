/* SPDX-License-Identifier: MIT */
#ifndef PLAN_RIG_H
#define PLAN_RIG_H

#include <fc_plan.h>

/** Plans for tests, from JSON: taps on p1 and others, outputs on p2 and others. */

#define TAP "\"a\":{\"port\":\"p1\",\"ring\":\"1m\"}"
#define END(name, port, key)                                                                       \
	"\"" name "\":{\"port\":\"" port "\",\"ring\":\"" key                                      \
	"m\",\"decap\":{\"type\":\"vxlan\",\"local\":\"192.0.2.9\",\"key\":" key "}}"
#define OUT(more) "\"b\":{\"port\":\"p2\",\"from\":[\"a\"]" more "}"
/* A tunnel of 192.0.2.1, and one of 2001:db8::1. */
#define ENCAP(more)                                                                                \
	",\"encap\":{\"type\":\"vxlan\",\"key\":5,\"local\":\"192.0.2.1/24\","                     \
	"\"remote\":\"192.0.2.9\"" more "}"
#define ENCAP6(more)                                                                               \
	",\"encap\":{\"type\":\"vxlan\",\"key\":5,\"local\":\"2001:db8::1/64\","                   \
	"\"remote\":\"2001:db8::9\"" more "}"
#define MAC ",\"mac\":\"02:00:00:00:00:09\""

#define JSON(taps, outputs, more) "{\"taps\":{" taps "},\"outputs\":{" outputs "}" more "}"
#define PORT_MTU(mtu)		  ",\"ports\":{\"p2\":{\"mtu\":" mtu "}}"

struct plan_rig {
	struct fc_findings *findings;
	struct fc_config *config;
	struct fc_port_facts facts[4];
	struct fc_lcore_facts lcores[4];
	uint16_t n_lcores;
	const char *gone; /* a port that does not run, though the plan before has it; NULL: none */
	struct fc_plan *plan;
};

/**
 * Read a configuration. Its ports are as NICs are, with an MTU of 9,000; a test changes them
 * before it plans.
 */
void rig_plan_begin(struct plan_rig *s, const char *json, uint16_t n_lcores);
void rig_plan_end(struct plan_rig *s);

/** As if a kernel interface of that MTU were behind the port; 0: there is none. */
void rig_interface(struct plan_rig *s, unsigned port, uint16_t mtu);

/** Make the plan; fails the test where it cannot be made. */
const struct fc_plan *rig_make(struct plan_rig *s);

/** Make the plan beside another one: ports that both have are running. */
const struct fc_plan *rig_make_beside(struct plan_rig *s, const struct fc_plan *before);

#endif
