/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metrics, their text and their server, over a relay of this file's own. Called with --print it writes the text and nothing else, for
 * test-promtool.sh.
 */
#include "daemon/metrics/metrics.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <libsoup/soup.h>
#include <stdio.h>
#include <string.h>

#include "daemon/metrics/metrics-text.h"

#define UUID "d0000000-0000-4000-8000-00000000000d"

/* ---- the relay behind it ---- */

struct _VrRelay {
  GObject parent;
};
G_DEFINE_TYPE (VrRelay, vr_relay, G_TYPE_OBJECT)

static VrRecord *the_record;
static VrHost   *the_peer;

static void
vr_relay_class_init (VrRelayClass *klass)
{
  g_signal_new ("ready", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("guest-moved", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_STRING);
}

static void
vr_relay_init (VrRelay *relay)
{
}

GPtrArray *
vr_relay_guests (VrRelay *relay)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  VrGuestView *view = g_new0 (VrGuestView, 1);
  *view = (VrGuestView) { .record = the_record, .role = "home", .path = "vr-h3", .relayed = 1234, .answers = 7 };
  g_ptr_array_add (views, view);
  return views;
}

GPtrArray *
vr_relay_hosts (VrRelay *relay)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  VrHostView *view = g_new0 (VrHostView, 1);
  *view = (VrHostView) { .host = the_peer, .wanted = TRUE, .up = TRUE, .since_us = 1700000000123456 };
  g_ptr_array_add (views, view);
  return views;
}

GPtrArray *
vr_relay_troubles (VrRelay *relay)
{
  GPtrArray *troubles = g_ptr_array_new ();
  g_ptr_array_add (troubles, (gpointer) "record of \"d\" by h3: refused\nonce");
  g_ptr_array_add (troubles, (gpointer) "kernel: nft said: no");
  return troubles;
}

gint64
vr_relay_last_hook_us (VrRelay *relay)
{
  return 1700000001500000;
}

VrKernel *
vr_relay_kernel (VrRelay *relay)
{
  return NULL;
}

GPtrArray *
vr_kernel_counters (VrKernel *kernel, GError **error)
{
  static VrCounter relayed = { (char *) "relay4 10.9.1.100", 1234, 9 }, dropped = { (char *) "guest-in-clear", 5, 420 };
  GPtrArray *counters = g_ptr_array_new ();
  g_ptr_array_add (counters, &relayed);
  g_ptr_array_add (counters, &dropped);
  return counters;
}

/* ---- the text ---- */

static void
set_up (void)
{
  the_record = vr_record_new (UUID, "d");
  the_record->epoch = 3;
  the_record->owner = g_strdup ("h3");
  the_record->home = g_strdup ("h1");
  the_peer = vr_host_new ("h3");
}

static char *
sample_text (gboolean with_counters)
{
  g_autoptr (GPtrArray) guests = vr_relay_guests (NULL), hosts = vr_relay_hosts (NULL), troubles = vr_relay_troubles (NULL);
  g_autoptr (GPtrArray) counters = with_counters ? vr_kernel_counters (NULL, NULL) : NULL;
  VrMetrics metrics = { .host = "h1", .version = "1.2.3", .ready = TRUE, .guests = guests, .hosts = hosts, .troubles = troubles,
                        .counters = counters, .last_hook_us = vr_relay_last_hook_us (NULL), .moved_out = 2 };
  return vr_metrics_text (&metrics);
}

static void
assert_line (const char *text, const char *line)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  if (!g_strv_contains ((const char *const *) lines, line))
    g_error ("no line \"%s\" in:\n%s", line, text);
}

