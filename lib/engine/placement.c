/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "placement.h"

#define NO_GROUP UINT16_MAX
#define NO_LCORE UINT16_MAX

/* A choice of lcores for one kind of work, by index into the array of lcores. */
struct team {
	uint16_t n;
	uint16_t members[FC_MAX_LCORES];
};

/* The lcores that a port stays with, by index into the array of lcores. */
struct fixed {
	uint16_t n_rx; /* of its first so many queues */
	uint16_t rx[FC_MAX_QUEUES];
	uint16_t tx; /* NO_LCORE: none yet */
};

struct placement {
	struct fc_plan *plan;
	const struct fc_lcore_facts *lcores;
	uint16_t n_lcores;
	unsigned load[FC_MAX_LCORES]; /* rx queues and tx ports of each lcore */
	bool receives[FC_MAX_LCORES];
	bool sends[FC_MAX_LCORES];
	uint16_t *groups;   /* of each port: the lowest port that it is connected with */
	struct fixed *stay; /* of each port: what it has already */
};

static bool has_member(const struct team *team, uint16_t lcore)
{
	for (uint16_t i = 0; i < team->n; i++)
		if (team->members[i] == lcore)
			return true;
	return false;
}

/* The least loaded member, of those on NUMA node @socket when there are any. */
static uint16_t pick(const struct placement *p, const struct team *team, int socket)
{
	uint16_t best = team->members[0];
	bool best_near = false;

	for (uint16_t i = 0; i < team->n; i++) {
		uint16_t lcore = team->members[i];
		bool near = socket < 0 || p->lcores[lcore].socket == socket;

		if ((near && !best_near) || (near == best_near && p->load[lcore] < p->load[best])) {
			best = lcore;
			best_near = near;
		}
	}
	return best;
}

/* Lanes are numbered by lcore here; number_lanes() leaves out those without work. */
static void place_ports(
	struct placement *p, uint16_t group, const struct team *rx, const struct team *tx)
{
	struct fc_plan *plan = p->plan;

	for (uint16_t i = 0; i < plan->n_ports; i++) {
		struct fc_plan_port *port = &plan->ports[i];

		if (!port->is_tap || (group != NO_GROUP && p->groups[i] != group))
			continue;
		for (uint16_t q = p->stay[i].n_rx; q < port->n_rx_queues; q++) {
			port->rx_lanes[q] = pick(p, rx, port->facts.socket);
			p->load[port->rx_lanes[q]]++;
			p->receives[port->rx_lanes[q]] = true;
		}
	}
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		struct fc_plan_port *port = &plan->ports[i];

		if (!port->is_output || (group != NO_GROUP && p->groups[i] != group) ||
			p->stay[i].tx != NO_LCORE)
			continue;
		port->tx_lane = pick(p, tx, port->facts.socket);
		p->load[port->tx_lane]++;
		p->sends[port->tx_lane] = true;
	}
}

/* Where a port receives or sends only for its own address, the lane does it that has the port. */
static void place_host_work(const struct placement *p)
{
	for (uint16_t i = 0; i < p->plan->n_ports; i++) {
		struct fc_plan_port *port = &p->plan->ports[i];

		if (port->sends && !port->is_output && p->stay[i].tx == NO_LCORE)
			port->tx_lane = port->rx_lanes[0];
		if (port->receives && !port->is_tap && p->stay[i].n_rx == 0)
			port->rx_lanes[0] = port->tx_lane;
	}
}

static uint16_t find_lcore(const struct placement *p, const struct fc_plan *before, uint16_t lane)
{
	uint16_t i = 0;

	while (i < p->n_lcores && p->lcores[i].id != before->lanes[lane].lcore.id)
		i++;
	return i < p->n_lcores ? i : NO_LCORE;
}

/*
 * Leave ports with the lcores that they have, for as long as their names are configured: also those
 * that are gone, since the lists of work of their lcores still have their queues and feeds.
 */
static void stay_with_lcores(struct placement *p, const struct fc_plan *before)
{
	for (uint16_t i = 0; i < p->plan->n_ports; i++) {
		struct fc_plan_port *port = &p->plan->ports[i];
		const struct fc_plan_port *old =
			before != NULL ? fc_plan_find_port(before, port->facts.name) : NULL;
		struct fixed *stay = &p->stay[i];

		stay->tx = NO_LCORE;
		if (old == NULL)
			continue;
		if (old->receives && port->receives)
			stay->n_rx = RTE_MIN(old->n_rx_queues, port->n_rx_queues);
		for (uint16_t q = 0; q < stay->n_rx; q++) {
			port->rx_lanes[q] = find_lcore(p, before, old->rx_lanes[q]);
			p->load[port->rx_lanes[q]]++;
			p->receives[port->rx_lanes[q]] = true;
		}
		if (!old->sends || !port->sends)
			continue;
		stay->tx = find_lcore(p, before, old->tx_lane);
		port->tx_lane = stay->tx;
		p->load[stay->tx]++;
		p->sends[stay->tx] = true;
	}
}

