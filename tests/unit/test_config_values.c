/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_config.h>

static const char full_text[] =
	"{ \"lcores\": { \"idle_us\": 50, \"tx\": [3, 127, 0], \"rx\": [2, 3] },"
	"  \"outputs\": {"
	"    \"z\": { \"from\": [\"y\", \"x\"], \"port\": \"AF:00.1\", \"truncate\": 1500,"
	"            \"trim\": 65535, \"sample\": 0.25, \"filter\": \"udp\","
	"            \"vlan\": { \"pop\": 2, \"push\": [10, 20], \"pcp\": 7, \"tpid\": \"0x88a8\" "
	"} },"
	"    \"x\": { \"from\": [\"x\"], \"port\": \"net_pcap1\" } },"
	"  \"ports\": { \"net_pcap1\": { \"mtu\": 9000, \"rx_queues\": 64,"
	"               \"rx_descriptors\": 32, \"tx_descriptors\": 32768,"
	"               \"devargs\": \"iface=tap0\" }, \"af:00.1\": {} },"
	"  \"taps\": {"
	"    \"x\": { \"port\": \"net_pcap0\" },"
	"    \"y\": { \"port\": \"0000:af:00.1\", \"ring\": \"1t\", \"truncate\": 14,"
	"            \"vlan\": { \"push\": 4094 } } } }";

static struct fc_config *parse(const char *text)
{
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *config = fc_config_parse(text, strlen(text), NULL, findings);

	fc_findings_print(findings, stderr);
	assert_non_null(config);
	assert_int_equal(fc_findings_n_errors(findings), 0);
	fc_findings_free(findings);
	return config;
}

static void test_full(void **state)
{
	(void)state;
	struct fc_config *config = parse(full_text);

	assert_int_equal(config->n_taps, 2);
	assert_string_equal(config->taps[0].name, "x");
	assert_string_equal(config->taps[1].name, "y");
	assert_string_equal(config->taps[1].port, "0000:af:00.1");
	assert_int_equal(config->taps[1].ring, UINT64_C(1) << 40);
	assert_int_equal(config->taps[1].edits.truncate, 14);
	assert_int_equal(config->taps[1].edits.vlan.n_push, 1);
	assert_int_equal(config->taps[1].edits.vlan.vid[0], 4094);

	assert_int_equal(config->n_outputs, 2);
	const struct fc_output_config *output = &config->outputs[0];

	assert_string_equal(output->name, "z");
	assert_string_equal(output->port, "0000:af:00.1");
	assert_int_equal(output->n_from, 2);
	assert_int_equal(output->from[0], 1);
	assert_int_equal(output->from[1], 0);
	assert_string_equal(output->edits.filter, "udp");
	assert_true(output->edits.sample == 0.25);
	assert_int_equal(output->edits.trim, 65535);
	assert_int_equal(output->edits.truncate, 1500);
	assert_int_equal(output->edits.vlan.pop, 2);
	assert_int_equal(output->edits.vlan.n_push, 2);
	assert_int_equal(output->edits.vlan.vid[0], 10);
	assert_int_equal(output->edits.vlan.vid[1], 20);
	assert_int_equal(output->edits.vlan.pcp, 7);
	assert_int_equal(output->edits.vlan.tpid, 0x88a8);

	assert_int_equal(config->n_ports, 2);
	assert_int_equal(config->ports[0].mtu, 9000);
	assert_int_equal(config->ports[0].rx_queues, 64);
	assert_int_equal(config->ports[0].rx_descriptors, 32);
	assert_int_equal(config->ports[0].tx_descriptors, 32768);
	assert_string_equal(config->ports[0].devargs, "iface=tap0");
	assert_int_equal(config->lcores.n_rx, 2);
	assert_int_equal(config->lcores.rx[0], 2);
	assert_int_equal(config->lcores.rx[1], 3);
	assert_int_equal(config->lcores.n_tx, 3);
	assert_int_equal(config->lcores.tx[1], 127);
	assert_int_equal(config->lcores.tx[2], 0);
	assert_int_equal(config->lcores.idle_us, 50);
	fc_config_free(config);
}

static const char tunnel_text[] =
	"{ \"taps\": {"
	"    \"x\": { \"port\": \"p\", \"decap\": { \"type\": \"gre\", \"key\": \"10.1.2.3\","
	"            \"local\": \"192.0.2.9\", \"remote\": \"192.0.2.1\" } },"
	"    \"y\": { \"port\": \"q\" },"
	"    \"z\": { \"port\": \"p\","
	"            \"decap\": { \"type\": \"geneve\", \"local\": \"2001:db8::9\" } } },"
	"  \"outputs\": {"
	"    \"x\": { \"port\": \"r\", \"from\": [\"x\", \"y\", \"z\"],"
	"            \"encap\": { \"type\": \"erspan3\", \"local\": \"2001:db8::1/64\","
	"                       \"remote\": \"2001:db8:1::2\", \"gateway\": \"fe80::5\","
	"                       \"key\": 7, \"vlan\": 30, \"dscp\": 63, \"ttl\": 255,"
	"                       \"mtu\": 9000, \"oversize\": \"truncate\" } },"
	"    \"y\": { \"port\": \"r\", \"from\": [\"y\"],"
	"            \"encap\": { \"type\": \"erspan\", \"local\": \"192.0.2.5/30\","
	"                       \"remote\": \"192.0.2.6\", \"mac\": \"0A:1b:2C:3d:4E:5f\" } },"
	"    \"z\": { \"port\": \"s\", \"from\": [\"y\"] } } }";

