/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay log: the records of the migration log. Export and import carry all of a log from one engine to another; they are virt-relayd's
 * own doing, in a process of its own, since they use the engine that the configuration names now, not the one that the daemon runs on.
 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/client.h"
#include "cli/show.h"
#include "daemon/names.h"

static guint newest; /* 0: all */
static gboolean follow, refused;

static gboolean
parse_newest (const char *option, const char *value, gpointer data, GError **error)
{
  guint64 number;
  if (!g_ascii_string_to_unsigned (value, 10, 1, G_MAXUINT32, &number, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%s\" is not a number of records", value);
      return FALSE;
    }
  newest = (guint) number;
  return TRUE;
}

static const GOptionEntry options[] = {
  { "newest", 'n', 0, G_OPTION_ARG_CALLBACK, parse_newest, "no more than the newest N records", "N" },
  { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "go on with new records as they come", NULL },
  { "refused", 0, 0, G_OPTION_ARG_NONE, &refused, "records that this host does not believe, and why", NULL },
  { NULL },
};

static VrTable *
new_table (void)
{
  return vr_table_new ("TIME", "GUEST", "EPOCH", "STATE", "OWNER", "ORIGIN", "TARGET", "WRITER", NULL);
}

static void
add_record (VrTable *table, GVariant *record)
{
  g_autofree char *time = vr_show_time (vr_item_time (record, "time"));
  g_autofree char *epoch = vr_show_number (vr_item_number (record, "epoch"));
  vr_table_add (table, time, vr_item_text (record, "name", "-"), epoch, vr_item_text (record, "state", "-"),
                vr_item_text (record, "owner", "-"), vr_item_text (record, "origin", "-"), vr_item_text (record, "target", "-"),
                vr_item_text (record, "writer", "-"), NULL);
}

/* ---- following ---- */

typedef struct {
  const VrCall *call;
  VrTable      *table;
  GHashTable   *shown;  /* set of "WRITER SEQ" */
  gboolean      due;    /* something may be new */
} Tail;

static gboolean
is_new (Tail *tail, GVariant *record)
{
  return g_hash_table_add (tail->shown, g_strdup_printf ("%s %" G_GUINT64_FORMAT, vr_item_text (record, "writer", ""),
                                                         vr_item_number (record, "seq")));
}

/* Prints what is new; with `first` no more than the newest. */
static gboolean
show_new (Tail *tail, gboolean first, GError **error)
{
  g_autoptr (GVariant) records = NULL;
  const char *guest = tail->call->operands[0] != NULL ? tail->call->operands[0] : "";
  if (!vr_bus_service_call_log_sync (tail->call->service, guest, 0, &records, NULL, error))
    return FALSE;
  gsize n = g_variant_n_children (records), skip = first && newest > 0 && n > newest ? n - newest : 0;
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (records, i);
      if (!is_new (tail, record) || i < skip)
        continue;
      if (tail->call->json)
        vr_show_json_line (record);
      else
        add_record (tail->table, record);
    }
  if (!tail->call->json)
    vr_table_print (tail->table, 0);
  fflush (stdout);
  return TRUE;
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *arguments, gpointer data)
{
  ((Tail *) data)->due = TRUE;
}

static void
on_name_owner (GObject *service, GParamSpec *spec, gpointer data)
{
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (service));
  if (owner == NULL)
    g_printerr ("virt-relay: virt-relayd ended; waiting for it\n");
  ((Tail *) data)->due = owner != NULL;
}

/* Until it is interrupted, or what it prints to is gone. A daemon that ends, and comes back, is waited for. */
static gboolean
run_following (const VrCall *call, GError **error)
{
  g_autoptr (VrTable) table = new_table ();
  g_autoptr (GHashTable) shown = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Tail tail = { .call = call, .table = table, .shown = shown };
  GDBusConnection *connection = g_dbus_proxy_get_connection (G_DBUS_PROXY (call->service));
  g_dbus_connection_signal_subscribe (connection, VR_BUS_NAME, VR_BUS_NAME, "Changed", VR_BUS_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                      on_signal, &tail, NULL);
  g_signal_connect (call->service, "notify::g-name-owner", G_CALLBACK (on_name_owner), &tail);
  if (!show_new (&tail, TRUE, error))
    return FALSE;
  while (!ferror (stdout))
    {
      g_main_context_iteration (NULL, TRUE);
      if (tail.due)
        {
          g_autoptr (GError) gone = NULL; /* it ended meanwhile: its next start is news */
          tail.due = FALSE;
          show_new (&tail, FALSE, &gone);
        }
    }
  return TRUE;
}

/* ---- what is not believed ---- */

