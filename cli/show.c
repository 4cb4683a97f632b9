/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/show.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <unistd.h>

#define BETWEEN_COLUMNS 2

/* ---- a{sv} ---- */

const char *
vr_item_text (GVariant *item, const char *key, const char *otherwise)
{
  const char *text = NULL;
  return g_variant_lookup (item, key, "&s", &text) ? text : otherwise;
}

gboolean
vr_item_flag (GVariant *item, const char *key)
{
  gboolean flag = FALSE;
  return g_variant_lookup (item, key, "b", &flag) && flag;
}

gint64
vr_item_time (GVariant *item, const char *key)
{
  gint64 time_us = 0;
  g_variant_lookup (item, key, "x", &time_us);
  return time_us;
}

guint64
vr_item_number (GVariant *item, const char *key)
{
  guint64 number = 0;
  g_variant_lookup (item, key, "t", &number);
  return number;
}

static void
append_list (GString *joined, GVariant *item, const char *key)
{
  g_auto (GStrv) list = NULL;
  g_variant_lookup (item, key, "^as", &list);
  for (guint i = 0; list != NULL && list[i] != NULL; i++)
    g_string_append_printf (joined, "%s%s", joined->len > 0 ? " " : "", list[i]);
}

static char *
end_list (GString *joined)
{
  if (joined->len == 0)
    g_string_append_c (joined, '-');
  return g_string_free (joined, FALSE);
}

char *
vr_item_list (GVariant *item, const char *key)
{
  GString *joined = g_string_new (NULL);
  append_list (joined, item, key);
  return end_list (joined);
}

char *
vr_item_addresses (GVariant *guest)
{
  GString *joined = g_string_new (NULL);
  g_autoptr (GVariant) nics = g_variant_lookup_value (guest, "nics", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; nics != NULL && i < g_variant_n_children (nics); i++)
    {
      g_autoptr (GVariant) nic = g_variant_get_child_value (nics, i);
      append_list (joined, nic, "addresses");
    }
  return end_list (joined);
}

/* ---- words ---- */

char *
vr_show_text (const char *text)
{
  GString *shown = g_string_new (NULL);
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);
      if (g_unichar_isprint (c))
        g_string_append_unichar (shown, c);
      else
        g_string_append_printf (shown, "\\x{%x}", c);
    }
  return g_string_free (shown, FALSE);
}

char *
vr_show_number (guint64 number)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}

char *
vr_show_time (gint64 time_us)
{
  g_autoptr (GDateTime) time = time_us != 0 ? g_date_time_new_from_unix_local (time_us / G_USEC_PER_SEC) : NULL;
  if (time == NULL)
    return g_strdup ("-");
  g_autofree char *seconds = g_date_time_format (time, "%Y-%m-%d %H:%M:%S");
  return g_strdup_printf ("%s.%03d", seconds, (int) (time_us % G_USEC_PER_SEC / 1000));
}

char *
vr_show_duration (gint64 span_us)
{
  static const struct {
    gint64 seconds;
    char   unit;
  } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' } };

  gint64 seconds = MAX (span_us, 0) / G_USEC_PER_SEC;
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    {
      gint64 next = i + 1 < G_N_ELEMENTS (units) ? units[i + 1].seconds : 1;
      char next_unit = i + 1 < G_N_ELEMENTS (units) ? units[i + 1].unit : 's';
      if (seconds >= units[i].seconds)
        return g_strdup_printf ("%" G_GINT64_FORMAT "%c %" G_GINT64_FORMAT "%c", seconds / units[i].seconds,
                                units[i].unit, seconds % units[i].seconds / next, next_unit);
    }
  return g_strdup_printf ("%" G_GINT64_FORMAT "s", seconds);
}

char *
vr_show_guest_state (GVariant *guest)
{
  const char *state = vr_item_text (guest, "state", "-");
  const char *to = vr_item_text (guest, "incoming", NULL);
  if (to == NULL && g_str_equal (state, "leaving"))
    to = vr_item_text (guest, "target", NULL);
  return to != NULL ? g_strdup_printf ("%s to %s", state, to) : g_strdup (state);
}

