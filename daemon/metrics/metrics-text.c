/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text: each metric once, its HELP, its TYPE, then its samples. The table has them in the order in which they are written; a metric without
 * samples is left out. Names follow Prometheus' conventions: base units, _total for what only grows, _info for what is only labels.
 */
#include "metrics-text.h"

#include <string.h>

/* `what`: which value, where one function writes several metrics. */
typedef void (*AddSamples) (const VrMetrics *metrics, const char *name, GString *text, int what);

/* ---- samples ---- */

/* A value of a label: any UTF-8, with \, " and line ends escaped. */
static void
add_label (GString *text, gboolean first, const char *label, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value != NULL ? value : "", -1);

  g_string_append_printf (text, "%s%s=\"", first ? "{" : ",", label);
  for (const char *at = valid; *at != '\0'; at++)
    if (*at == '\\' || *at == '"')
      g_string_append_printf (text, "\\%c", *at);
    else if (*at == '\n')
      g_string_append (text, "\\n");
    else
      g_string_append_c (text, *at);
  g_string_append_c (text, '"');
}

static void add_sample (GString *text, guint64 value, const char *name, ...) G_GNUC_NULL_TERMINATED;

/* Labels as pairs of name and value, NULL-terminated; a label without a value is left out. */
static void
add_sample (GString *text, guint64 value, const char *name, ...)
{
  gboolean first = TRUE;
  va_list  labels;

  g_string_append (text, name);
  va_start (labels, name);
  for (const char *label = va_arg (labels, const char *); label != NULL; label = va_arg (labels, const char *))
    {
      const char *label_value = va_arg (labels, const char *);

      if (label_value == NULL || *label_value == '\0')
        continue;
      add_label (text, first, label, label_value);
      first = FALSE;
    }
  va_end (labels);
  g_string_append_printf (text, "%s %" G_GUINT64_FORMAT "\n", first ? "" : "}", value);
}

static void
add_build (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  add_sample (text, 1, name, "host", metrics->host, "version", metrics->version, NULL);
}

static void
add_ready (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  add_sample (text, metrics->ready, name, NULL);
}

static void
add_last_hook (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  if (metrics->last_hook_us > 0)
    add_sample (text, (guint64) (metrics->last_hook_us / G_USEC_PER_SEC), name, NULL);
}

/* ---- troubles ---- */

static void
add_troubles (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  add_sample (text, metrics->troubles->len, name, NULL);
}

static void
add_trouble (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  g_autoptr (GHashTable) said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < metrics->troubles->len; i++)
    {
      const char *trouble = metrics->troubles->pdata[i], *end = strstr (trouble, ": ");
      char       *about = g_strndup (trouble, end != NULL ? (gsize) (end - trouble) : strlen (trouble));

      if (g_hash_table_add (said, about)) /* no sample twice */
        add_sample (text, 1, name, "about", about, NULL);
    }
}

/* ---- tunnels ---- */

enum { TUNNEL_UP, TUNNEL_WANTED, TUNNEL_SINCE };

static void
add_tunnels (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  for (guint i = 0; i < metrics->hosts->len; i++)
    {
      const VrHostView *view = metrics->hosts->pdata[i];
      gint64            value = what == TUNNEL_UP ? view->up : what == TUNNEL_WANTED ? view->wanted : view->since_us / G_USEC_PER_SEC;

      if (!view->self && (what != TUNNEL_SINCE || (view->up && view->since_us > 0)))
        add_sample (text, (guint64) value, name, "peer", view->host->name, NULL);
    }
}

/* ---- guests ---- */

static void
add_guests (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  for (VrState state = VR_STATE_RUNNING; state <= VR_STATE_STOPPED; state++)
    {
      guint n = 0;

      for (guint i = 0; i < metrics->guests->len; i++)
        n += ((VrGuestView *) metrics->guests->pdata[i])->record->state == state;
      add_sample (text, n, name, "state", vr_state_to_string (state), NULL);
    }
}

static void
add_guest_info (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  for (guint i = 0; i < metrics->guests->len; i++)
    {
      const VrGuestView *view = metrics->guests->pdata[i];

      if (view->record->state != VR_STATE_STOPPED)
        add_sample (text, 1, name, "guest", view->record->name, "uuid", view->record->uuid, "owner", view->record->owner, "home", view->record->home,
                    "role", view->role, "path", view->path, NULL);
    }
}

