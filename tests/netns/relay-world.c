/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay-world.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log/log-file.h"
#include "daemon/model/proof.h"
#include "daemon/names.h"
#include "netns.h"

#define LOG "/run/log"
#define MAC "52:54:00:00:01:64"

/* ---- libvirt ---- */

struct _VrVirt {
  GObject parent;
  char   *stamp;     /* the element that was written last, or NULL */
  char   *token;     /* in it */
  gboolean migrating;
};
G_DEFINE_TYPE (VrVirt, vr_virt, G_TYPE_OBJECT)
G_DEFINE_QUARK (vr-virt-error-quark, vr_virt_error)

static void
vr_virt_finalize (GObject *object)
{
  g_free (VR_VIRT (object)->stamp);
  g_free (VR_VIRT (object)->token);
  G_OBJECT_CLASS (vr_virt_parent_class)->finalize (object);
}

static void
vr_virt_class_init (VrVirtClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vr_virt_finalize;
  g_signal_new ("connected", VR_TYPE_VIRT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("disconnected", VR_TYPE_VIRT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  g_signal_new ("event", VR_TYPE_VIRT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

/* All addresses are named, so that nothing is looked at again to learn some. */
static void
vr_virt_init (VrVirt *virt)
{
  virt->stamp = g_strdup ("<guest><nic mac='" MAC "'><address>10.9.1.100</address><address>fd00:9:1::100</address></nic></guest>");
}

static VrVirtGuest *
guest_of (VrVirt *virt)
{
  g_autofree char *xml = g_strdup_printf ("<domain type='kvm' id='1'><name>d</name><uuid>" D "</uuid><metadata><guest xmlns='" VR_METADATA_NS "'%s</metadata>"
                                          "<devices><interface type='bridge'><mac address='" MAC "'/><source bridge='br0'/><target dev='tap0'/></interface>"
                                          "</devices></domain>", virt->stamp + strlen ("<guest"));
  g_autoptr (GError) error = NULL;
  VrVirtGuest *guest = g_new0 (VrVirtGuest, 1);

  guest->xml = vr_guest_xml_parse (xml, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (guest->xml->warnings->len, ==, 0);
  guest->migrating = virt->migrating;
  return guest;
}

gboolean
vr_virt_is_connected (VrVirt *virt)
{
  return TRUE;
}

const char *
vr_virt_get_trouble (VrVirt *virt)
{
  return NULL;
}

void
vr_virt_list_async (VrVirt *virt, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (virt, cancellable, callback, data);
  GPtrArray *guests = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_guest_free);

  g_ptr_array_add (guests, guest_of (virt));
  g_task_return_pointer (task, guests, (GDestroyNotify) g_ptr_array_unref);
}

GPtrArray *
vr_virt_list_finish (VrVirt *virt, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
vr_virt_look_async (VrVirt *virt, const char *uuid, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (virt, cancellable, callback, data);

  g_assert_cmpstr (uuid, ==, D);
  g_task_return_pointer (task, guest_of (virt), (GDestroyNotify) vr_virt_guest_free);
}

VrVirtGuest *
vr_virt_look_finish (VrVirt *virt, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
vr_virt_stamp_async (VrVirt *virt, const char *uuid, const char *element, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer data)
{
  g_autoptr (GTask) task = g_task_new (virt, cancellable, callback, data);
  VrVirtGuest *guest;

  g_assert_true (g_str_has_prefix (element, "<guest"));
  g_free (virt->stamp);
  virt->stamp = g_strdup (element);
  guest = guest_of (virt);
  g_free (virt->token);
  virt->token = g_strdup (guest->xml->metadata->token);
  vr_virt_guest_free (guest);
  g_task_return_boolean (task, TRUE);
}

gboolean
vr_virt_stamp_finish (VrVirt *virt, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- tunnels ---- */

struct _VrTunnels {
  GObject parent;
};
G_DEFINE_TYPE (VrTunnels, vr_tunnels, G_TYPE_OBJECT)

static void
vr_tunnels_class_init (VrTunnelsClass *class)
{
  g_signal_new ("changed", VR_TYPE_TUNNELS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vr_tunnels_init (VrTunnels *tunnels)
{
}

void
vr_tunnels_want (VrTunnels *tunnels, GPtrArray *wanted)
{
}

gboolean
vr_tunnels_is_up (VrTunnels *tunnels, const char *peer)
{
  return FALSE;
}

GHashTable *
vr_tunnels_up (VrTunnels *tunnels)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

gint64
vr_tunnels_up_since (VrTunnels *tunnels, const char *peer)
{
  return 0;
}

const char *
vr_tunnels_trouble (VrTunnels *tunnels, const char *peer)
{
  return NULL;
}

/* ---- the log, as other hosts write it ---- */

static void
append (const char *text)
{
  FILE *file = fopen (LOG "/h2.log", "a");

  g_assert_nonnull (file);
  g_assert_cmpint (fputs (text, file), >=, 0);
  g_assert_cmpint (fclose (file), ==, 0);
}

void
relay_world_announce (RelayWorld *world, const char *token, guint64 epoch)
{
  static guint64 seq;
  g_autoptr (VrRecord) intent = vr_record_new (D, "d");
  g_autofree char *json = NULL, *line = NULL;

  intent->state = VR_STATE_INCOMING;
  intent->epoch = epoch;
  intent->owner = g_strdup ("h1");
  intent->origin = g_strdup ("h1");
  intent->home = g_strdup ("h1");
  intent->target = g_strdup ("h2");
  intent->writer = g_strdup ("h2");
  g_ptr_array_add (intent->nics, vr_nic_new (MAC, (const char *const[]) { "10.9.1.100", "fd00:9:1::100", NULL }));
  intent->seq = ++seq;
  intent->time_us = g_get_real_time ();
  intent->proof = vr_proof_make (token, intent);
  json = vr_record_to_json (intent);
  line = vr_log_line_make (json);
  append (line);
}

/* ---- the world ---- */

static VrConfig *
make_config (void)
{
  static const char text[] = "[host]\nname = h1\nunderlay = 192.0.2.1\nnetworks = 10.9.1.1/24 fd00:9:1::1/64\nbridge = br0\n"
                             "[log]\ndirectory = " LOG "\n[tunnel]\npsk-file = /run/psk\n";
  g_autoptr (GError) error = NULL;
  VrConfig *config;

  g_assert_true (g_file_set_contents_full ("/run/psk", "secret\n", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  config = vr_config_load_data (text, strlen (text), "text", &error);
  g_assert_no_error (error);
  return config;
}

static gboolean
has_token (gpointer world)
{
  return ((RelayWorld *) world)->virt->token != NULL;
}

RelayWorld *
relay_world_new (void)
{
  RelayWorld *world = g_new0 (RelayWorld, 1);
  g_autofree char *header = vr_log_header_make ("h2", "", "1"), *first = g_strconcat (header, "\n", NULL);

  sh ("rm -rf " LOG "; mkdir " LOG);
  sh ("ip link add br0 type bridge; ip addr add 10.9.1.1/24 dev br0; ip addr add fd00:9:1::1/64 dev br0 nodad; ip tuntap add tap0 mode tap;"
      "ip link set tap0 master br0; ip link set br0 up; ip link set tap0 up");
  append (first);
  world->config = make_config ();
  world->kernel = new_kernel ();
  world->log = vr_file_log_new (LOG, "h1");
  world->tunnels = g_object_new (VR_TYPE_TUNNELS, NULL);
  world->virt = g_object_new (VR_TYPE_VIRT, NULL);
  world->hooks = vr_hook_listener_new (NULL, "/run/spool");
  world->relay = vr_relay_new (world->config, world->kernel, world->log, world->tunnels, world->virt, world->hooks);
  vr_relay_start (world->relay);
  vr_log_start (world->log);
  g_signal_emit_by_name (world->virt, "connected");
  g_assert_true (wait_for (has_token, world));
  settle ();
  return world;
}

void
relay_world_free (RelayWorld *world)
{
  vr_relay_stop (world->relay);
  vr_log_stop (world->log);
  g_object_unref (world->relay);
  g_object_unref (world->hooks);
  g_object_unref (world->virt);
  g_object_unref (world->tunnels);
  g_object_unref (world->log);
  g_object_unref (world->kernel);
  settle ();
  vr_config_free (world->config);
  g_free (world);
}

char *
relay_world_token (RelayWorld *world)
{
  return g_strdup (world->virt->token);
}

void
relay_world_event (RelayWorld *world, VrVirtWhat what)
{
  const VrVirtEvent event = { what, D, "d", g_get_real_time () };

  world->virt->migrating = what == VR_VIRT_LEAVING || (world->virt->migrating && what != VR_VIRT_MIGRATION_CANCELLED);
  g_signal_emit_by_name (world->virt, "event", &event);
  settle ();
}

guint
relay_world_refused (RelayWorld *world)
{
  g_autoptr (GHashTable) counts = vr_relay_refused_counts (world->relay);

  return GPOINTER_TO_UINT (g_hash_table_lookup (counts, "h2"));
}

gboolean
relay_world_says (RelayWorld *world, const char *text)
{
  g_autoptr (GPtrArray) troubles = vr_relay_troubles (world->relay);

  for (guint i = 0; i < troubles->len; i++)
    if (strstr (troubles->pdata[i], text))
      return TRUE;
  return FALSE;
}

gboolean
relay_world_wrote (RelayWorld *world, VrState state, const char *target)
{
  g_autoptr (GPtrArray) history = vr_log_history (world->log, D);
  const VrRecord *last = NULL;

  for (guint i = 0; i < history->len; i++)
    if (strcmp (((VrRecord *) history->pdata[i])->writer, "h1") == 0)
      last = history->pdata[i];
  return last && last->state == state && g_strcmp0 (last->target, target) == 0;
}

typedef struct {
  RelayWorld *world;
  VrState     state;
  const char *target;
} Word;

static gboolean
is_written (gpointer word)
{
  return relay_world_wrote (((Word *) word)->world, ((Word *) word)->state, ((Word *) word)->target);
}

void
relay_world_await (RelayWorld *world, VrState state, const char *target)
{
  g_assert_true (wait_for (is_written, &(Word) { world, state, target }));
}

typedef struct {
  RelayWorld *world;
  const char *token; /* the one before */
} Renewed;

static gboolean
is_renewed (gpointer data)
{
  const Renewed *renewed = data;
  g_autofree char *now = relay_world_token (renewed->world);

  return strcmp (now, renewed->token) != 0;
}

char *
relay_world_fail (RelayWorld *world)
{
  g_autofree char *token = relay_world_token (world);

  relay_world_announce (world, token, 1);
  relay_world_event (world, VR_VIRT_LEAVING);
  relay_world_await (world, VR_STATE_LEAVING, "h2");
  relay_world_event (world, VR_VIRT_MIGRATION_CANCELLED);
  relay_world_await (world, VR_STATE_RUNNING, NULL);
  g_assert_true (wait_for (is_renewed, &(Renewed){ world, token }));
  return g_steal_pointer (&token);
}