/* Beside ports that have their lcores: each of the others where there is least to do. */
static void place_beside(struct placement *p)
{
	struct team all = { 0 };

	for (uint16_t i = 0; i < p->n_lcores; i++)
		all.members[all.n++] = i;
	place_ports(p, NO_GROUP, &all, &all);
}

static void list_lcores(const struct placement *p, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint16_t i = 0; i < p->n_lcores && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%u", i == 0 ? "" : ", ", p->lcores[i].id);
}

static void read_team(const struct placement *p, const uint16_t *ids, uint16_t n, const char *key,
	struct team *team, struct fc_findings *findings)
{
	for (uint16_t i = 0; i < n; i++) {
		uint16_t at = 0;

		while (at < p->n_lcores && p->lcores[at].id != ids[i])
			at++;
		if (at < p->n_lcores) {
			team->members[team->n++] = at;
		} else {
			char place[32], known[128];

			snprintf(place, sizeof(place), "lcores.%s[%u]", key, i);
			list_lcores(p, known, sizeof(known));
			fc_findings_add(findings, FC_ERROR, place,
				"lcore %u is not one that can work; EAL's workers (-l, --lcores; "
				"the main lcore "
				"controls) are: %s",
				ids[i], known);
		}
	}
}

/* When only one list is given the other is what remains, or the same where nothing does. */
static void complete_team(const struct placement *p, const struct team *given, struct team *other)
{
	for (uint16_t i = 0; i < p->n_lcores; i++)
		if (!has_member(given, i))
			other->members[other->n++] = i;
	if (other->n == 0)
		*other = *given;
}

static int place_as_told(struct placement *p, struct fc_findings *findings)
{
	const struct fc_lcores_config *lcores = &p->plan->config->lcores;
	struct team rx = { 0 }, tx = { 0 };
	size_t n_errors = fc_findings_n_errors(findings);

	read_team(p, lcores->rx, lcores->n_rx, "rx", &rx, findings);
	read_team(p, lcores->tx, lcores->n_tx, "tx", &tx, findings);
	if (fc_findings_n_errors(findings) != n_errors)
		return -EINVAL;
	if (rx.n == 0)
		complete_team(p, &tx, &rx);
	else if (tx.n == 0)
		complete_team(p, &rx, &tx);
	place_ports(p, NO_GROUP, &rx, &tx);
	return 0;
}

static void join(struct placement *p, uint16_t a, uint16_t b)
{
	uint16_t from = RTE_MAX(p->groups[a], p->groups[b]);
	uint16_t to = RTE_MIN(p->groups[a], p->groups[b]);

	for (uint16_t i = 0; i < p->plan->n_ports; i++)
		if (p->groups[i] == from)
			p->groups[i] = to;
}

static void find_groups(struct placement *p)
{
	const struct fc_plan *plan = p->plan;

	for (uint16_t i = 0; i < plan->n_ports; i++)
		p->groups[i] = i;
	for (uint16_t o = 0; o < plan->config->n_outputs; o++) {
		const struct fc_output_config *output = &plan->config->outputs[o];

		for (uint16_t i = 0; i < output->n_from; i++)
			join(p, plan->outputs[o].port, plan->taps[output->from[i]].port);
	}
}

/* What a group has to do: rx queues to poll and ports to send on. */
static void weigh(
	const struct placement *p, uint16_t group, unsigned *n_queues, unsigned *n_sending)
{
	const struct fc_plan *plan = p->plan;

	*n_queues = 0;
	*n_sending = 0;
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		if (p->groups[i] != group)
			continue;
		if (plan->ports[i].is_tap)
			*n_queues += plan->ports[i].n_rx_queues;
		if (plan->ports[i].is_output)
			(*n_sending)++;
	}
}

/* How many lcores each group gets: one, and what is left to those with most work for each. */
static void share_lcores(const struct placement *p, uint16_t n_groups, uint16_t *shares)
{
	uint16_t left = (uint16_t)(p->n_lcores - RTE_MIN(p->n_lcores, n_groups));

	for (uint16_t i = 0; i < p->plan->n_ports; i++)
		shares[i] = p->groups[i] == i ? 1 : 0;
	while (left > 0) {
		uint16_t best = NO_GROUP;
		unsigned best_work = 0;

		for (uint16_t i = 0; i < p->plan->n_ports; i++) {
			unsigned n_queues, n_sending;

			if (shares[i] == 0)
				continue;
			weigh(p, i, &n_queues, &n_sending);
			if (shares[i] >= n_queues + n_sending || n_queues == 0 || n_sending == 0)
				continue;
			if (best == NO_GROUP ||
				(n_queues + n_sending) * shares[best] > best_work * shares[i]) {
				best = i;
				best_work = n_queues + n_sending;
			}
		}
		if (best == NO_GROUP)
			return;
		shares[best]++;
		left--;
	}
}