enum { GUEST_EPOCH, GUEST_RELAYED, GUEST_ANSWERS };

static void
add_each_guest (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  for (guint i = 0; i < metrics->guests->len; i++)
    {
      const VrGuestView *view = metrics->guests->pdata[i];
      guint64            value = what == GUEST_EPOCH ? view->record->epoch : what == GUEST_RELAYED ? view->relayed : view->answers;

      if (view->record->state != VR_STATE_STOPPED)
        add_sample (text, value, name, "guest", view->record->name, "uuid", view->record->uuid, NULL);
    }
}

static void
add_moves (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  add_sample (text, metrics->moved_in, name, "direction", "in", NULL);
  add_sample (text, metrics->moved_out, name, "direction", "out", NULL);
  add_sample (text, metrics->moved_elsewhere, name, "direction", "elsewhere", NULL);
}

/* ---- the filter ---- */

enum { DROPPED_PACKETS, DROPPED_BYTES };

/* Named counters are reasons why packets were dropped; those of elements, "SET ADDRESS", are told with their guests. */
static void
add_dropped (const VrMetrics *metrics, const char *name, GString *text, int what)
{
  for (guint i = 0; metrics->counters != NULL && i < metrics->counters->len; i++)
    {
      const VrCounter *counter = metrics->counters->pdata[i];

      if (strchr (counter->name, ' ') == NULL)
        add_sample (text, what == DROPPED_BYTES ? counter->bytes : counter->packets, name, "reason", counter->name, NULL);
    }
}

/* ---- the whole ---- */

static const struct {
  const char *name, *type, *help;
  AddSamples  add;
  int         what;
} table[] = {
  { "virtrelay_build_info", "gauge", "The daemon's version and the host's name in the migration log.", add_build },
  { "virtrelay_ready", "gauge", "Whether the kernel holds what the plan wants: the first reconcile is done.", add_ready },
  { "virtrelay_last_hook_event_timestamp_seconds", "gauge", "When the last event of the hook happened of those that reached this daemon.", add_last_hook },
  { "virtrelay_troubles", "gauge", "How many things are not as they should be; virt-relay status names them, and their cures.", add_troubles },
  { "virtrelay_trouble", "gauge", "1 for each thing that is not as it should be.", add_trouble },
  { "virtrelay_tunnel_up", "gauge", "Whether the tunnel to that peer is up.", add_tunnels, TUNNEL_UP },
  { "virtrelay_tunnel_wanted", "gauge", "Whether this host has a use for the tunnel to that peer now.", add_tunnels, TUNNEL_WANTED },
  { "virtrelay_tunnel_up_timestamp_seconds", "gauge", "When the tunnel to that peer came up.", add_tunnels, TUNNEL_SINCE },
  { "virtrelay_guests", "gauge", "Guests that the migration log knows, by the state of their latest record.", add_guests },
  { "virtrelay_guest_info", "gauge", "A guest that has not ended: its owner, its home, this host's role, and the interface by which this host sends to it.",
    add_guest_info },
  { "virtrelay_guest_epoch", "gauge", "A guest's epoch: one more at every change of its owner.", add_each_guest, GUEST_EPOCH },
  { "virtrelay_guest_relayed_packets_total", "counter", "Packets that this host relayed to the guest.", add_each_guest, GUEST_RELAYED },
  { "virtrelay_guest_straight_answers_total", "counter", "Packets that came straight from the guest, not through its home.", add_each_guest, GUEST_ANSWERS },
  { "virtrelay_guest_moves_total", "counter", "Changes of a guest's owner since the daemon started: to this host, from it, between others.", add_moves },
  { "virtrelay_dropped_packets_total", "counter", "Packets that the filter dropped, by its reason.", add_dropped, DROPPED_PACKETS },
  { "virtrelay_dropped_bytes_total", "counter", "Bytes that the filter dropped, by its reason.", add_dropped, DROPPED_BYTES },
};

char *
vr_metrics_text (const VrMetrics *metrics)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GString) samples = g_string_new (NULL);

      table[i].add (metrics, table[i].name, samples, table[i].what);
      if (samples->len > 0)
        g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n%s", table[i].name, table[i].help, table[i].name, table[i].type, samples->str);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
