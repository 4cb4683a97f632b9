/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XML that means harm, or is merely broken: it is refused, or what is wrong in it is left out and named. */
#include "xml/guest-xml.h"

#include <glib/gstdio.h>
#include <string.h>

#define HEAD "<domain><name>d</name><uuid>11111111-2222-4333-8444-555555555501</uuid>"
#define MAC1 "52:54:00:00:00:01"
#define OWN_NS "xmlns:v='urn:virt-relay:guest:1'"

static void
assert_refused_bytes (const char *xml, gssize len, VrGuestXmlErrorCode code, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrGuestXml) guest = vr_guest_xml_parse (xml, len, &error);

  g_assert_null (guest);
  g_assert_error (error, VR_GUEST_XML_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, part));
}

static void
assert_refused (const char *xml, VrGuestXmlErrorCode code, const char *part)
{
  assert_refused_bytes (xml, -1, code, part);
}

static VrGuestXml *
assert_taken (const char *inside)
{
  g_autofree char *xml = g_strconcat (HEAD, inside, "</domain>", NULL);
  g_autoptr (GError) error = NULL;
  VrGuestXml *guest = vr_guest_xml_parse (xml, -1, &error);

  g_assert_no_error (error);
  return guest;
}

/* One warning, and it has this text in it. */
static void
assert_warns (const VrGuestXml *guest, const char *part)
{
  g_assert_cmpuint (guest->warnings->len, ==, 1);
  g_assert_nonnull (strstr (g_ptr_array_index (guest->warnings, 0), part));
}

static const VrGuestNic *
only_nic (const VrGuestXml *guest)
{
  g_assert_cmpuint (guest->nics->len, ==, 1);
  return g_ptr_array_index (guest->nics, 0);
}

/* An entity that would bring a file of the host into the guest's name. */
static void
test_external_entity (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "virt-relay-test-secret-XXXXXX", NULL);
  int fd = g_mkstemp (path);
  g_autofree char *xml = NULL;

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, "secret", -1, NULL));
  xml = g_strdup_printf ("<!DOCTYPE domain [<!ENTITY x SYSTEM 'file://%s'>]><domain><name>&x;</name>"
                         "<uuid>11111111-2222-4333-8444-555555555501</uuid></domain>", path);
  assert_refused (xml, VR_GUEST_XML_ERROR_SYNTAX, "DOCTYPE");
  g_unlink (path);
}

static void
test_external_dtd (void)
{
  assert_refused ("<!DOCTYPE domain SYSTEM 'http://127.0.0.1:9/d.dtd'>" HEAD "</domain>", VR_GUEST_XML_ERROR_SYNTAX, "DOCTYPE");
}

static void
test_internal_entity (void)
{
  assert_refused ("<!DOCTYPE domain [<!ENTITY x 'harmless'>]>" HEAD "</domain>", VR_GUEST_XML_ERROR_SYNTAX, "DOCTYPE");
}

static void
test_billion_laughs (void)
{
  g_autoptr (GString) xml = g_string_new ("<!DOCTYPE domain [<!ENTITY a0 'ha'>");

  for (guint i = 1; i < 30; i++)
    g_string_append_printf (xml, "<!ENTITY a%u '&a%u;&a%u;&a%u;&a%u;&a%u;&a%u;&a%u;&a%u;&a%u;&a%u;'>", i, i - 1, i - 1, i - 1, i - 1,
                            i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
  g_string_append (xml, "]>" HEAD "<title>&a29;</title></domain>");
  assert_refused (xml->str, VR_GUEST_XML_ERROR_SYNTAX, "DOCTYPE");
}

static void
test_undefined_entity (void)
{
  assert_refused (HEAD "<title>&x;</title></domain>", VR_GUEST_XML_ERROR_SYNTAX, "not well-formed");
}

static void
test_xinclude_is_not_followed (void)
{
  g_autoptr (VrGuestXml) guest =
    assert_taken ("<metadata xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd'/></metadata>"
                  "<devices><xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='file:///nowhere'/></devices>");

  g_assert_cmpuint (guest->nics->len, ==, 0);
}

static void
test_truncated_anywhere (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("VR_TEST_DATA"), "xml", "libvirt9", "mixed-started.xml", NULL);
  g_autofree char *xml = NULL;
  gsize len, whole;

  g_assert_true (g_file_get_contents (path, &xml, &len, NULL));
  whole = (gsize) (strstr (xml, "</domain>") - xml) + strlen ("</domain>");
  for (gsize cut = 0; cut < whole; cut++)
    {
      g_autofree char *part = g_memdup2 (xml, cut + 1); /* of the exact size, for the sanitizer to see a read beyond it */

      assert_refused_bytes (part, (gssize) cut, VR_GUEST_XML_ERROR_SYNTAX, "not well-formed");
    }
}

