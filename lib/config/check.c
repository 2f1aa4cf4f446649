/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <fc_text.h>

#include "row.h"

/* Also where its type or its address could not be read. */
static bool has_decap(const struct fc_tap_config *tap)
{
	return tap->decap.type != FC_TUNNEL_NONE || tap->decap.local.family != 0;
}

static void check_tap_ports(const struct fc_config *config, struct fc_findings *findings)
{
	char place[FC_PLACE_SIZE];

	for (size_t i = 0; i < config->n_taps; i++) {
		const struct fc_tap_config *tap = &config->taps[i];
		size_t j = 0;

		if (tap->port[0] == '\0')
			continue;
		while (j < i && (strcmp(config->taps[j].port, tap->port) != 0 ||
					(has_decap(&config->taps[j]) && has_decap(tap))))
			j++;
		if (j == i)
			continue;
		snprintf(place, sizeof(place), "taps.%s.port", tap->name);
		fc_findings_add(findings, FC_ERROR, place,
			"%s is already the port of tap '%s'; taps share a port only where each of "
			"them has 'decap'",
			tap->port, config->taps[j].name);
	}
}

/* Offer a used port; true where it is the searched one. */
static bool offer_port(struct fc_nearest *nearest, const char *port)
{
	if (port[0] != '\0')
		fc_nearest_offer(nearest, port);
	return strcmp(nearest->word, port) == 0;
}

static void check_ports_used(const struct fc_config *config, struct fc_findings *findings)
{
	char place[FC_PLACE_SIZE];

	for (size_t i = 0; i < config->n_ports; i++) {
		struct fc_nearest nearest = { .word = config->ports[i].name };
		bool used = nearest.word[0] == '\0';

		/* The second of two with one name has its finding already. */
		for (size_t j = 0; j < i; j++)
			used |= strcmp(config->ports[j].name, nearest.word) == 0;
		for (size_t j = 0; j < config->n_taps; j++)
			used |= offer_port(&nearest, config->taps[j].port);
		for (size_t j = 0; j < config->n_outputs; j++)
			used |= offer_port(&nearest, config->outputs[j].port);
		if (used)
			continue;
		snprintf(place, sizeof(place), "ports.%s", config->ports[i].name);
		if (nearest.best != NULL)
			fc_findings_add(findings, FC_ERROR, place,
				"no tap or output uses this port; did you mean '%s'?",
				nearest.best);
		else
			fc_findings_add(
				findings, FC_ERROR, place, "no tap or output uses this port");
	}
}

static void check_taps_used(const struct fc_config *config, struct fc_findings *findings)
{
	bool used[FC_MAX_TAPS] = { false };
	char place[FC_PLACE_SIZE];

	for (size_t i = 0; i < config->n_outputs; i++) {
		for (size_t j = 0; j < config->outputs[i].n_from; j++)
			used[config->outputs[i].from[j]] = true;
	}
	for (size_t i = 0; i < config->n_taps; i++) {
		if (used[i])
			continue;
		snprintf(place, sizeof(place), "taps.%s", config->taps[i].name);
		fc_findings_add(findings, FC_WARNING, place, "no output takes from this tap");
	}
}

/* What a tap has received, sent out where it came from, is received again where the wire or the
 * switch returns it. A tunnel's port is to have both directions. */
static void check_returns(const struct fc_config *config, struct fc_findings *findings)
{
	char place[FC_PLACE_SIZE];

	for (size_t i = 0; i < config->n_outputs; i++) {
		const struct fc_output_config *output = &config->outputs[i];

		for (size_t j = 0; j < output->n_from; j++) {
			const struct fc_tap_config *tap = &config->taps[output->from[j]];

			if (strcmp(tap->port, output->port) != 0 || has_decap(tap) ||
				output->encap.type != FC_TUNNEL_NONE)
				continue;
			snprintf(place, sizeof(place), "outputs.%s.port", output->name);
			fc_findings_add(findings, FC_WARNING, place,
				"sends what tap '%s' receives out of the port that it came in by, "
				"%s; is "
				"another port meant?",
				tap->name, tap->port);
		}
	}
}

void fc_config_check(const struct fc_config *config, bool complete, struct fc_findings *findings)
{
	check_tap_ports(config, findings);
	check_ports_used(config, findings);
	fc_config_check_tunnels(config, complete, findings);
	/* Where something could not be read, a tap may be used by just that. */
	if (!complete)
		return;
	check_taps_used(config, findings);
	check_returns(config, findings);
}