static void
test_text (void)
{
  g_autofree char *text = sample_text (TRUE);
  assert_line (text, "# TYPE virtrelay_ready gauge");
  assert_line (text, "virtrelay_build_info{host=\"h1\",version=\"1.2.3\"} 1");
  assert_line (text, "virtrelay_ready 1");
  assert_line (text, "virtrelay_last_hook_event_timestamp_seconds 1700000001");
  assert_line (text, "virtrelay_tunnel_up{peer=\"h3\"} 1");
  assert_line (text, "virtrelay_tunnel_wanted{peer=\"h3\"} 1");
  assert_line (text, "virtrelay_tunnel_up_timestamp_seconds{peer=\"h3\"} 1700000000");
  assert_line (text, "virtrelay_guests{state=\"running\"} 1");
  assert_line (text, "virtrelay_guests{state=\"moved\"} 0");
  assert_line (text, "virtrelay_guest_info{guest=\"d\",uuid=\"" UUID "\",owner=\"h3\",home=\"h1\",role=\"home\",path=\"vr-h3\"} 1");
  assert_line (text, "virtrelay_guest_epoch{guest=\"d\",uuid=\"" UUID "\"} 3");
  assert_line (text, "virtrelay_guest_relayed_packets_total{guest=\"d\",uuid=\"" UUID "\"} 1234");
  assert_line (text, "virtrelay_guest_straight_answers_total{guest=\"d\",uuid=\"" UUID "\"} 7");
  assert_line (text, "virtrelay_guest_moves_total{direction=\"out\"} 2");
  assert_line (text, "virtrelay_dropped_packets_total{reason=\"guest-in-clear\"} 5");
  assert_line (text, "virtrelay_dropped_bytes_total{reason=\"guest-in-clear\"} 420");
  g_assert_null (strstr (text, "relay4"));
}

/* What others wrote must not end a label. */
static void
test_escapes (void)
{
  g_autofree char *text = sample_text (TRUE);
  assert_line (text, "virtrelay_trouble{about=\"record of \\\"d\\\" by h3\"} 1");
  assert_line (text, "virtrelay_troubles 2");
}

static void
test_no_counters (void)
{
  g_autofree char *text = sample_text (FALSE);
  g_assert_null (strstr (text, "virtrelay_dropped"));
  assert_line (text, "virtrelay_ready 1");
}

static void
test_stopped (void)
{
  the_record->state = VR_STATE_STOPPED;
  g_autofree char *text = sample_text (TRUE);
  the_record->state = VR_STATE_RUNNING;
  assert_line (text, "virtrelay_guests{state=\"stopped\"} 1");
  g_assert_null (strstr (text, "virtrelay_guest_info"));
}

/* ---- the server ---- */

typedef struct {
  VrRelay         *relay;
  VrMetricsServer *server;
  char            *dir, *path;
} World;

static void
world_set_up (World *world, gconstpointer data)
{
  world->relay = g_object_new (VR_TYPE_RELAY, NULL);
  world->server = vr_metrics_server_new (world->relay, "h1", "1.2.3");
  world->dir = g_dir_make_tmp ("test-metrics-XXXXXX", NULL);
  world->path = g_build_filename (world->dir, "socket", NULL);
}

static void
world_tear_down (World *world, gconstpointer data)
{
  vr_metrics_server_free (world->server);
  g_object_unref (world->relay);
  g_assert_cmpint (g_rmdir (world->dir), ==, 0);
  g_free (world->dir);
  g_free (world->path);
}

static void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* What the server answers; `path` NULL: on its port. */
static char *
ask (World *world, const char *socket, const char *method, const char *what, guint *status)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = socket != NULL ? g_unix_socket_address_new (socket) : NULL;
  g_autoptr (SoupSession) session = address != NULL ? soup_session_new_with_options ("remote-connectable", address, NULL) : soup_session_new ();
  g_autofree char *uri = g_strdup_printf ("http://127.0.0.1:%u%s", socket != NULL ? 80 : vr_metrics_server_port (world->server), what);
  g_autoptr (SoupMessage) message = soup_message_new (method, uri);
  soup_session_send_and_read_async (session, message, G_PRIORITY_DEFAULT, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_autoptr (GBytes) body = soup_session_send_and_read_finish (session, result, &error);
  g_assert_no_error (error);
  *status = soup_message_get_status (message);
  return g_strndup (g_bytes_get_data (body, NULL), g_bytes_get_size (body));
}

static void
start (World *world, const char *listen)
{
  g_autoptr (GError) error = NULL;
  gboolean done = vr_metrics_server_start (world->server, listen, &error);
  g_assert_no_error (error);
  g_assert_true (done);
}