static void test_decap(void **state)
{
	(void)state;
	static const struct fc_address local = { 4, { 192, 0, 2, 9 } };
	static const struct fc_address remote = { 4, { 192, 0, 2, 1 } };
	struct fc_config *config = parse(tunnel_text);
	const struct fc_decap *decap = &config->taps[0].decap;

	assert_int_equal(decap->type, FC_TUNNEL_GRE);
	assert_true(fc_address_is_equal(&decap->local, &local));
	assert_true(fc_address_is_equal(&decap->remote, &remote));
	assert_true(decap->has_key);
	assert_int_equal(decap->key, 0x0a010203);
	assert_int_equal(config->taps[1].decap.type, FC_TUNNEL_NONE);
	decap = &config->taps[2].decap;
	assert_int_equal(decap->type, FC_TUNNEL_GENEVE);
	assert_int_equal(decap->local.family, 6);
	assert_int_equal(decap->local.bytes[15], 9);
	assert_int_equal(decap->remote.family, 0);
	assert_false(decap->has_key);
	assert_int_equal(decap->key, 0);
	fc_config_free(config);
}

static void test_encap(void **state)
{
	(void)state;
	static const uint8_t mac[FC_MAC_SIZE] = { 0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f };
	struct fc_config *config = parse(tunnel_text);
	const struct fc_encap *encap = &config->outputs[0].encap;

	assert_int_equal(encap->type, FC_TUNNEL_ERSPAN3);
	assert_int_equal(encap->local.family, 6);
	assert_int_equal(encap->local.bytes[15], 1);
	assert_int_equal(encap->prefix_length, 64);
	assert_int_equal(encap->remote.bytes[15], 2);
	assert_int_equal(encap->gateway.bytes[0], 0xfe);
	assert_false(encap->has_mac);
	assert_true(encap->has_key);
	assert_int_equal(encap->key, 7);
	assert_int_equal(encap->vlan, 30);
	assert_int_equal(encap->dscp, 63);
	assert_int_equal(encap->ttl, 255);
	assert_int_equal(encap->mtu, 9000);
	assert_int_equal(encap->oversize, FC_OVERSIZE_TRUNCATE);
	encap = &config->outputs[1].encap;
	assert_int_equal(encap->type, FC_TUNNEL_ERSPAN2);
	assert_int_equal(encap->local.family, 4);
	assert_int_equal(encap->prefix_length, 30);
	assert_int_equal(encap->gateway.family, 0);
	assert_true(encap->has_mac);
	assert_memory_equal(encap->mac, mac, sizeof(mac));
	assert_false(encap->has_key);
	assert_int_equal(encap->vlan, 0);
	assert_int_equal(encap->dscp, 0);
	assert_int_equal(encap->ttl, FC_DEFAULT_TTL);
	assert_int_equal(encap->mtu, 0);
	assert_int_equal(encap->oversize, FC_OVERSIZE_FRAGMENT);
	assert_int_equal(config->outputs[2].encap.type, FC_TUNNEL_NONE);
	fc_config_free(config);
}

static void test_defaults(void **state)
{
	(void)state;
	struct fc_config *config = parse(full_text);
	const struct fc_edits *edits = &config->taps[0].edits;

	assert_int_equal(config->taps[0].ring, FC_DEFAULT_RING);
	assert_null(edits->filter);
	assert_true(edits->sample == FC_SAMPLE_ALL);
	assert_int_equal(edits->vlan.pop, 0);
	assert_int_equal(edits->vlan.n_push, 0);
	assert_int_equal(edits->vlan.pcp, 0);
	assert_int_equal(edits->vlan.tpid, 0x8100);
	assert_int_equal(edits->trim, 0);
	assert_int_equal(edits->truncate, 0);
	assert_int_equal(config->outputs[1].edits.vlan.tpid, 0x8100);
	assert_true(config->outputs[1].edits.sample == FC_SAMPLE_ALL);
	assert_int_equal(config->ports[1].mtu, 0);
	assert_int_equal(config->ports[1].rx_queues, 0);
	assert_false(config->ports[1].optional);
	assert_null(config->ports[1].devargs);
	fc_config_free(config);

	config = parse("{\"taps\": {\"a\": {\"port\": \"p\"}},"
		       " \"outputs\": {\"o\": {\"port\": \"p\", \"from\": [\"a\"]}}}");
	assert_int_equal(config->n_ports, 0);
	assert_int_equal(config->lcores.n_rx, 0);
	assert_int_equal(config->lcores.n_tx, 0);
	assert_int_equal(config->lcores.idle_us, 0);
	fc_config_free(config);
	fc_config_free(NULL);
}

static void test_port(void **state)
{
	(void)state;
	struct fc_config *config = parse(full_text);

	assert_ptr_equal(fc_config_port(config, "net_pcap1"), &config->ports[0]);
	assert_ptr_equal(fc_config_port(config, config->outputs[0].port), &config->ports[1]);
	assert_null(fc_config_port(config, "net_pcap0"));
	fc_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_decap),
		cmocka_unit_test(test_encap),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
