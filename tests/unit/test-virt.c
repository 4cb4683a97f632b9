/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole of daemon/virt against libvirt's test driver, which runs in this process: what a real libvirtd adds is in
 * tests/libvirtd.
 */
#include "virt-test.h"

#include "daemon/names.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define URI "test:///default"
#define UUID "11111111-2222-3333-4444-555555555555"
#define OTHER_UUID "99999999-2222-3333-4444-555555555555"
#define MAC "52:54:00:00:00:64"

typedef struct {
  Ear ear;
  virConnectPtr user; /* somebody else's connection to the same libvirt */
} Fixture;

/* The test driver's bridges have addresses of its own: 192.168.0.1 for a guest's first NIC, and so on. */
static const char *const guest_xml =
  "<domain type='test'><name>g1</name><uuid>" UUID "</uuid><memory>1024</memory><os><type>hvm</type></os><devices>"
  "<interface type='bridge'><mac address='" MAC "'/><source bridge='br0'/></interface>"
  "</devices></domain>";

static void
set_up (Fixture *fixture, gconstpointer data)
{
  ear_open (&fixture->ear, URI);
  fixture->user = virConnectOpen (URI);
  g_assert_nonnull (fixture->user);
  vr_virt_start (fixture->ear.virt);
  wait_until (fixture->ear.connected > 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  virDomainPtr domain = virDomainLookupByUUIDString (fixture->user, UUID);

  if (domain != NULL)
    {
      virDomainDestroy (domain);
      virDomainFree (domain);
      while (g_main_context_iteration (NULL, FALSE)) /* the test driver keeps its event for whoever comes next */
        ;
    }
  ear_close (&fixture->ear);
  virConnectClose (fixture->user);
}

static virDomainPtr
start_guest (Fixture *fixture)
{
  virDomainPtr domain = virDomainCreateXML (fixture->user, guest_xml, 0);

  g_assert_nonnull (domain);
  return domain;
}

/* ---- connecting ---- */

static void
test_connect (Fixture *fixture, gconstpointer data)
{
  g_assert_true (vr_virt_is_connected (fixture->ear.virt));
  g_assert_cmpuint (fixture->ear.connected, ==, 1);
  g_assert_cmpuint (fixture->ear.disconnected, ==, 0);
  g_assert_null (vr_virt_get_trouble (fixture->ear.virt));
}

/* libvirt is not there, which is said once however often it is tried; then it is. */
static void
test_late_libvirt (void)
{
  g_autofree char *dir = g_dir_make_tmp ("virt-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (dir, "host.xml", NULL);
  g_autofree char *uri = g_strdup_printf ("test://%s", file);
  gboolean         waited = FALSE;
  g_auto (Answer) answer = { 0 };
  Ear ear;

  ear_open (&ear, uri);
  vr_virt_start (ear.virt);
  wait_until (ear.disconnected > 0);
  g_assert_nonnull (strstr (ear.why, uri));
  g_timeout_add (1000, ring, &waited); /* for several attempts */
  wait_until (waited);
  g_assert_cmpuint (ear.disconnected, ==, 1);
  look_at (ear.virt, UUID, &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_cmpstr (answer.error->message, ==, ear.why);

  g_assert_true (g_file_set_contents (file, "<node/>", -1, NULL));
  wait_until (ear.connected > 0);
  g_assert_null (vr_virt_get_trouble (ear.virt));
  ear_close (&ear);
  g_unlink (file);
  g_rmdir (dir);
}

static void
test_before_start (void)
{
  g_auto (Answer) answer = { 0 };
  Ear ear;

  ear_open (&ear, URI);
  list_all (ear.virt, &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  ear_close (&ear);
}

static void
test_stop (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (virDomain) domain = NULL;
  gboolean waited = FALSE;

  vr_virt_list_async (fixture->ear.virt, PATIENCE_S * 1000, NULL, on_listed, &answer);
  vr_virt_stop (fixture->ear.virt);
  g_assert_false (vr_virt_is_connected (fixture->ear.virt));
  wait_until (answer.here);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  domain = start_guest (fixture);
  g_timeout_add (200, ring, &waited);
  wait_until (waited);
  g_assert_cmpuint (fixture->ear.events->len, ==, 0);
  g_assert_cmpuint (fixture->ear.disconnected, ==, 0);
}

static void
test_start_again (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = NULL;

  vr_virt_stop (fixture->ear.virt);
  vr_virt_start (fixture->ear.virt);
  wait_until (fixture->ear.connected == 2);
  domain = start_guest (fixture);
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_STARTED, UUID));
}

static void
test_stop_while_connecting (void)
{
  gboolean waited = FALSE;
  Ear      ear;

  ear_open (&ear, URI);
  vr_virt_start (ear.virt);
  vr_virt_stop (ear.virt);
  g_timeout_add (200, ring, &waited);
  wait_until (waited);
  g_assert_cmpuint (ear.connected, ==, 0);
  ear_close (&ear);
}

static void
stop_it (VrVirt *virt, gpointer data)
{
  vr_virt_stop (virt);
}

static void
test_stop_in_handler (void)
{
  Ear ear;

  ear_open (&ear, URI);
  g_signal_connect (ear.virt, "connected", G_CALLBACK (stop_it), NULL);
  vr_virt_start (ear.virt);
  wait_until (ear.connected > 0);
  g_assert_false (vr_virt_is_connected (ear.virt));
  ear_close (&ear);
}

/* Connections are closed in the background; the object itself goes at once. */
static void
test_goes_away (void)
{
  gpointer weak;
  Ear      ear;

  ear_open (&ear, URI);
  weak = ear.virt;
  g_object_add_weak_pointer (weak, &weak);
  vr_virt_start (ear.virt);
  wait_until (ear.connected > 0);
  ear_close (&ear);
  g_assert_null (weak);
}

/* ---- events ---- */

static void
test_events (Fixture *fixture, gconstpointer data)
{
  gint64 before = g_get_real_time ();
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_autofree char *words = NULL;

  g_assert_cmpint (virDomainSuspend (domain), ==, 0);
  g_assert_cmpint (virDomainResume (domain), ==, 0);
  g_assert_cmpint (virDomainDestroy (domain), ==, 0);
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_STOPPED, UUID));
  words = ear_words (&fixture->ear, 0, UUID);
  g_assert_cmpstr (words, ==, "started suspended-paused resumed-unpaused stopped");
  for (guint i = 0; i < fixture->ear.events->len; i++)
    {
      const SeenEvent *seen = fixture->ear.events->pdata[i];

      g_assert_cmpstr (seen->name, ==, "g1");
      g_assert_cmpint (seen->time_us, >=, before);
      g_assert_cmpint (seen->time_us, <=, seen->seen_us);
    }
}