static void
test_no_xml (void)
{
  static const char *const texts[] = { "", " ", "\n\n", "garbage", "{\"domain\": 1}", "<", "<domain", "<domain></name>" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_refused (texts[i], VR_GUEST_XML_ERROR_SYNTAX, "not well-formed");
}

static void
test_nul_inside (void)
{
  static const char xml[] = HEAD "<title>\0</title></domain>";

  assert_refused_bytes (xml, sizeof xml - 1, VR_GUEST_XML_ERROR_SYNTAX, "not well-formed");
}

static void
test_not_utf8 (void)
{
  assert_refused ("<?xml version='1.0' encoding='ISO-8859-1'?>" HEAD "<title>\xe4</title></domain>", VR_GUEST_XML_ERROR_SYNTAX,
                  "not well-formed");
}

static void
test_too_many_bytes (void)
{
  g_autofree char *xml = g_malloc (VR_GUEST_XML_MAX_SIZE + 1);

  memset (xml, ' ', VR_GUEST_XML_MAX_SIZE + 1);
  memcpy (xml, HEAD "</domain>", strlen (HEAD "</domain>"));
  assert_refused_bytes (xml, VR_GUEST_XML_MAX_SIZE + 1, VR_GUEST_XML_ERROR_TOO_LARGE, "bytes");
}

static void
test_limit_of_bytes_is_taken (void)
{
  g_autofree char *xml = g_malloc (VR_GUEST_XML_MAX_SIZE);
  g_autoptr (VrGuestXml) guest = NULL;
  g_autoptr (GError) error = NULL;

  memset (xml, ' ', VR_GUEST_XML_MAX_SIZE);
  memcpy (xml, HEAD "</domain>", strlen (HEAD "</domain>"));
  guest = vr_guest_xml_parse (xml, VR_GUEST_XML_MAX_SIZE, &error);
  g_assert_no_error (error);
}

static void
test_too_many_elements (void)
{
  g_autoptr (GString) xml = g_string_new (HEAD);

  for (guint i = 0; i < VR_GUEST_XML_MAX_ELEMENTS; i++)
    g_string_append (xml, "<a/>");
  g_string_append (xml, "</domain>");
  assert_refused (xml->str, VR_GUEST_XML_ERROR_TOO_LARGE, "elements");
}

static void
test_too_deep (void)
{
  g_autoptr (GString) xml = g_string_new (HEAD);

  for (guint i = 0; i < 100000; i++)
    g_string_append (xml, "<a>");
  assert_refused (xml->str, VR_GUEST_XML_ERROR_TOO_LARGE, "deeper");
}

static void
test_wrong_root (void)
{
  assert_refused ("<network><name>d</name></network>", VR_GUEST_XML_ERROR_CONTENT, "“network”");
}

static void
test_root_in_a_namespace (void)
{
  assert_refused ("<domain xmlns='urn:x'><name>d</name><uuid>11111111-2222-4333-8444-555555555501</uuid></domain>",
                  VR_GUEST_XML_ERROR_CONTENT, "no <domain>");
}

static void
test_no_name (void)
{
  assert_refused ("<domain><name> </name><uuid>11111111-2222-4333-8444-555555555501</uuid></domain>", VR_GUEST_XML_ERROR_CONTENT,
                  "no <name>");
}

static void
test_bad_uuid (void)
{
  static const char *const uuids[] = { "", "x", "11111111-2222-4333-8444-55555555550", "11111111222243338444555555555501",
                                       "../../../../../../../../../../../etc" };

  for (guint i = 0; i < G_N_ELEMENTS (uuids); i++)
    {
      g_autofree char *xml = g_strdup_printf ("<domain><name>d</name><uuid>%s</uuid></domain>", uuids[i]);

      assert_refused (xml, VR_GUEST_XML_ERROR_CONTENT, "<uuid>");
    }
}

static void
test_bad_mac (void)
{
  g_autoptr (VrGuestXml) guest = assert_taken ("<devices><interface type='bridge'><mac address='52:54:00:00:00:zz'/></interface>"
                                               "<interface type='bridge'><mac address='" MAC1 "'/></interface></devices>");

  g_assert_cmpstr (only_nic (guest)->mac, ==, MAC1);
  assert_warns (guest, "52:54:00:00:00:zz");
}

static void
test_second_nic_with_the_same_mac (void)
{
  g_autoptr (VrGuestXml) guest =
    assert_taken ("<devices><interface type='bridge'><mac address='" MAC1 "'/><target dev='a'/></interface>"
                  "<interface type='bridge'><mac address='" MAC1 "'/><target dev='b'/></interface></devices>");

  g_assert_cmpstr (only_nic (guest)->target, ==, "a");
  assert_warns (guest, MAC1);
}

static void
test_bad_addresses (void)
{
  g_autoptr (VrGuestXml) guest =
    assert_taken ("<metadata><v:guest " OWN_NS "><v:nic mac='" MAC1 "'><v:address>10.0.0.1/24</v:address><v:address>10.0.0.2</v:address>"
                  "</v:nic></v:guest></metadata><devices><interface type='bridge'><mac address='" MAC1 "'/></interface></devices>");

  g_assert_cmpuint (only_nic (guest)->addresses->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (only_nic (guest)->addresses, 0), ==, "10.0.0.2");
  assert_warns (guest, "“10.0.0.1/24” is no address: write it without a prefix length");
}

static void
test_bad_epoch (void)
{
  static const char *const epochs[] = { "0", "-1", "x", "1x", "9223372036854775808", "99999999999999999999999" };

  for (guint i = 0; i < G_N_ELEMENTS (epochs); i++)
    {
      g_autofree char *text = g_strdup_printf ("<metadata><v:guest " OWN_NS " epoch='%s'/></metadata>", epochs[i]);
      g_autoptr (VrGuestXml) guest = assert_taken (text);

      g_assert_cmpuint (guest->metadata->epoch, ==, 0);
      assert_warns (guest, "epoch");
    }
}

static void
test_metadata_in_a_wrong_namespace (void)
{
  g_autoptr (VrGuestXml) guest =
    assert_taken ("<metadata><guest owner='h9'/><virt-relay:guest xmlns:virt-relay='urn:virt-relay:guest:2' owner='h9'/></metadata>");

  g_assert_null (guest->metadata);
}

/* Anywhere but in <metadata> of the domain itself it is somebody else's. */
static void
test_metadata_in_a_wrong_place (void)
{
  g_autoptr (VrGuestXml) guest = assert_taken ("<v:guest " OWN_NS " owner='h9'/><devices><v:guest " OWN_NS " owner='h9'/></devices>"
                                               "<metadata><x><v:guest " OWN_NS " owner='h9'/></x></metadata>");

  g_assert_null (guest->metadata);
}

static void
test_metadata_twice (void)
{
  g_autoptr (VrGuestXml) guest =
    assert_taken ("<metadata><v:guest " OWN_NS " owner='h1'/><v:guest " OWN_NS " owner='h9'/></metadata>");

  g_assert_cmpstr (guest->metadata->owner, ==, "h1");
  assert_warns (guest, "twice");
}

static void
test_too_many_nics (void)
{
  g_autoptr (GString) text = g_string_new ("<devices>");
  g_autoptr (VrGuestXml) guest = NULL;

  for (guint i = 0; i <= VR_GUEST_XML_MAX_NICS; i++)
    g_string_append_printf (text, "<interface type='bridge'><mac address='52:54:00:00:00:%02x'/></interface>", i);
  g_string_append (text, "</devices>");
  guest = assert_taken (text->str);
  g_assert_cmpuint (guest->nics->len, ==, VR_GUEST_XML_MAX_NICS);
  assert_warns (guest, "52:54:00:00:00:80");
}

static void
test_too_many_addresses (void)
{
  g_autoptr (GString) text = g_string_new ("<devices><interface type='bridge'><mac address='" MAC1 "'/><filterref filter='f'>");
  g_autoptr (VrGuestXml) guest = NULL;

  for (guint i = 0; i <= VR_GUEST_XML_MAX_ADDRESSES; i++)
    g_string_append_printf (text, "<parameter name='IP' value='10.0.0.%u'/>", i + 1);
  g_string_append (text, "</filterref></interface></devices>");
  guest = assert_taken (text->str);
  g_assert_cmpuint (only_nic (guest)->addresses->len, ==, VR_GUEST_XML_MAX_ADDRESSES);
  assert_warns (guest, "10.0.0.65");
}

static void
test_warnings_are_bounded (void)
{
  g_autoptr (GString) text = g_string_new ("<devices>");
  g_autoptr (VrGuestXml) guest = NULL;

  for (guint i = 0; i < 50000; i++)
    g_string_append (text, "<interface type='bridge'/>");
  g_string_append (text, "</devices>");
  guest = assert_taken (text->str);
  g_assert_cmpuint (guest->warnings->len, ==, 100);
}

/* It is left out, and not shown: it may be most of a real one */
static void
test_bad_token (void)
{
  static const char *const tokens[] = { "0011", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg",
                                        "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
                                        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0" };

  for (guint i = 0; i < G_N_ELEMENTS (tokens); i++)
    {
      g_autofree char *text = g_strdup_printf ("<metadata><v:guest " OWN_NS " token='%s'/></metadata>", tokens[i]);
      g_autoptr (VrGuestXml) guest = assert_taken (text);

      g_assert_null (guest->metadata->token);
      assert_warns (guest, "token");
      for (guint w = 0; w < guest->warnings->len; w++)
        g_assert_null (strstr (guest->warnings->pdata[w], tokens[i]));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/xml/hostile/external-entity", test_external_entity);
  g_test_add_func ("/xml/hostile/external-dtd", test_external_dtd);
  g_test_add_func ("/xml/hostile/internal-entity", test_internal_entity);
  g_test_add_func ("/xml/hostile/billion-laughs", test_billion_laughs);
  g_test_add_func ("/xml/hostile/undefined-entity", test_undefined_entity);
  g_test_add_func ("/xml/hostile/xinclude", test_xinclude_is_not_followed);
  g_test_add_func ("/xml/hostile/truncated", test_truncated_anywhere);
  g_test_add_func ("/xml/hostile/no-xml", test_no_xml);
  g_test_add_func ("/xml/hostile/nul", test_nul_inside);
  g_test_add_func ("/xml/hostile/not-utf8", test_not_utf8);
  g_test_add_func ("/xml/hostile/too-many-bytes", test_too_many_bytes);
  g_test_add_func ("/xml/hostile/limit-of-bytes", test_limit_of_bytes_is_taken);
  g_test_add_func ("/xml/hostile/too-many-elements", test_too_many_elements);
  g_test_add_func ("/xml/hostile/too-deep", test_too_deep);
  g_test_add_func ("/xml/hostile/wrong-root", test_wrong_root);
  g_test_add_func ("/xml/hostile/root-in-a-namespace", test_root_in_a_namespace);
  g_test_add_func ("/xml/hostile/no-name", test_no_name);
  g_test_add_func ("/xml/hostile/bad-uuid", test_bad_uuid);
  g_test_add_func ("/xml/hostile/bad-mac", test_bad_mac);
  g_test_add_func ("/xml/hostile/same-mac", test_second_nic_with_the_same_mac);
  g_test_add_func ("/xml/hostile/bad-addresses", test_bad_addresses);
  g_test_add_func ("/xml/hostile/bad-epoch", test_bad_epoch);
  g_test_add_func ("/xml/hostile/bad-token", test_bad_token);
  g_test_add_func ("/xml/hostile/wrong-namespace", test_metadata_in_a_wrong_namespace);
  g_test_add_func ("/xml/hostile/wrong-place", test_metadata_in_a_wrong_place);
  g_test_add_func ("/xml/hostile/metadata-twice", test_metadata_twice);
  g_test_add_func ("/xml/hostile/too-many-nics", test_too_many_nics);
  g_test_add_func ("/xml/hostile/too-many-addresses", test_too_many_addresses);
  g_test_add_func ("/xml/hostile/warnings", test_warnings_are_bounded);
  return g_test_run ();
}