static void
test_address (World *world, gconstpointer data)
{
  guint status;
  start (world, "127.0.0.1:0");
  g_assert_cmpuint (vr_metrics_server_port (world->server), !=, 0);
  g_autofree char *text = ask (world, NULL, "GET", "/metrics", &status);
  g_assert_cmpuint (status, ==, 200);
  assert_line (text, "virtrelay_ready 0");
  assert_line (text, "virtrelay_dropped_packets_total{reason=\"guest-in-clear\"} 5");
}

static void
test_refuses (World *world, gconstpointer data)
{
  guint status;
  start (world, "127.0.0.1:0");
  g_free (ask (world, NULL, "GET", "/", &status));
  g_assert_cmpuint (status, ==, 404);
  g_free (ask (world, NULL, "POST", "/metrics", &status));
  g_assert_cmpuint (status, ==, 405);
}

static void
test_socket (World *world, gconstpointer data)
{
  guint status;
  start (world, world->path);
  g_autofree char *text = ask (world, world->path, "GET", "/metrics", &status);
  g_assert_cmpuint (status, ==, 200);
  assert_line (text, "virtrelay_ready 0");
}

/* Left behind by a daemon that was killed; in its place there may be anything else. */
static void
test_old_socket (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) old = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (world->path);
  g_assert_true (g_socket_bind (old, address, FALSE, NULL));
  start (world, world->path);
  g_clear_pointer (&world->server, vr_metrics_server_free);
  g_assert_false (g_file_test (world->path, G_FILE_TEST_EXISTS));

  world->server = vr_metrics_server_new (world->relay, "h1", "1.2.3");
  g_assert_true (g_file_set_contents (world->path, "mine", -1, NULL));
  g_assert_false (vr_metrics_server_start (world->server, world->path, &error));
  g_assert_nonnull (strstr (error->message, "[metrics] listen"));
  g_assert_cmpint (g_remove (world->path), ==, 0);
}

static void
test_port_taken (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  start (world, "[::1]:0");
  g_autofree char *same = g_strdup_printf ("[::1]:%u", vr_metrics_server_port (world->server));
  g_autoptr (VrMetricsServer) other = vr_metrics_server_new (world->relay, "h1", "1.2.3");
  g_assert_false (vr_metrics_server_start (other, same, &error));
  g_assert_nonnull (strstr (error->message, same));
}

static void
test_counts (World *world, gconstpointer data)
{
  guint status;
  start (world, world->path);
  g_signal_emit_by_name (world->relay, "ready");
  g_signal_emit_by_name (world->relay, "guest-moved", the_record, "h1"); /* h1 to h3 */
  g_signal_emit_by_name (world->relay, "guest-moved", the_record, "h2");
  g_autofree char *text = ask (world, world->path, "GET", "/metrics", &status);
  assert_line (text, "virtrelay_ready 1");
  assert_line (text, "virtrelay_guest_moves_total{direction=\"in\"} 0");
  assert_line (text, "virtrelay_guest_moves_total{direction=\"out\"} 1");
  assert_line (text, "virtrelay_guest_moves_total{direction=\"elsewhere\"} 1");
}

#define ADD(path, function) g_test_add ("/metrics/server/" path, World, NULL, world_set_up, function, world_tear_down)

int
main (int argc, char **argv)
{
  set_up ();
  if (argc > 1 && g_str_equal (argv[1], "--print"))
    {
      g_autofree char *text = sample_text (TRUE);
      return fputs (text, stdout) < 0;
    }
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/text/all", test_text);
  g_test_add_func ("/metrics/text/escapes", test_escapes);
  g_test_add_func ("/metrics/text/no-counters", test_no_counters);
  g_test_add_func ("/metrics/text/stopped", test_stopped);
  ADD ("address", test_address);
  ADD ("refuses", test_refuses);
  ADD ("socket", test_socket);
  ADD ("old-socket", test_old_socket);
  ADD ("port-taken", test_port_taken);
  ADD ("counts", test_counts);
  int status = g_test_run ();
  vr_record_unref (the_record);
  vr_host_unref (the_peer);
  return status;
}