static void
test_shutdown (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);

  g_assert_cmpint (virDomainShutdown (domain), ==, 0);
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_STOPPED, UUID));
}

/* ---- list and look ---- */

static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_autoptr (virDomain) inactive = NULL;
  g_auto (Answer) answer = { 0 };
  const VrVirtGuest *guest;

  inactive = virDomainDefineXML (fixture->user, "<domain type='test'><name>off</name><uuid>" OTHER_UUID
                                                "</uuid><memory>1024</memory><os><type>hvm</type></os></domain>");
  g_assert_nonnull (inactive);
  list_all (fixture->ear.virt, &answer);
  virDomainUndefine (inactive);
  g_assert_no_error (answer.error);
  g_assert_null (find_guest (answer.guests, OTHER_UUID));
  guest = find_guest (answer.guests, UUID);
  g_assert_nonnull (guest);
  g_assert_cmpstr (guest->xml->name, ==, "g1");
  g_assert_cmpint (guest->state, ==, VR_VIRT_STATE_RUNNING);
  g_assert_false (guest->migrating);
  g_assert_false (guest->incoming);
}

static void
test_look (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_auto (Answer) answer = { 0 };

  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpstr (answer.guest->xml->uuid, ==, UUID);
  g_assert_cmpint (answer.guest->state, ==, VR_VIRT_STATE_RUNNING);
  g_assert_cmpint (virDomainSuspend (domain), ==, 0);
  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpint (answer.guest->state, ==, VR_VIRT_STATE_PAUSED);
}

static void
test_unknown (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE);
}

static void
test_inactive (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = virDomainDefineXML (fixture->user, guest_xml);
  g_auto (Answer) looked = { 0 };
  g_auto (Answer) stamped = { 0 };

  look_at (fixture->ear.virt, UUID, &looked);
  stamp_on (fixture->ear.virt, UUID, "<guest/>", &stamped);
  virDomainUndefine (domain);
  g_assert_error (looked.error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE);
  g_assert_error (stamped.error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE);
}

/* libvirt forgets its error easily. */
static void
assert_libvirts_words (const GError *error)
{
  g_assert_true (g_str_has_prefix (error->message, "cannot "));
  g_assert_null (strstr (error->message, "did not say why"));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  look_at (fixture->ear.virt, "no uuid", &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CALL);
  assert_libvirts_words (answer.error);
}

static void
test_address_from_libvirt (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_auto (Answer) answer = { 0 };
  const VrGuestNic *nic;

  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  nic = vr_guest_xml_find_nic (answer.guest->xml, MAC);
  g_assert_cmpuint (nic->addresses->len, ==, 0);
  g_assert_cmpuint (nic->learned->len, ==, 1);
  g_assert_cmpstr (nic->learned->pdata[0], ==, "192.168.0.1");
}

/*
 * The test driver fails for a network that it does not know, whatever the source: lease, agent and neighbours are in
 * vain.
 */
