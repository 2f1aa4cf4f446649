/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "tunnel_ends.h"
#include "tunnel_format.h"

bool tunnel_ends_have_host(
	const struct fc_tunnel_ends *ends, uint8_t family, const uint8_t *address)
{
	for (uint16_t i = 0; i < ends->n_hosts; i++)
		if (ends->host[i].family == family &&
			memcmp(ends->host[i].bytes, address, family == 6 ? 16 : 4) == 0)
			return true;
	return false;
}

int fc_tunnel_add_host(struct fc_tunnel_ends *ends, const struct fc_address *host)
{
	if (host->family != 4 && host->family != 6)
		return -EINVAL;
	if (tunnel_ends_have_host(ends, host->family, host->bytes))
		return 0;
	if (ends->n_hosts == FC_TUNNEL_MAX_HOSTS)
		return -ENOSPC;
	ends->host[ends->n_hosts++] = *host;
	return 0;
}

/* Whether packets to the same UDP port would be taken for another type, too. */
static bool is_port_taken(const struct fc_tunnel_ends *ends, const struct fc_tunnel_end *end)
{
	for (uint16_t i = 0; i < ends->n; i++) {
		const struct fc_tunnel_end *other = &ends->end[i];

		if (fc_tunnel_is_udp(end->type) && fc_tunnel_is_udp(other->type) &&
			other->type != end->type &&
			other->udp_port == fc_tunnel_udp_port(end->type, end->udp_port) &&
			fc_address_is_equal(&other->local, &end->local))
			return true;
	}
	return false;
}

int fc_tunnel_add_end(struct fc_tunnel_ends *ends, const struct fc_tunnel_end *end)
{
	uint64_t bit;
	int rc;

	if (end->type == FC_TUNNEL_NONE ||
		(end->remote.family != 0 && end->remote.family != end->local.family) ||
		is_port_taken(ends, end))
		return -EINVAL;
	if (ends->n == FC_TUNNEL_MAX_ENDS)
		return -ENOSPC;
	rc = fc_tunnel_add_host(ends, &end->local);
	if (rc != 0)
		return rc;
	bit = UINT64_C(1) << ends->n;
	ends->of_type[end->type] |= bit;
	if (fc_tunnel_is_udp(end->type))
		ends->of_udp |= bit;
	else
		ends->of_gre |= bit;
	ends->end[ends->n] = *end;
	ends->end[ends->n].udp_port = fc_tunnel_udp_port(end->type, end->udp_port);
	ends->n++;
	return 0;
}