/* Take @n lcores for a group, the unused ones and those near its first port first. */
static void choose_team(struct placement *p, uint16_t group, uint16_t n, struct team *team)
{
	struct team all = { 0 };

	for (uint16_t i = 0; i < p->n_lcores; i++)
		all.members[all.n++] = i;
	while (team->n < n) {
		struct team free_ones = { 0 };

		for (uint16_t i = 0; i < all.n; i++)
			if (p->load[i] == 0 && !has_member(team, i))
				free_ones.members[free_ones.n++] = i;
		team->members[team->n++] = pick(p, free_ones.n != 0 ? &free_ones : &all,
			p->plan->ports[group].facts.socket);
	}
}

static void place_group(struct placement *p, uint16_t group, uint16_t share)
{
	struct team team = { 0 }, rx = { 0 }, tx = { 0 };
	unsigned n_queues, n_sending, n_rx;

	choose_team(p, group, share, &team);
	if (share == 1) {
		place_ports(p, group, &team, &team);
		return;
	}
	weigh(p, group, &n_queues, &n_sending);
	n_rx = (share * n_queues + (n_queues + n_sending) / 2) / (n_queues + n_sending);
	n_rx = RTE_MAX(1U, RTE_MIN(n_rx, RTE_MIN(n_queues, share - 1U)));
	for (uint16_t i = 0; i < team.n; i++) {
		struct team *half = i < n_rx ? &rx : &tx;

		half->members[half->n++] = team.members[i];
	}
	place_ports(p, group, &rx, &tx);
}

static int place_by_groups(struct placement *p)
{
	uint16_t *shares = calloc(p->plan->n_ports, sizeof(*shares));
	uint16_t n_groups = 0;

	if (shares == NULL)
		return -ENOMEM;
	find_groups(p);
	for (uint16_t i = 0; i < p->plan->n_ports; i++)
		if (p->groups[i] == i)
			n_groups++;
	share_lcores(p, n_groups, shares);
	for (uint16_t i = 0; i < p->plan->n_ports; i++)
		if (shares[i] != 0)
			place_group(p, i, shares[i]);
	free(shares);
	return 0;
}

/* From one lane for each lcore to one for each lcore that has work. */
static int number_lanes(struct placement *p)
{
	struct fc_plan *plan = p->plan;
	uint16_t lane_of[FC_MAX_LCORES];

	plan->lanes = calloc(p->n_lcores, sizeof(*plan->lanes));
	if (plan->lanes == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < p->n_lcores; i++) {
		if (!p->receives[i] && !p->sends[i])
			continue;
		lane_of[i] = plan->n_lanes;
		plan->lanes[plan->n_lanes++] = (struct fc_plan_lane){
			.lcore = p->lcores[i],
			.receives = p->receives[i],
			.sends = p->sends[i],
		};
	}
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		struct fc_plan_port *port = &plan->ports[i];

		for (uint16_t q = 0; q < (port->is_tap ? port->n_rx_queues : p->stay[i].n_rx); q++)
			port->rx_lanes[q] = lane_of[port->rx_lanes[q]];
		if (port->is_output || p->stay[i].tx != NO_LCORE)
			port->tx_lane = lane_of[port->tx_lane];
	}
	place_host_work(p);
	return 0;
}

int fc_placement_make(struct fc_plan *plan, const struct fc_lcore_facts *lcores, uint16_t n_lcores,
	const struct fc_plan *before, struct fc_findings *findings)
{
	const struct fc_lcores_config *told = &plan->config->lcores;
	struct placement *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (p == NULL)
		return -ENOMEM;
	p->plan = plan;
	p->lcores = lcores;
	p->n_lcores = RTE_MIN(n_lcores, (uint16_t)FC_MAX_LCORES);
	p->groups = calloc(plan->n_ports, sizeof(*p->groups));
	p->stay = calloc(plan->n_ports, sizeof(*p->stay));
	if (p->groups != NULL && p->stay != NULL) {
		stay_with_lcores(p, before);
		ret = 0;
	}
	if (ret == 0 && told->n_rx + told->n_tx != 0)
		ret = place_as_told(p, findings);
	else if (ret == 0 && before != NULL)
		place_beside(p);
	else if (ret == 0)
		ret = place_by_groups(p);
	if (ret == 0)
		ret = number_lanes(p);
	free(p->groups);
	free(p->stay);
	free(p);
	return ret;
}