static void
test_no_address (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain =
    virDomainCreateXML (fixture->user, "<domain type='test'><name>g1</name><uuid>" UUID "</uuid><memory>1024</memory>"
                                       "<os><type>hvm</type></os><devices><interface type='network'><mac address='" MAC "'/>"
                                       "<source network='nonesuch'/></interface></devices></domain>", 0);
  g_auto (Answer) looked = { 0 };
  g_auto (Answer) listed = { 0 };

  look_at (fixture->ear.virt, UUID, &looked);
  g_assert_no_error (looked.error);
  g_assert_cmpuint (vr_guest_xml_find_nic (looked.guest->xml, MAC)->addresses->len, ==, 0);
  list_all (fixture->ear.virt, &listed);
  g_assert_no_error (listed.error);
  g_assert_nonnull (find_guest (listed.guests, UUID));
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answer) answer = { 0 };

  vr_virt_list_async (fixture->ear.virt, 10 * PATIENCE_S * 1000, cancellable, on_listed, &answer);
  g_cancellable_cancel (cancellable);
  wait_until (answer.here);
  g_assert_error (answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- stamps ---- */

static void
test_stamp (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_autoptr (VrGuestMetadata) metadata = vr_guest_metadata_new ();
  g_autofree char *element = NULL;
  g_auto (Answer) answer = { 0 };

  metadata->owner = g_strdup ("h1");
  metadata->epoch = 7;
  vr_metadata_nic_add_address (vr_guest_metadata_get_nic (metadata, MAC), "10.9.1.100");
  element = vr_guest_xml_format_metadata (metadata);
  stamp_on (fixture->ear.virt, UUID, element, &answer);
  g_assert_no_error (answer.error);
  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_true (vr_guest_metadata_equal (answer.guest->xml->metadata, metadata));
  g_assert_cmpint (vr_guest_xml_find_nic (answer.guest->xml, MAC)->source, ==, VR_ADDRESS_SOURCE_METADATA);

  stamp_on (fixture->ear.virt, UUID, NULL, &answer);
  g_assert_no_error (answer.error);
  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_null (answer.guest->xml->metadata);
}

/* Events come in order, so a later one shows that none came of the stamp. */
static void
test_own_stamp_is_no_event (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_autofree char *words = NULL;
  g_auto (Answer) answer = { 0 };

  stamp_on (fixture->ear.virt, UUID, "<guest owner='h1'/>", &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpint (virDomainSuspend (domain), ==, 0);
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_SUSPENDED_PAUSED, UUID));
  words = ear_words (&fixture->ear, 0, UUID);
  g_assert_cmpstr (words, ==, "started suspended-paused");
}

static void
test_metadata_by_others (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_auto (Answer) answer = { 0 };
  guint before;

  stamp_on (fixture->ear.virt, UUID, "<guest owner='h1'/>", &answer);
  g_assert_cmpint (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, "<guest owner='h2'/>", VR_METADATA_PREFIX,
                                         VR_METADATA_NS, VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_CHANGED, UUID));
  before = fixture->ear.events->len;
  g_assert_cmpint (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_TITLE, "a title", NULL, NULL,
                                         VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  wait_until (ear_find (&fixture->ear, before, VR_VIRT_CHANGED, UUID));
}

/* A stamp that was refused is not waited for: the next change is somebody else's. */
static void
test_refused_stamp (Fixture *fixture, gconstpointer data)
{
  g_autoptr (virDomain) domain = start_guest (fixture);
  g_auto (Answer) answer = { 0 };

  stamp_on (fixture->ear.virt, UUID, "no XML", &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CALL);
  assert_libvirts_words (answer.error);
  g_assert_cmpint (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, "<guest owner='h2'/>", VR_METADATA_PREFIX,
                                         VR_METADATA_NS, VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_CHANGED, UUID));
}

int
main (int argc, char **argv)
{
  virt_test_init (&argc, &argv);
#define ADD(path, test) g_test_add ("/virt/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("connect", test_connect);
  g_test_add_func ("/virt/libvirt-comes-late", test_late_libvirt);
  g_test_add_func ("/virt/call-before-start", test_before_start);
  ADD ("stop", test_stop);
  ADD ("start-again", test_start_again);
  g_test_add_func ("/virt/stop-while-connecting", test_stop_while_connecting);
  g_test_add_func ("/virt/stop-in-a-handler", test_stop_in_handler);
  g_test_add_func ("/virt/goes-away", test_goes_away);
  ADD ("events", test_events);
  ADD ("shutdown", test_shutdown);
  ADD ("list", test_list);
  ADD ("look", test_look);
  ADD ("unknown-guest", test_unknown);
  ADD ("guest-that-does-not-run", test_inactive);
  ADD ("refused", test_refused);
  ADD ("address-from-libvirt", test_address_from_libvirt);
  ADD ("no-address-is-no-error", test_no_address);
  ADD ("cancel", test_cancel);
  ADD ("stamp", test_stamp);
  ADD ("own-stamp-is-no-event", test_own_stamp_is_no_event);
  ADD ("metadata-by-others", test_metadata_by_others);
  ADD ("refused-stamp", test_refused_stamp);
  return g_test_run ();
}