char *
vr_show_tunnel (GVariant *host, gint64 now_us)
{
  const char *trouble = vr_item_text (host, "trouble", NULL);
  gint64 since_us = vr_item_time (host, "since");
  if (vr_item_flag (host, "self"))
    return g_strdup ("this host");
  if (vr_item_flag (host, "up") && since_us != 0)
    {
      g_autofree char *duration = vr_show_duration (now_us - since_us);
      return g_strdup_printf ("up for %s", duration);
    }
  if (vr_item_flag (host, "up"))
    return g_strdup ("up");
  if (!vr_item_flag (host, "wanted"))
    return g_strdup ("not needed");
  return trouble != NULL ? g_strdup_printf ("down: %s", trouble) : g_strdup ("down");
}

/* ---- colours ---- */

const char *
vr_show_colour (VrColour colour)
{
  static const char *const sequences[] = { "\033[0m", "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[1m" };
  const char *no = g_getenv ("NO_COLOR"), *term = g_getenv ("TERM");
  gboolean plain = (no != NULL && *no != '\0') || g_strcmp0 (term, "dumb") == 0 || !isatty (STDOUT_FILENO);
  return plain ? "" : sequences[colour];
}

/* ---- tables ---- */

struct _VrTable {
  guint      n_columns;
  GPtrArray *cells; /* of char *, row by row, the headings first */
  guint      printed; /* cells */
};

static void
add_row (VrTable *table, const char *cell, va_list rest)
{
  for (; cell != NULL; cell = va_arg (rest, const char *))
    g_ptr_array_add (table->cells, vr_show_text (cell));
}

VrTable *
vr_table_new (const char *heading, ...)
{
  VrTable *table = g_new0 (VrTable, 1);
  va_list rest;
  table->cells = g_ptr_array_new_with_free_func (g_free);
  va_start (rest, heading);
  add_row (table, heading, rest);
  va_end (rest);
  table->n_columns = table->cells->len;
  return table;
}

void
vr_table_free (VrTable *table)
{
  g_ptr_array_unref (table->cells);
  g_free (table);
}

void
vr_table_add (VrTable *table, const char *cell, ...)
{
  va_list rest;
  va_start (rest, cell);
  add_row (table, cell, rest);
  va_end (rest);
  g_assert (table->cells->len % table->n_columns == 0);
}

static glong
column_width (const VrTable *table, guint column)
{
  glong width = 0;
  for (guint i = column; i < table->cells->len; i += table->n_columns)
    width = MAX (width, g_utf8_strlen (table->cells->pdata[i], -1));
  return width;
}

void
vr_table_print (VrTable *table, guint indent)
{
  if (table->cells->len == table->n_columns && table->printed == 0)
    {
      printf ("%*snone\n", (int) indent, "");
      return;
    }

  g_autofree glong *widths = g_new (glong, table->n_columns);
  for (guint column = 0; column < table->n_columns; column++)
    widths[column] = column_width (table, column);
  for (; table->printed < table->cells->len; table->printed++)
    {
      guint column = table->printed % table->n_columns;
      const char *cell = table->cells->pdata[table->printed];
      gboolean last = column + 1 == table->n_columns;
      printf ("%*s%s", column == 0 ? (int) indent : 0, "", cell);
      if (last)
        putchar ('\n');
      else
        printf ("%*s", (int) (widths[column] - g_utf8_strlen (cell, -1) + BETWEEN_COLUMNS), "");
    }
}

/* ---- JSON ---- */

void
vr_show_json (GVariant *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autoptr (JsonNode) node = json_gvariant_serialize (owned);
  g_autofree char *text = json_to_string (node, TRUE);
  puts (text);
}

void
vr_show_json_line (GVariant *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autoptr (JsonNode) node = json_gvariant_serialize (owned);
  g_autofree char *text = json_to_string (node, FALSE);
  puts (text);
}

void
vr_show_names (GVariant *items)
{
  for (gsize i = 0; i < g_variant_n_children (items); i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (items, i);
      g_autofree char *name = vr_show_text (vr_item_text (item, "name", ""));
      puts (name);
    }
}