static gboolean
is_about (GVariant *record, const char *guest)
{
  return guest == NULL || g_str_equal (vr_item_text (record, "name", ""), guest) || g_ascii_strcasecmp (vr_item_text (record, "uuid", ""), guest) == 0;
}

static void
print_refused (GVariant *records, GVariant *counts, const char *guest)
{
  g_autoptr (VrTable) table = vr_table_new ("WRITER", "ABOUT", "EPOCH", "STATE", "OWNER", "TIME", "WHY", NULL);
  for (gsize i = 0; i < g_variant_n_children (records); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (records, i);
      gboolean is_guest = g_str_equal (vr_item_text (record, "kind", ""), "guest"), waits = FALSE;
      if (!is_about (record, guest))
        continue;
      g_variant_lookup (record, "waits", "b", &waits);
      g_autofree char *time = is_guest ? vr_show_time (vr_item_time (record, "time")) : g_strdup ("-");
      g_autofree char *epoch = is_guest ? vr_show_number (vr_item_number (record, "epoch")) : g_strdup ("-");
      g_autofree char *why = g_strconcat (waits ? "not yet: " : "", vr_item_text (record, "why", "-"), NULL);
      vr_table_add (table, vr_item_text (record, "writer", "-"), vr_item_text (record, "name", "-"), epoch,
                    vr_item_text (record, "state", "a host"), vr_item_text (record, "owner", "-"), time, why, NULL);
    }
  vr_table_print (table, 0);

  GVariantIter iter;
  const char *writer;
  guint n;
  g_variant_iter_init (&iter, counts);
  while (g_variant_iter_next (&iter, "{&su}", &writer, &n))
    {
      g_autofree char *name = vr_show_text (writer);
      printf ("%s: %u refused for good since virt-relayd started\n", name, n);
    }
}

static gboolean
show_refused (const VrCall *call, GError **error)
{
  g_autoptr (GVariant) records = NULL, counts = NULL;
  if (!vr_bus_service_call_refused_sync (call->service, &records, &counts, NULL, error))
    return FALSE;
  if (call->json)
    vr_show_json (g_variant_new_parsed ("{'records': <%@aa{sv}>, 'counts': <%@a{su}>}", records, counts));
  else
    print_refused (records, counts, call->operands[0]);
  return TRUE;
}

/* ---- export, import ---- */

/* Its lines are said where they are not in the way of JSON. */
static gboolean
run_daemon (const VrCall *call, const char *option, GError **error)
{
  const char *const argv[] = { "virt-relayd", option, call->operands[1], NULL };
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  if (call->json)
    g_subprocess_launcher_take_stdout_fd (launcher, dup (STDERR_FILENO));
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, argv, error);
  if (process == NULL)
    {
      g_prefix_error (error, "virt-relayd %s cannot be started (is it installed, and are you root?): ", option);
      return FALSE;
    }
  if (!g_subprocess_wait (process, NULL, error) || !g_subprocess_get_successful (process))
    return FALSE; /* it said why */
  if (call->json)
    vr_show_json (g_variant_new_parsed ("{'file': <%s>}", call->operands[1]));
  return TRUE;
}

/* ---- once ---- */

static gboolean
show (const VrCall *call, GError **error)
{
  g_autoptr (GVariant) records = NULL;
  const char *guest = call->operands[0] != NULL ? call->operands[0] : "";
  if (refused)
    return show_refused (call, error);
  if (follow)
    return run_following (call, error);
  if (!vr_bus_service_call_log_sync (call->service, guest, newest, &records, NULL, error))
    return FALSE;
  if (call->json)
    {
      vr_show_json (records);
      return TRUE;
    }

  g_autoptr (VrTable) table = new_table ();
  for (gsize i = 0; i < g_variant_n_children (records); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (records, i);
      add_record (table, record);
    }
  vr_table_print (table, 0);
  return TRUE;
}

static gboolean
run (const VrCall *call, GError **error)
{
  const char *word = call->operands[0], *file = word != NULL ? call->operands[1] : NULL;
  if (file != NULL && g_str_equal (word, "export"))
    return run_daemon (call, "--export-log", error);
  if (file != NULL && g_str_equal (word, "import"))
    return run_daemon (call, "--import-log", error);
  if (file != NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "\"%s\" is one argument too many", file);
      return FALSE;
    }
  if (call->service != NULL)
    return show (call, error);

  g_autoptr (VrBusService) service = vr_client_open (error); /* to say why there is none */
  VrCall again = *call;
  again.service = service;
  return service != NULL && show (&again, error);
}

const VrCommand vr_command_log = {
  .name = "log",
  .operands = "[GUEST] | export FILE | import FILE",
  .summary = "the migration log, oldest record first; or carry all of it to another engine",
  .max_operands = 2,
  .alone = TRUE,
  .options = options,
  .run = run,
};
