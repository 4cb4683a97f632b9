/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/logging.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/names.h"

static gboolean all, to_journal; /* set once, before there are threads */

static const char *
field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    {
      if (g_str_equal (fields[i].key, key) && fields[i].length < 0)
        return fields[i].value;
    }
  return NULL;
}

static const char *
level_word (GLogLevelFlags level)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return "error: ";
  return level & G_LOG_LEVEL_WARNING ? "warning: " : "";
}

char *
vr_logging_format (GLogLevelFlags level, const char *domain, const char *message)
{
  return g_strdup_printf ("virt-relayd: %s%s%s%s", level_word (level), domain != NULL ? domain : "",
                          domain != NULL ? ": " : "", message);
}

static GLogWriterOutput
write_message (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  const char *domain = field (fields, n_fields, "GLIB_DOMAIN");
  const char *message = field (fields, n_fields, "MESSAGE");
  if (!all && g_log_writer_default_would_drop (level, domain))
    return G_LOG_WRITER_HANDLED;
  if (to_journal && g_log_writer_journald (level, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;

  g_autofree char *line = vr_logging_format (level, domain, message != NULL ? message : "(a message that is no text)");
  fprintf (stderr, "%s\n", line); /* one call: lines of several threads stay whole */
  return G_LOG_WRITER_HANDLED;
}

/* ---- messages with fields ---- */

#define MAX_FIELDS 16 /* VrLogFields has 12, and two are for GLib */

typedef struct {
  GLogField fields[MAX_FIELDS];
  gsize     n;
} Fields;

static void
add (Fields *fields, const char *key, const char *value)
{
  if (value != NULL && *value != '\0')
    fields->fields[fields->n++] = (GLogField) { key, value, -1 };
}

/* syslog's numbers, as the journal wants them */
static const char *
priority (GLogLevelFlags level)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return "3";
  if (level & G_LOG_LEVEL_WARNING)
    return "4";
  return level & G_LOG_LEVEL_MESSAGE ? "5" : "6";
}

void
vr_log (GLogLevelFlags level, const VrLogFields *about, const char *format, ...)
{
  const VrRecord  *record = about->record;
  g_autofree char *message = NULL, *epoch = record != NULL ? g_strdup_printf ("%" G_GUINT64_FORMAT, record->epoch) : NULL;
  Fields           fields = { .n = 0 };
  va_list          args;
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);

  add (&fields, "MESSAGE", message);
  add (&fields, "PRIORITY", priority (level));
  if (record != NULL)
    {
      add (&fields, VR_JOURNAL_PREFIX "GUEST", record->name);
      add (&fields, VR_JOURNAL_PREFIX "UUID", record->uuid);
      add (&fields, VR_JOURNAL_PREFIX "STATE", vr_state_to_string (record->state));
      add (&fields, VR_JOURNAL_PREFIX "EPOCH", epoch);
      add (&fields, VR_JOURNAL_PREFIX "OWNER", record->owner);
      add (&fields, VR_JOURNAL_PREFIX "HOME", record->home);
      add (&fields, VR_JOURNAL_PREFIX "ORIGIN", record->origin);
      add (&fields, VR_JOURNAL_PREFIX "TARGET", record->target);
      add (&fields, VR_JOURNAL_PREFIX "WRITER", record->writer);
    }
  add (&fields, VR_JOURNAL_PREFIX "PEER", about->peer);
  add (&fields, VR_JOURNAL_PREFIX "ADDRESS", about->address);
  add (&fields, VR_JOURNAL_PREFIX "TROUBLE", about->about);
  g_log_structured_array (level, fields.fields, fields.n);
}

void
vr_logging_init (gboolean verbose)
{
  all = verbose;
  to_journal = g_log_writer_is_journald (STDERR_FILENO);
  g_log_set_writer_func (write_message, NULL, NULL);
}
